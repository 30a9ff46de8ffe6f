//! Documents in the style of each client (`client-native` 1.3, 2.3, 3.2, 4), with exact answers.

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/native.graphql"));

const ANDROID: &[(&str, &str)] = &[("user-agent", "amplify-android/2.40.0 (Android 14)")];
const SWIFT: &[(&str, &str)] = &[("user-agent", "amplify-swift/2.60.1")];
const FLUTTER: &[(&str, &str)] = &[("user-agent", "amplify-flutter/2.0.0")];
const APOLLO: &[(&str, &str)] = &[("user-agent", "Apollo")];

/// A harbour with two boats, and one that is empty.
async fn harbours(site: &Site) {
    for (id, name) in [("h", "Jotun"), ("empty", "Asker")] {
        let input =
            json!({"id": id, "name": name, "berths": [{"pier": "A", "power": {"volts": 230}}]});
        site.mutate("createHarbour", input, "id").await.value();
    }
    for (number, length) in [(7, 6.1), (8, 12.5)] {
        let input = json!({"code": "no", "number": number, "length": length, "label": "b", "harbourBoatsId": "h"});
        site.mutate("createBoat", input, "code").await.value();
    }
}

fn sorted(items: &Value, key: &str) -> Vec<Value> {
    let mut items = items.as_array().expect("items").clone();
    items.sort_by_key(|item| item[key].to_string());
    items
}

on_both_stores! { PLAN;

/// Android asks for `nextToken` and `startedAt` of nested connections too, and sends `variables: null`.
async fn android_syncs_nested_connections(site: &mut Site) {
    site.speak_as(ANDROID);
    harbours(site).await;
    let document = "query SyncHarbours {
  syncHarbours {
    items {
      __typename
      _deleted
      _lastChangedAt
      _version
      berths {
        number
        pier
        power {
          phases
          volts
        }
      }
      boats {
        items {
          __typename
          _deleted
          _version
          code
          length
          number
        }
        nextToken
        startedAt
      }
      id
      name
    }
    nextToken
    startedAt
  }
}
";
    let (status, _, body) = site.post(json!({"query": document, "variables": null}).to_string()).await;
    assert_eq!((status, body.get("errors")), (200, None));
    let page = &body["data"]["syncHarbours"];
    assert!(page["startedAt"].is_i64());
    assert_eq!(page["nextToken"], Value::Null);
    let harbours = sorted(&page["items"], "id");
    let empty = json!({"items": [], "nextToken": null, "startedAt": null});
    assert_eq!(harbours[0]["boats"], empty);
    let boat = |number: i64, length: f64| json!({"__typename": "Boat", "_deleted": null, "_version": 1,
        "code": "no", "length": length, "number": number});
    assert_eq!(sorted(&harbours[1]["boats"]["items"], "number"), [boat(7, 6.1), boat(8, 12.5)]);
    assert_eq!(
        harbours[1]["berths"],
        json!([{"number": null, "pier": "A", "power": {"phases": null, "volts": 230}}])
    );
}

/// Android's delta sync: filter, last sync and limit, declared in alphabetical order.
async fn android_syncs_a_selection_since_a_time(site: &mut Site) {
    site.speak_as(ANDROID);
    harbours(site).await;
    let document = "query SyncHarbours($filter: ModelHarbourFilterInput, $lastSync: AWSTimestamp, $limit: Int) {
  syncHarbours(filter: $filter, lastSync: $lastSync, limit: $limit) {
    items { __typename _deleted _lastChangedAt _version id name }
    nextToken
    startedAt
  }
}
";
    let variables = json!({"filter": {"and": [{"name": {"beginsWith": "J"}}]}, "limit": 342, "lastSync": 123_412_341});
    let page = site.ask(document, variables).await.value();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["items"][0]["id"], "h");
}

