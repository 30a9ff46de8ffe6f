//! Events that hold what their mutations selected: `realtime.selection = "mutation"` (`errata.md` row 45, `realtime` 3).
//! The other position is every other case about events.

use driftless_resolvers::engine::Published;
use serde_json::{Value, json};

use crate::support::server::Socket;
use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = told(include_str!("../../schemas/players.graphql"));
const BY_HAND: Plan = told(include_str!("../../schemas/published.graphql"));

const fn told(schema: &'static str) -> Plan {
    Plan::of(schema).configured(|config| config.engine.published = Published::Selection)
}

const APPLICATION: &str = "aws-amplify/6.22.1 api/1 framework/0";

/// The fields that DataStore and its native relatives select, in mutations as in subscriptions.
const EVERYTHING: &str = "id name jersey note interests points stats { ppg apg rpg games home { city seats } } meta teamId \
     position createdAt updatedAt _version _lastChangedAt _deleted";

async fn listener(site: &Site, field: &str) -> Socket {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization(APPLICATION);
    let query = format!("subscription operation {{ {field} }}");
    socket.subscribe("s", &query, &authorization).await;
    socket
}

async fn payload(socket: &mut Socket) -> Value {
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "data", "{frame}");
    frame["payload"].clone()
}

fn ada() -> Value {
    json!({
        "id": "p", "name": "Ada", "note": "n", "points": [1, 2], "meta": "{\"k\":{\"l\":1}}",
        "stats": {"ppg": 1.50, "apg": 2, "home": {"city": "Oslo", "seats": 3}}
    })
}

on_both_stores! { PLAN;

/// What is not selected is null at every depth, by the names of fields and not by aliases; the store keeps all of it.
async fn an_event_holds_what_the_mutation_selected(site: &Site) {
    let mut socket = listener(site, &format!("onCreatePlayer {{ __typename {EVERYTHING} }}")).await;
    let selection = "called: name id createdAt updatedAt meta stats { ppg home { city } } _version _lastChangedAt";
    let created = site.mutate("createPlayer", ada(), selection).await.value();
    let event = payload(&mut socket).await;
    assert_eq!(event.get("errors"), None);
    let expected = json!({
        "__typename": "Player", "id": "p", "name": "Ada", "jersey": null, "note": null, "interests": null, "points": null,
        "stats": {"ppg": 1.50, "apg": null, "rpg": null, "games": null, "home": {"city": "Oslo", "seats": null}},
        "meta": created["meta"], "teamId": null, "position": null,
        "createdAt": created["createdAt"], "updatedAt": created["updatedAt"],
        "_version": 1, "_lastChangedAt": created["_lastChangedAt"], "_deleted": null
    });
    assert_eq!(event["data"]["onCreatePlayer"], expected);
    let stored = site.read("{ getPlayer(id: \"p\") { note points } }").await;
    assert_eq!(stored, json!({"note": "n", "points": [1, 2]}));
}

/// `realtime` 3: the error climbs to the event, in AppSync's words; who does not ask for the field is told.
async fn an_event_without_what_its_type_requires_is_null_with_an_error(site: &Site) {
    let mut all = listener(site, &format!("onCreatePlayer {{ {EVERYTHING} }}")).await;
    let mut few = listener(site, "told: onCreatePlayer { id note }").await;
    site.mutate("createPlayer", ada(), "id").await.value();
    let event = payload(&mut all).await;
    assert_eq!(event["data"], json!({"onCreatePlayer": null}));
    let error = &event["errors"][0];
    assert_eq!(error["message"], "Cannot return null for non-nullable type: 'String' within parent 'Player' (/onCreatePlayer/name)");
    assert_eq!(error["path"], json!(["onCreatePlayer", "name"]));
    assert_eq!(payload(&mut few).await, json!({"data": {"told": {"id": "p", "note": null}}}));
}

/// `realtime` 4.1: a field that is not selected counts as null.
async fn filters_are_about_what_was_selected(site: &Site) {
    let mut socket = listener(site, "onUpdatePlayer(filter: {note: {eq: \"x\"}}) { id jersey }").await;
    for (id, selection) in [("a", "id"), ("b", "id note"), ("c", "id jersey note")] {
        site.mutate("createPlayer", json!({"id": id, "name": id}), "id").await.value();
        let input = json!({"id": id, "note": "x", "jersey": 7, "_version": 1});
        site.mutate("updatePlayer", input, selection).await.value();
    }
    for (id, jersey) in [("b", json!(null)), ("c", json!(7))] {
        let event = payload(&mut socket).await;
        assert_eq!(event["data"]["onUpdatePlayer"], json!({"id": id, "jersey": jersey}));
    }
}

/// DataStore and the native libraries select everything: to them both positions are one, in merges and deletes, too.
async fn clients_that_select_everything_are_told_everything(site: &mut Site) {
    const LIBRARIES: [(&str, &str); 4] = [
        ("x-amz-user-agent", "aws-amplify/6.22.1 datastore/5 framework/0"),
        ("user-agent", "amplify-swift/2.60.1"),
        ("user-agent", "amplify-android/2.40.0 (Android 14)"),
        ("user-agent", "amplify-flutter/2.0.0"),
    ];
    let mut creates = listener(site, &format!("onCreatePlayer {{ {EVERYTHING} }}")).await;
    let mut updates = listener(site, &format!("onUpdatePlayer {{ {EVERYTHING} }}")).await;
    let mut deletes = listener(site, &format!("onDeletePlayer {{ {EVERYTHING} }}")).await;
    for (number, library) in LIBRARIES.into_iter().enumerate() {
        site.speak_as(&[library]);
        let mut input = ada();
        input["id"] = json!(number.to_string());
        let created = site.mutate("createPlayer", input, EVERYTHING).await.value();
        assert_eq!(payload(&mut creates).await["data"]["onCreatePlayer"], created);
        let stale = json!({"id": number.to_string(), "points": [3], "_version": 7});
        let merged = site.mutate("updatePlayer", stale, EVERYTHING).await.value();
        assert_eq!(payload(&mut updates).await["data"]["onUpdatePlayer"], merged);
        let gone = json!({"id": number.to_string(), "_version": 2});
        let deleted = site.mutate("deletePlayer", gone, EVERYTHING).await.value();
        assert_eq!(deleted["_deleted"], true);
        assert_eq!(payload(&mut deletes).await["data"]["onDeletePlayer"], deleted);
    }
}
}

