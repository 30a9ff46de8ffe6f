//! Creates, updates and deletes as a client sees them (`sync-semantics` 1, 2; `transformer.md` 6).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAYERS: Plan = Plan::of(include_str!("../../schemas/players.graphql"));

const FIELDS: &str = "id name jersey note interests points meta teamId createdAt updatedAt \
    _version _deleted _lastChangedAt";

async fn create(site: &Site, input: Value) -> Value {
    site.mutate("createPlayer", input, FIELDS).await.value()
}

async fn update(site: &Site, input: Value) -> Value {
    site.mutate("updatePlayer", input, FIELDS).await.value()
}

async fn delete(site: &Site, input: Value) -> Value {
    site.mutate("deletePlayer", input, FIELDS).await.value()
}

async fn get(site: &Site, id: &str) -> Value {
    site.read(&format!("{{ getPlayer(id: \"{id}\") {{ {FIELDS} }} }}"))
        .await
}

/// The operating system's time in milliseconds: the server runs on the same machine.
fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let millis = since.expect("the clock is set").as_millis();
    i64::try_from(millis).expect("a date of our time")
}

on_both_stores! { PLAYERS;

/// Row 1, section 1.1, META-2: version 1 whatever the client says, a millisecond time, and `_deleted` null.
async fn a_create_makes_version_1_with_times_and_an_id(site: &Site) {
    let before = now();
    let created = create(site, json!({"name": "Ada", "_version": 7})).await;
    let after = now();
    assert_eq!(created["_version"], 1);
    assert_eq!(created["_deleted"], Value::Null);
    let changed = created["_lastChangedAt"].as_i64().expect("a number");
    assert!((before..=after).contains(&changed), "{before} {changed} {after}");
    let id = created["id"].as_str().expect("an id");
    uuid::Uuid::parse_str(id).expect("a UUID");
    assert_eq!(created["createdAt"], created["updatedAt"]);
    let stamp = created["createdAt"].as_str().expect("a time");
    assert!(stamp.len() == "2023-11-14T22:13:20.120Z".len() && stamp.ends_with('Z'), "{stamp}");
    assert_eq!(get(site, id).await, created);
}

/// Rows 2 and 3, `errata.md` row 16: an id that is taken stays taken after a delete; the error shows who has it.
async fn a_create_over_another_record_fails_even_if_that_is_deleted(site: &Site) {
    let first = create(site, json!({"id": "p", "name": "first"})).await;
    let again = json!({"id": "p", "name": "second"});
    let error = site.mutate("createPlayer", again.clone(), FIELDS).await.refusal();
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("The conditional request failed (Service: DynamoDb"), "{message}");
    assert_eq!(error["data"], first);

    let tombstone = delete(site, json!({"id": "p", "_version": 1})).await;
    let error = site.mutate("createPlayer", again, FIELDS).await.refusal();
    assert_eq!(error["errorType"], "ConditionalCheckFailedException");
    assert_eq!(error["data"], tombstone);
    assert_eq!(get(site, "p").await, tombstone);
}

/// `client-js` rule 18, `errata.md` row 14: a create whose answer was lost succeeds when it comes again.
async fn a_repeated_create_is_answered_with_the_record_and_writes_nothing(site: &Site) {
    let input = json!({"id": "p", "name": "Ada", "points": [1]});
    let first = create(site, input.clone()).await;
    assert_eq!(create(site, input.clone()).await, first);
    let later = update(site, json!({"id": "p", "note": "n", "_version": 1})).await;
    assert_eq!(create(site, input).await, later);
    assert_eq!(get(site, "p").await, later);
}

/// `errata.md` row 15: the same for an update and a delete, which carry the version they made themselves stale.
async fn a_repeated_update_or_delete_is_answered_and_writes_nothing(site: &Site) {
    create(site, json!({"id": "p", "name": "Ada", "points": [1]})).await;
    let change = json!({"id": "p", "points": [1, 2], "_version": 1});
    let updated = update(site, change.clone()).await;
    assert_eq!(update(site, change).await, updated);
    let gone = json!({"id": "p", "_version": 2});
    let deleted = delete(site, gone.clone()).await;
    assert_eq!(delete(site, gone).await, deleted);
    assert_eq!(deleted["_version"], 3);
    assert_eq!(get(site, "p").await, deleted);
}

/// Rows 4 and 12: without a record there is nothing to change and no data to show.
async fn a_missing_record_cannot_be_updated_or_deleted(site: &Site) {
    for mutation in ["updatePlayer", "deletePlayer"] {
        let input = json!({"id": "nobody", "_version": 1});
        let error = site.mutate(mutation, input, FIELDS).await.refusal();
        assert_eq!(error["errorType"], "ConditionalCheckFailedException");
        let message = error["message"].as_str().expect("a message");
        assert!(
            message.starts_with("No existing item found in the data source : The conditional request failed"),
            "{message}"
        );
        assert_eq!(error["data"], Value::Null);
        assert_eq!(error["path"], json!([mutation]));
    }
    assert_eq!(get(site, "nobody").await, Value::Null);
}