/// Android updates with a condition; whole models send explicit nulls, serialized ones only what changed.
async fn android_updates_under_a_condition(site: &mut Site) {
    site.speak_as(ANDROID);
    harbours(site).await;
    let document = "mutation UpdateHarbour($condition: ModelHarbourConditionInput, $input: UpdateHarbourInput!) {
  updateHarbour(condition: $condition, input: $input) {
    __typename
    _deleted
    _lastChangedAt
    _version
    boats {
      items {
        code
      }
      nextToken
      startedAt
    }
    depth
    id
    name
    rig
  }
}
";
    let input = json!({"_version": 1, "id": "h", "name": "Ran", "depth": null, "rig": "KETCH"});
    let update = |condition: Value, input: Value| site.ask(document, json!({"condition": condition, "input": input}));
    let refused = update(json!({"name": {"contains": "xx"}}), input.clone()).await.refusal();
    assert_eq!(refused["errorType"], "ConditionalCheckFailedException");
    let updated = update(json!({"name": {"contains": "otu"}}), input).await.value();
    assert_eq!((&updated["name"], &updated["depth"], &updated["_version"]), (&json!("Ran"), &Value::Null, &json!(2)));
    let partial = update(Value::Null, json!({"_version": 2, "id": "h", "depth": 4.50})).await.value();
    assert_eq!((&partial["name"], &partial["depth"], &partial["rig"]), (&json!("Ran"), &json!(4.50), &json!("KETCH")));
}

/// Android takes a record from its parent by a null for every part of the foreign key, also where a required list makes it
/// required.
async fn native_clients_take_a_record_from_its_parent(site: &mut Site) {
    site.speak_as(ANDROID);
    site.mutate("createFleet", json!({"id": "f", "flag": "no"}), "id").await.value();
    let input = json!({"id": "s", "fleetShipsId": "f", "fleetShipsFlag": "no"});
    site.mutate("createShip", input, "id").await.value();
    let document = "mutation UpdateShip($input: UpdateShipInput!) {
  updateShip(input: $input) {
    fleet {
      flag
      id
    }
    id
  }
}
";
    let input = json!({"id": "s", "fleetShipsFlag": null, "fleetShipsId": null, "_version": 1});
    let updated = site.ask(document, json!({ "input": input })).await.value();
    assert_eq!(updated, json!({"fleet": null, "id": "s"}));
    let fleet = site.read("{ getFleet(id: \"f\", flag: \"no\") { ships { items { id } } } }").await;
    assert_eq!(fleet["ships"]["items"], json!([]));
    let error = site.mutate("createShip", json!({"id": "t"}), "id").await.invalid();
    assert!(error.contains("coerced Null value for NonNull type 'ID!'"), "{error}");
}

/// Swift names every key `ID!`, whatever its type is (`client-native` R25).
async fn swift_reads_by_ids(site: &mut Site) {
    site.speak_as(SWIFT);
    harbours(site).await;
    site.mutate("createLamp", json!({"key": 12, "colour": "red"}), "key").await.value();
    let document = "query GetHarbour($id: ID!) {\n  getHarbour(id: $id) {\n    id\n    name\n    __typename\n    _version\n    _deleted\n    _lastChangedAt\n  }\n}";
    assert_eq!(site.ask(document, json!({"id": "h"})).await.value()["name"], "Jotun");
    let document = "query GetLamp($key: ID!) {\n  getLamp(key: $key) {\n    key\n    colour\n  }\n}";
    assert_eq!(site.ask(document, json!({"key": "12"})).await.value(), json!({"key": 12, "colour": "red"}));
    assert_eq!(site.ask(document, json!({"key": 12})).await.value(), json!({"key": 12, "colour": "red"}));
}

