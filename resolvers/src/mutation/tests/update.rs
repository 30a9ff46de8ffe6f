//! Updates: `transformer.md` 6.2, and what happens when others write at the same time.

use std::sync::atomic::Ordering;

use driftless_conflict_handlers::{Change, Version};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::api::error::{ErrorType, Failure};
use crate::feed::Operation;
use crate::filter::Filter;
use crate::fixtures::{World, object, post, record};
use crate::mutation::decision::{self, Verdict};
use crate::mutation::refusal::Refusal;

async fn created(world: &World) {
    world
        .create(
            "Post",
            json!({"id": "p", "title": "t", "tags": ["a"], "place": {"city": "x", "lines": ["1"]}}),
        )
        .await
        .unwrap();
    world.store.calls();
}

/// MUT-2.
#[tokio::test]
async fn mut_2_omitted_fields_stay_nulls_remove_and_nested_values_are_replaced_whole() {
    let world = World::new();
    created(&world).await;
    world.pass(1_500);
    let input =
        json!({"id": "p", "tags": ["b"], "place": {"city": "y"}, "title": null, "_version": 1});
    let record = world.update("Post", input).await.unwrap();
    assert_eq!(
        Value::Object(record.fields).to_string(),
        r#"{"id":"p","score":0.5,"tags":["b"],"place":{"city":"y"},"createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:21.500Z"}"#
    );
}

#[tokio::test]
async fn mut_1_keys_and_metadata_are_not_written_and_the_time_of_change_is() {
    let world = World::new();
    created(&world).await;
    world.pass(1_500);
    let input = json!({"id": "p", "title": "u", "_version": 1});
    let record = world.update("Post", input).await.unwrap();
    assert_eq!(record.fields["id"], json!("p"));
    assert!(!record.fields.contains_key("_version"));
    assert_eq!(
        record.fields["createdAt"],
        json!("2023-11-14T22:13:20.000Z")
    );
    assert_eq!(
        record.fields["updatedAt"],
        json!("2023-11-14T22:13:21.500Z")
    );
}

/// MUT-2a: what JavaScript sends, and what native clients send of the same edit.
#[tokio::test]
async fn mut_2a_changed_fields_and_whole_models_come_to_the_same_without_a_conflict() {
    let stored = json!({"id": "p", "title": "t", "tags": ["a"], "rating": 1});
    let mut images = Vec::new();
    for input in [
        json!({"id": "p", "rating": null, "_version": 1}),
        json!({"id": "p", "title": "t", "tags": ["a"], "rating": null, "_version": 1}),
    ] {
        let world = World::new();
        world.create("Post", stored.clone()).await.unwrap();
        images.push(world.update("Post", input).await.unwrap().fields);
    }
    assert_eq!(images[0], images[1]);
    assert!(!images[0].contains_key("rating"));
}