/// MUT-1, MUT-2: omitted fields stay, nulls clear, `createdAt` stays and `updatedAt` moves on.
async fn an_update_keeps_what_it_omits_and_clears_what_is_null(site: &Site) {
    let input = json!({"id": "p", "name": "Ada", "note": "n", "jersey": 1, "points": [1]});
    let created = create(site, input).await;
    let updated = update(site, json!({"id": "p", "note": null, "jersey": 2, "_version": 1})).await;
    assert_eq!(updated["name"], "Ada");
    assert_eq!(updated["points"], json!([1]));
    assert_eq!((&updated["note"], &updated["jersey"]), (&Value::Null, &json!(2)));
    assert_eq!(updated["createdAt"], created["createdAt"]);
    assert!(updated["updatedAt"].as_str() >= created["updatedAt"].as_str());
    assert_eq!(updated["_version"], 2);
    assert!(updated["_lastChangedAt"].as_i64() >= created["_lastChangedAt"].as_i64());
    assert_eq!(get(site, "p").await, updated);
}

/// Section 1.1: an accepted write that changes no visible field counts.
async fn an_update_of_nothing_makes_a_version(site: &Site) {
    let created = create(site, json!({"id": "p", "name": "Ada"})).await;
    let updated = update(site, json!({"id": "p", "_version": 1})).await;
    assert_eq!(updated["_version"], 2);
    assert_eq!(updated["name"], created["name"]);
}

/// A required field cannot be cleared: the record would vanish from every client.
async fn a_variable_that_was_not_sent_clears_nothing(site: &Site) {
    create(site, json!({"id": "p", "name": "Ada", "note": "n"})).await;
    let query = "mutation m($id: ID!, $note: String, $version: Int) {
        updatePlayer(input: {id: $id, note: $note, _version: $version}) { note _version } }";
    let answer = site.ask(query, json!({"id": "p", "version": 1})).await;
    assert_eq!(answer.value(), json!({"note": "n", "_version": 2}));
}

/// Rows 6 and 13, MUT-4: the version is judged before the condition; a false condition writes nothing.
async fn a_false_condition_refuses_and_a_true_one_lets_through(site: &Site) {
    let stored = create(site, json!({"id": "p", "name": "Ada", "jersey": 5})).await;
    let fails = json!({"jersey": {"gt": 5}});
    let update = json!({"id": "p", "note": "x", "_version": 1});
    let gone = json!({"id": "p", "_version": 1});
    for (mutation, input) in [("updatePlayer", &update), ("deletePlayer", &gone)] {
        let answer = site.mutate_if(mutation, input.clone(), fails.clone(), FIELDS).await;
        let error = answer.refusal();
        assert_eq!(error["errorType"], "ConditionalCheckFailedException");
        assert_eq!(error["data"], stored);
    }
    let stale = json!({"id": "p", "_version": 9});
    let answer = site.mutate_if("deletePlayer", stale, fails, FIELDS).await;
    assert_eq!(answer.refusal()["errorType"], "ConflictUnhandled");
    assert_eq!(get(site, "p").await, stored);

    let holds = json!({"and": [{"jersey": {"eq": 5}}, {"not": {"name": {"beginsWith": "B"}}}]});
    let answer = site.mutate_if("updatePlayer", update, holds, FIELDS).await;
    assert_eq!(answer.value()["_version"], 2);
}

/// Section 2.1: a create's condition speaks of the record that is not there.
async fn a_condition_of_a_create_is_tested_against_nothing(site: &Site) {
    let fails = json!({"note": {"eq": "n"}});
    let holds = json!({"note": {"attributeExists": false}});
    let input = json!({"id": "p", "name": "Ada", "note": "n"});
    let answer = site.mutate_if("createPlayer", input.clone(), fails, FIELDS).await;
    assert_eq!(answer.refusal()["errorType"], "ConditionalCheckFailedException");
    assert_eq!(get(site, "p").await, Value::Null);
    let answer = site.mutate_if("createPlayer", input, holds, FIELDS).await;
    assert_eq!(answer.value()["_version"], 1);
}

/// Row 13, MUT-6: a delete answers the whole record, which the tombstone keeps.
async fn a_delete_keeps_the_record_as_a_tombstone(site: &Site) {
    let created = create(site, json!({"id": "p", "name": "Ada", "points": [1, 2]})).await;
    let deleted = delete(site, json!({"id": "p", "_version": 1})).await;
    assert_eq!(deleted["_deleted"], true);
    assert_eq!(deleted["_version"], 2);
    for name in ["id", "name", "points", "createdAt", "updatedAt"] {
        assert_eq!(deleted[name], created[name], "{name}");
    }
    assert_eq!(get(site, "p").await, deleted);
}

