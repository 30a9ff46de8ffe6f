//! Repeated requests: `errata.md` rows 14 and 15.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::api::error::ErrorType;
use crate::engine::RejectionData;
use crate::fixtures::{World, caller};

fn sent() -> Value {
    json!({"id": "p", "title": "t", "rating": 1, "score": null, "blogID": null})
}

#[tokio::test]
async fn a_repeated_create_is_answered_with_the_record_and_writes_nothing() {
    let world = World::new();
    let first = world.create("Post", sent()).await.unwrap();
    world.pass(60_000);
    assert_eq!(world.create("Post", sent()).await, Ok(first));
    assert_eq!(world.events("Post").await.len(), 1);
}

#[tokio::test]
async fn a_repeated_create_is_recognised_after_later_updates() {
    let world = World::new();
    world.create("Post", sent()).await.unwrap();
    let newest = world
        .update("Post", json!({"id": "p", "title": "u", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(world.create("Post", sent()).await, Ok(newest));
}

#[tokio::test]
async fn a_create_with_fewer_fields_of_the_same_content_is_a_repetition() {
    let world = World::new();
    let first = world.create("Post", sent()).await.unwrap();
    let fewer = serde_json::from_str(r#"{"id": "p", "score": 0.50}"#).unwrap();
    assert_eq!(world.create("Post", fewer).await, Ok(first));
}

#[tokio::test]
async fn another_content_or_another_caller_is_no_repetition() {
    let mut world = World::new();
    world.create("Post", sent()).await.unwrap();
    let refused = |error: crate::api::error::FieldError| {
        assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
        assert_eq!(error.record.unwrap().version.0, 1);
    };
    for input in [
        json!({"id": "p", "title": "other"}),
        json!({"id": "p", "title": null}),
        json!({"id": "p", "meta": "{}"}),
    ] {
        refused(world.create("Post", input).await.unwrap_err());
    }
    world.caller = caller("k2");
    refused(world.create("Post", sent()).await.unwrap_err());
}

#[tokio::test]
async fn replay_can_be_switched_off() {
    let mut world = World::new();
    world.engine.settings.create_replay = false;
    world.create("Post", sent()).await.unwrap();
    let error = world.create("Post", sent()).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
}

/// `errata.md` row 29, by the clock that the client's patience goes by.
#[tokio::test]
async fn a_stale_delete_that_is_repeated_in_vain_is_answered_later_each_time() {
    let mut world = World::new();
    world.create("Post", sent()).await.unwrap();
    let update = json!({"id": "p", "title": "u", "_version": 1});
    world.update("Post", update).await.unwrap();
    let answered_after = async |world: &World| {
        let begun = world.age();
        let delete = json!({"id": "p", "_version": 1});
        world.delete("Post", delete).await.unwrap_err();
        world.age() - begun
    };
    for wait in [0, 50, 100, 200, 400, 800, 1_000, 1_000] {
        assert_eq!(answered_after(&world).await, wait);
    }
    world.pass(10_001);
    assert_eq!(answered_after(&world).await, 0, "that is no loop");
    assert_eq!(answered_after(&world).await, 50);
    let elsewhere = World::new();
    elsewhere.create("Post", sent()).await.unwrap();
    elsewhere
        .update("Post", json!({"id": "p", "title": "u", "_version": 1}))
        .await
        .unwrap();
    assert_eq!(
        answered_after(&elsewhere).await,
        0,
        "another API knows nothing of it"
    );
    world.engine.settings.slow_loops = false;
    assert_eq!(answered_after(&world).await, 0);
}

#[tokio::test]
async fn replay_of_updates_can_be_switched_off() {
    let mut world = World::new();
    world.engine.settings.update_replay = false;
    world
        .create("Post", json!({"id": "p", "tags": ["a"]}))
        .await
        .unwrap();
    let update = json!({"id": "p", "tags": ["b"], "_version": 1});
    world.update("Post", update.clone()).await.unwrap();
    let merged = world.update("Post", update).await.unwrap();
    assert_eq!(merged.fields["tags"], json!(["b", "b"]));
    let delete = json!({"id": "p", "_version": 3});
    world.delete("Post", delete.clone()).await.unwrap();
    let error = world.delete("Post", delete).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
}

/// `errata.md` row 16: in AppSync only conflicts carry the record.
#[tokio::test]
async fn rejections_that_are_no_conflict_can_be_kept_from_showing_the_record() {
    for (data, shown) in [
        (RejectionData::Always, true),
        (RejectionData::Conflicts, false),
    ] {
        let mut world = World::optimistic();
        world.engine.settings.rejection_data = data;
        world.create("Post", sent()).await.unwrap();
        let other = json!({"id": "p", "title": "other"});
        let exists = world.create("Post", other).await.unwrap_err();
        assert_eq!(exists.record.is_some(), shown);
        let stale = json!({"id": "p", "title": "u", "_version": 7});
        let conflict = world.update("Post", stale).await.unwrap_err();
        assert_eq!(conflict.error_type, Some(ErrorType::ConflictUnhandled));
        assert!(conflict.record.is_some());
    }
}

#[tokio::test]
async fn a_repeated_update_is_answered_with_the_record_and_writes_nothing() {
    for world in [World::new(), World::optimistic()] {
        world
            .create("Post", json!({"id": "p", "tags": ["a"]}))
            .await
            .unwrap();
        let update = json!({"id": "p", "tags": ["b"], "_version": 1});
        let first = world.update("Post", update.clone()).await.unwrap();
        assert_eq!(world.update("Post", update.clone()).await, Ok(first));
        let newest = world
            .update("Post", json!({"id": "p", "title": "u", "_version": 2}))
            .await
            .unwrap();
        assert_eq!(world.update("Post", update).await, Ok(newest));
        assert_eq!(world.events("Post").await.len(), 3);
    }
}

#[tokio::test]
async fn a_repeated_delete_is_answered_with_the_tombstone() {
    for world in [World::new(), World::optimistic()] {
        world.create("Post", json!({"id": "p"})).await.unwrap();
        let delete = json!({"id": "p", "_version": 1});
        let first = world.delete("Post", delete.clone()).await.unwrap();
        assert_eq!(world.delete("Post", delete).await, Ok(first));
        assert_eq!(world.events("Post").await.len(), 2);
    }
}

#[tokio::test]
async fn a_different_input_a_different_caller_or_a_merge_is_no_repetition() {
    let mut world = World::new();
    world
        .create("Post", json!({"id": "p", "tags": ["a"]}))
        .await
        .unwrap();
    let update = json!({"id": "p", "tags": ["b"], "_version": 1});
    world.update("Post", update.clone()).await.unwrap();

    let different = json!({"id": "p", "tags": ["c"], "_version": 1});
    let merged = world.update("Post", different.clone()).await.unwrap();
    assert_eq!(merged.fields["tags"], json!(["b", "c"]));
    // The merge made version 3, not the version after the one it was based on.
    let again = world.update("Post", different).await.unwrap();
    assert_eq!(again.fields["tags"], json!(["b", "c", "c"]));

    world.caller = caller("k2");
    let theirs = world.update("Post", update).await.unwrap();
    assert_eq!(theirs.fields["tags"], json!(["b", "c", "c", "b"]));
}