/// Swift reads by composite keys with literals in an order of its own, and deletes by keys whose numbers are text.
async fn swift_reads_and_deletes_by_composite_keys(site: &mut Site) {
    site.speak_as(SWIFT);
    harbours(site).await;
    let document = "query GetBoat {\n  getBoat(length: 6.1, code: \"no\", number: 7) {\n    code\n    number\n    length\n    label\n    __typename\n    _version\n    _deleted\n    _lastChangedAt\n  }\n}";
    assert_eq!(site.ask(document, json!({})).await.value()["label"], "b");
    let document = "mutation DeleteBoat($input: DeleteBoatInput!) {\n  deleteBoat(input: $input) {\n    code\n    number\n    length\n    label\n    home {\n      id\n      __typename\n      _deleted\n    }\n    __typename\n    _version\n    _deleted\n    _lastChangedAt\n  }\n}";
    let input = json!({"code": "no", "number": "7", "length": "6.1", "_version": 1});
    let mut deleted = site.ask(document, json!({ "input": input })).await.value();
    assert!(deleted.as_object_mut().expect("an object").shift_remove("_lastChangedAt").is_some());
    assert_eq!(
        deleted,
        json!({"code": "no", "number": 7, "length": 6.1, "label": "b",
            "home": {"id": "h", "__typename": "Harbour", "_deleted": null},
            "__typename": "Boat", "_version": 2, "_deleted": true})
    );
}

/// Swift's selective sync nests groups; a lazy parent is its key, type and mark.
async fn swift_syncs_nested_groups_and_lazy_parents(site: &mut Site) {
    site.speak_as(SWIFT);
    harbours(site).await;
    let document = "query SyncBoats($filter: ModelBoatFilterInput, $lastSync: AWSTimestamp, $limit: Int, $nextToken: String) {
  syncBoats(filter: $filter, lastSync: $lastSync, limit: $limit, nextToken: $nextToken) {
    items {
      code
      number
      length
      home {
        id
        __typename
        _deleted
      }
      __typename
      _version
      _deleted
      _lastChangedAt
    }
    nextToken
    startedAt
  }
}";
    let filter = json!({"and": [{"code": {"eq": "no"}}, {"or": [{"label": {"beginsWith": "x"}}, {"number": {"gt": 7}}]}]});
    let page = site.ask(document, json!({"filter": filter, "limit": 100, "nextToken": null})).await.value();
    let items = page["items"].as_array().expect("items");
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["home"], json!({"id": "h", "__typename": "Harbour", "_deleted": null}));
}

/// Flutter sends variables that its document does not declare, and declares a condition that it leaves null.
async fn flutter_sends_undeclared_and_null_variables(site: &mut Site) {
    site.speak_as(FLUTTER);
    harbours(site).await;
    let document = "query getBoat { getBoat(code: \"no\", number: 8, length: 12.5) { code number length label harbourBoatsId } }";
    let body = json!({"variables": {"code": "no", "number": 8, "length": 12.5}, "query": document});
    let (status, _, answer) = site.post(body.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({"data": {"getBoat": {"code": "no", "number": 8, "length": 12.5, "label": "b", "harbourBoatsId": "h"}}})
    );
    let document = "mutation createHarbour($input: CreateHarbourInput!, $condition:  ModelHarbourConditionInput) { createHarbour(input: $input, condition: $condition) { id name openedAt } }";
    let input = json!({"id": "f", "name": "F", "openedAt": "2024-05-14T22:00:20.000000000Z", "rig": null});
    let made = site.ask(document, json!({"input": input, "condition": null})).await.value();
    assert_eq!(made, json!({"id": "f", "name": "F", "openedAt": "2024-05-14T22:00:20.000000000Z"}));
    let document = "query listHarbours($filter: ModelHarbourFilterInput, $limit: Int, $nextToken: String) { listHarbours(filter: $filter, limit: $limit, nextToken: $nextToken) { items { id } nextToken } }";
    let page = site.ask(document, json!({"filter": null, "limit": null, "nextToken": null})).await.value();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
}