/// Rows 10 and 15: writes on a tombstone count and leave it one.
async fn a_tombstone_stays_one_when_it_is_updated_or_deleted_again(site: &Site) {
    create(site, json!({"id": "p", "name": "Ada"})).await;
    delete(site, json!({"id": "p", "_version": 1})).await;
    let updated = update(site, json!({"id": "p", "note": "late", "_version": 2})).await;
    assert_eq!(updated["_deleted"], true);
    assert_eq!((&updated["_version"], &updated["note"]), (&json!(3), &json!("late")));
    let again = delete(site, json!({"id": "p", "_version": 3})).await;
    assert_eq!((&again["_version"], &again["_deleted"]), (&json!(4), &json!(true)));
}

/// A live record says null, never false, wherever it is read.
async fn meta_2_a_live_record_says_null_and_not_false(site: &Site) {
    let created = create(site, json!({"id": "p", "name": "Ada"})).await;
    let updated = update(site, json!({"id": "p", "note": "n", "_version": 1})).await;
    let merged = update(site, json!({"id": "p", "points": [1], "_version": 1})).await;
    let listed = site.read("{ listPlayers { items { _deleted } } }").await;
    let synced = site.read("{ syncPlayers { items { _deleted } } }").await;
    let filtered = site
        .read("{ listPlayers(filter: {_deleted: {attributeExists: false}}) { items { _deleted } } }")
        .await;
    for record in [&created, &updated, &merged, &get(site, "p").await] {
        assert_eq!(record["_deleted"], Value::Null);
    }
    for page in [listed, synced, filtered] {
        assert_eq!(page["items"], json!([{"_deleted": null}]));
    }
}

/// One entry in `errors`, null under the field's name and nothing beside it: iOS looks at no other answer.
async fn mut_9_a_mutation_that_fails_has_one_error_and_null_data(site: &Site) {
    create(site, json!({"id": "p", "name": "Ada"})).await;
    update(site, json!({"id": "p", "note": "n", "_version": 1})).await;
    let never = json!({"name": {"eq": "Eve"}});
    for (mutation, input, condition, kind) in [
        ("createPlayer", json!({"id": "p", "name": "Eve"}), Value::Null, "ConditionalCheckFailedException"),
        ("updatePlayer", json!({"id": "none", "_version": 1}), Value::Null, "ConditionalCheckFailedException"),
        ("deletePlayer", json!({"id": "none", "_version": 1}), Value::Null, "ConditionalCheckFailedException"),
        ("updatePlayer", json!({"id": "p", "_version": 2}), never.clone(), "ConditionalCheckFailedException"),
        ("deletePlayer", json!({"id": "p", "_version": 2}), never, "ConditionalCheckFailedException"),
        ("deletePlayer", json!({"id": "p", "_version": 1}), Value::Null, "ConflictUnhandled"),
    ] {
        let answer = site.mutate_if(mutation, input, condition, FIELDS).await;
        let members: Vec<_> = answer.0.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(members, ["data", "errors"], "{mutation}");
        assert_eq!(answer.refusal()["errorType"], kind, "{mutation}");
    }
}

/// META-3: no input takes the metadata that the server keeps.
async fn meta_3_metadata_cannot_be_written(site: &Site) {
    create(site, json!({"id": "p", "name": "Ada"})).await;
    for name in ["_deleted", "_lastChangedAt", "_ttl", "createdBy"] {
        let input = json!({"id": "p", "_version": 1, name: null});
        let message = site.mutate("updatePlayer", input, FIELDS).await.invalid();
        assert_eq!(
            message,
            format!("The variables input contains a field name '{name}' that is not defined for input object type 'UpdatePlayerInput'")
        );
    }
    assert_eq!(get(site, "p").await["_version"], 1);
}

/// MUT-10, `errata.md` row 16: a rejection shows the mutation's selection, and the metadata in any case.
async fn mut_10_a_rejection_shows_the_selection_and_the_metadata(site: &Site) {
    let stored = create(site, json!({"id": "p", "name": "Ada", "points": [3]})).await;
    let stale = json!({"id": "p", "_version": 5});
    let selection = "alias: name points __typename";
    let error = site.mutate("deletePlayer", stale, selection).await.refusal();
    assert_eq!(
        error["data"],
        json!({"alias": "Ada", "points": [3], "__typename": "Player", "id": "p", "_version": 1,
            "_lastChangedAt": stored["_lastChangedAt"], "_deleted": null})
    );
}

/// `errata.md` 2.10: mutations of one request run one after another, each for itself.
async fn mutations_of_one_request_run_in_order_and_fail_alone(site: &Site) {
    let query = "mutation {
        made: createPlayer(input: {id: \"p\", name: \"Ada\"}) { _version }
        failed: deletePlayer(input: {id: \"p\", _version: 7}) { _version }
        changed: updatePlayer(input: {id: \"p\", note: \"n\", _version: 1}) { _version note }
    }";
    let answer = site.ask(query, json!({})).await.0;
    assert_eq!(
        answer["data"],
        json!({"made": {"_version": 1}, "failed": null, "changed": {"_version": 2, "note": "n"}})
    );
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["path"], json!(["failed"]));
    assert_eq!(errors[0]["locations"][0], json!({"line": 3, "column": 9, "sourceName": null}));
}
}