#[tokio::test]
async fn a_clients_updated_at_wins() {
    let world = World::new();
    created(&world).await;
    let input = json!({"id": "p", "updatedAt": "2030-01-01T00:00:00Z", "_version": 1});
    let record = world.update("Post", input).await.unwrap();
    assert_eq!(record.fields["updatedAt"], json!("2030-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_composite_sort_key_is_changed_whole_or_not_at_all() {
    let world = World::new();
    world
        .create("Visit", json!({"id": "v", "site": "s", "day": "d", "n": 1}))
        .await
        .unwrap();
    let error = world
        .update("Visit", json!({"id": "v", "n": 2, "_version": 1}))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "When updating any part of the composite sort key for @index 'bySite', you must provide all fields for the key. Missing key: 'day'."
    );
    world
        .update("Visit", json!({"id": "v", "site": "t", "_version": 1}))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_update_is_one_read_and_one_write() {
    let world = World::new();
    created(&world).await;
    world
        .update("Post", json!({"id": "p", "title": "u", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(world.store.calls(), ["get", "put"]);
}

#[tokio::test]
async fn a_write_in_between_turns_the_update_into_a_merge() {
    let world = World::new();
    created(&world).await;
    world.store.rivals.store(1, Ordering::SeqCst);
    let record = world
        .update(
            "Post",
            json!({"id": "p", "title": "mine", "tags": ["b"], "_version": 1}),
        )
        .await
        .unwrap();
    assert_eq!(record.version.0, 3);
    assert_eq!(record.fields["title"], json!("t"));
    assert_eq!(record.fields["tags"], json!(["a", "b"]));
    assert_eq!(world.store.calls(), ["get", "put", "revision", "put"]);
}

#[tokio::test]
async fn a_write_in_between_makes_an_optimistic_update_and_any_delete_a_conflict() {
    let world = World::optimistic();
    created(&world).await;
    world.store.rivals.store(1, Ordering::SeqCst);
    let error = world
        .update("Post", json!({"id": "p", "title": "mine", "_version": 1}))
        .await
        .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
    assert_eq!(error.record.unwrap().version.0, 2);

    let world = World::new();
    created(&world).await;
    world.store.rivals.store(1, Ordering::SeqCst);
    let error = world
        .delete("Post", json!({"id": "p", "_version": 1}))
        .await
        .unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
}

#[tokio::test]
async fn am_3_a_merge_is_tried_again_while_others_write() {
    let world = World::new();
    created(&world).await;
    world.store.rivals.store(20, Ordering::SeqCst);
    let record = world
        .update("Post", json!({"id": "p", "tags": ["b"], "_version": 1}))
        .await
        .unwrap();
    assert_eq!(record.version.0, 22);
    assert_eq!(record.fields["tags"], json!(["a", "b"]));
}

/// `errata.md` row 3.
#[tokio::test]
async fn am_3_two_hundred_writers_of_one_record_all_get_through() {
    let world = World::new();
    created(&world).await;
    let writers = (0..200).map(|n| {
        let input = json!({"id": "p", "tags": [n.to_string()], "_version": 0});
        world.update("Post", input)
    });
    let written = futures_util::future::join_all(writers).await;
    let mut versions: Vec<_> = written
        .into_iter()
        .map(|record| record.unwrap().version.0)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=201).collect::<Vec<_>>());
    let last = world.events("Post").await.pop().unwrap().record;
    assert_eq!(last.fields["tags"].as_array().unwrap().len(), 201);
}

/// `errata.md` row 3: never `MaxConflicts`.
#[tokio::test]
async fn a_record_that_never_rests_asks_the_client_to_come_back() {
    let world = World::new();
    created(&world).await;
    world.store.rivals.store(usize::MAX, Ordering::SeqCst);
    let args = object(json!({"input": {"id": "p", "title": "u", "_version": 1}}));
    let outcome = crate::mutation::update(
        &world.engine,
        &world.caller,
        world.model("Post"),
        &args,
        None,
    )
    .await;
    assert!(
        matches!(outcome, Err(Failure::Unavailable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_log_tells_who_did_what() {
    let world = World::new();
    created(&world).await;
    world
        .update("Post", json!({"id": "p", "title": "u", "_version": 1}))
        .await
        .unwrap();
    world
        .delete("Post", json!({"id": "p", "_version": 2}))
        .await
        .unwrap();
    let operations: Vec<_> = world
        .events("Post")
        .await
        .iter()
        .map(|event| event.operation)
        .collect();
    assert_eq!(
        operations,
        [Operation::Create, Operation::Update, Operation::Delete]
    );
}

/// META-1.
#[test]
fn meta_1_the_last_version_is_not_counted_past() {
    let mut stored = record(json!({"id": "p"}));
    stored.version = Version(i32::MAX as u32);
    let change = Change {
        fields: crate::Fields::new(),
        base: Some(stored.version),
    };
    let everything = Filter::everything();
    let used_up = Verdict::Refuse(Refusal::VersionsUsedUp);
    assert_eq!(
        decision::update(&post(), Some(&stored), change.base, &change, &everything),
        used_up
    );
    assert_eq!(
        decision::delete(Some(&stored), change.base, &everything),
        used_up
    );
}