on_both_stores! { BY_HAND;

/// Hand-written subscriptions of generated mutations are told no more either: the key of a parent only if it was selected,
/// and nothing at all where an argument asks for what was not (`realtime` 4.1).
async fn subscriptions_by_hand_are_told_what_was_selected(site: &Site) {
    let mut socket = listener(site, "onMessage(channel: \"a\") { id text rank author { id } }").await;
    for (id, selection) in [("0", "id text"), ("1", "id text channel"), ("2", "id rank channel author { id }")] {
        let input = json!({"id": id, "channel": "a", "text": "x", "rank": 5, "authorMessagesId": "u"});
        site.mutate("createMessage", input, selection).await.value();
    }
    for message in [
        json!({"id": "1", "text": "x", "rank": null, "author": null}),
        json!({"id": "2", "text": null, "rank": 5, "author": {"id": "u"}}),
    ] {
        assert_eq!(payload(&mut socket).await["data"]["onMessage"], message);
    }
}
}

/// The selection is in the log, so that it does not matter which node took the mutation, nor when another one reads of it.
#[tokio::test]
async fn every_node_tells_what_the_mutation_selected() {
    let site = Site::postgres(PLAN).await;
    let other = site.another_node(PLAN).await;
    let mut here = listener(&site, "onCreatePlayer { id note }").await;
    let mut there = other.session().await;
    let query = "subscription operation { onCreatePlayer { id note } }";
    let authorization = other.authorization(APPLICATION);
    there.subscribe("s", query, &authorization).await;
    let everything = Plan::of(include_str!("../../schemas/players.graphql"));
    let third = site.another_node(everything).await;
    let create = |id: &str| {
        format!(
            "mutation {{ createPlayer(input: {{id: \"{id}\", name: \"x\", note: \"n\"}}) {{ id }} }}"
        )
    };
    for (node, id, note) in [
        (&site.server, "a", json!(null)),
        (&other, "b", json!(null)),
        (&third, "c", json!("n")),
    ] {
        node.graphql(&create(id), json!({})).await;
        for socket in [&mut here, &mut there] {
            let event = payload(socket).await;
            assert_eq!(
                event["data"]["onCreatePlayer"],
                json!({"id": id, "note": note})
            );
        }
    }
    third.app.stop().await;
    other.app.stop().await;
    site.finish().await;
}