/// Flutter's predicates hold every operator it knows.
async fn flutter_filters_by_every_operator(site: &mut Site) {
    site.speak_as(FLUTTER);
    harbours(site).await;
    let document = "query listHarbours($filter: ModelHarbourFilterInput, $limit: Int, $nextToken: String) { listHarbours(filter: $filter, limit: $limit, nextToken: $nextToken) { items { id } nextToken } }";
    for (test, passes) in [
        (json!({"ne": "h"}), false),
        (json!({"eq": "h"}), true),
        (json!({"lt": "i"}), true),
        (json!({"le": "h"}), true),
        (json!({"gt": "g"}), true),
        (json!({"ge": "i"}), false),
        (json!({"contains": "h"}), true),
        (json!({"between": ["a", "z"]}), true),
        (json!({"beginsWith": "h"}), true),
        (json!({"attributeExists": true}), true),
    ] {
        let filter = json!({"and": [{"id": {"eq": "h"}}, {"not": {"id": {"eq": "x"}}}, {"id": test}]});
        let page = site.ask(document, json!({"filter": filter, "limit": 10, "nextToken": null})).await.value();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(usize::from(passes)), "{test}");
    }
}

/// Dates as each client writes them come back as they were sent, and may be parts of filters.
async fn dates_come_back_as_their_client_wrote_them(site: &mut Site) {
    for (client, due, at) in [
        (SWIFT, "2024-05-14Z", "22:00:30.605Z"),
        (ANDROID, "2024-05-14", "22:00:30.605000000"),
        (FLUTTER, "2024-05-14+02:00", "22:00:30.000000001+02:00"),
    ] {
        site.speak_as(client);
        let input = json!({"due": due, "at": at});
        let made = site.mutate("createNote", input.clone(), "due at").await.value();
        assert_eq!(made, input);
        let query = format!("{{ listNotes(filter: {{at: {{eq: \"{at}\"}}}}) {{ items {{ due at }} }} }}");
        assert_eq!(site.read(&query).await["items"], json!([input]));
    }
}

/// Apollo clients send documents of their users' own: any names, anonymous operations, `__typename` everywhere.
async fn apollo_sends_documents_of_its_users(site: &mut Site) {
    site.speak_as(APOLLO);
    let document = "mutation CreateNote($createNoteInput: CreateNoteInput!) { createNote(input: $createNoteInput) { __typename id updatedAt createdAt content } }";
    let body = json!({"operationName": "CreateNote", "query": document, "variables": {"createNoteInput": {"content": "hello"}}});
    let (_, _, answer) = site.post(body.to_string()).await;
    let made = &answer["data"]["createNote"];
    assert_eq!((&made["__typename"], &made["content"]), (&json!("Note"), &json!("hello")), "{answer}");
    let page = site.read("{ listNotes { __typename items { __typename content } } }").await;
    assert_eq!(page, json!({"__typename": "ModelNoteConnection", "items": [{"__typename": "Note", "content": "hello"}]}));
    let authorization = json!({"host": "localhost", "x-api-key": site.server.key});
    let mut socket = site.server.session().await;
    socket.subscribe("1", "subscription { onCreateNote { __typename content } }", &authorization).await;
    site.ask(document, json!({"createNoteInput": {"content": "again"}})).await.value();
    let frame = socket.frame().await;
    assert_eq!(
        frame["payload"]["data"],
        json!({"onCreateNote": {"__typename": "Note", "content": "again"}})
    );
}

/// Flutter filters subscriptions on the server; the others are sent everything.
async fn flutter_filters_events_on_the_server(site: &mut Site) {
    site.speak_as(FLUTTER);
    let document = "subscription onCreateHarbour($filter: ModelSubscriptionHarbourFilterInput) { onCreateHarbour(filter: $filter) { id name createdAt updatedAt } }";
    let data = json!({"variables": {"filter": {"name": {"eq": "sample"}}}, "query": document}).to_string();
    let authorization = json!({"host": "localhost", "x-api-key": site.server.key, "user-agent": FLUTTER[0].1});
    let mut socket = site.server.session().await;
    let payload = json!({"data": data, "extensions": {"authorization": authorization}});
    socket.send(json!({"id": "1", "type": "start", "payload": payload})).await;
    assert_eq!(socket.frame().await["type"], "start_ack");
    for name in ["other", "sample"] {
        site.mutate("createHarbour", json!({"id": name, "name": name}), "id").await.value();
    }
    assert_eq!(socket.frame().await["payload"]["data"]["onCreateHarbour"]["id"], "sample");
}
}
