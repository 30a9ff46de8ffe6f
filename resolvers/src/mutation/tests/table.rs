//! `sync-semantics` 2.2, row by row.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::image;
use crate::api::error::{ErrorType, FieldError};
use crate::engine::RejectionData;
use crate::feed::Operation;
use crate::fixtures::{World, caller};
use crate::identity::Family;

const CONFLICT: &str = "Conflict resolver rejects mutation.";

/// Both built-in strategies.
fn worlds() -> [World; 2] {
    [World::new(), World::optimistic()]
}

/// A live post of version 2.
async fn live(world: &World) {
    world
        .create("Post", json!({"id": "p", "title": "one"}))
        .await
        .unwrap();
    world
        .update("Post", json!({"id": "p", "title": "two", "_version": 1}))
        .await
        .unwrap();
}

/// A tombstone of version 3.
async fn tombstone(world: &World) {
    live(world).await;
    world
        .delete("Post", json!({"id": "p", "_version": 2}))
        .await
        .unwrap();
}

/// An error that shows this version of the record.
fn assert_refused(error: &FieldError, error_type: ErrorType, version: u32) {
    assert_eq!(error.error_type, Some(error_type), "{error:?}");
    assert_eq!(
        error.record.as_ref().map(|record| record.version.0),
        Some(version)
    );
}

#[tokio::test]
async fn row_1_a_create_makes_version_1_whatever_version_it_names() {
    for world in worlds() {
        let record = world
            .create("Post", json!({"id": "p", "_version": 7}))
            .await
            .unwrap();
        assert_eq!((record.version.0, record.deleted), (1, false));
    }
}

#[tokio::test]
async fn row_2_a_create_over_a_live_record_fails_its_condition() {
    for world in worlds() {
        live(&world).await;
        let error = world
            .create("Post", json!({"id": "p", "title": "new"}))
            .await
            .unwrap_err();
        assert_refused(&error, ErrorType::ConditionalCheckFailed, 2);
        assert!(error.message.starts_with(
            "The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: "
        ));
    }
}

#[tokio::test]
async fn row_3_a_tombstone_blocks_its_id() {
    for world in worlds() {
        world
            .create("Post", json!({"id": "p", "title": "one"}))
            .await
            .unwrap();
        world
            .delete("Post", json!({"id": "p", "_version": 1}))
            .await
            .unwrap();
        let error = world
            .create("Post", json!({"id": "p", "title": "one"}))
            .await
            .unwrap_err();
        assert_refused(&error, ErrorType::ConditionalCheckFailed, 2);
    }
}

/// Android takes over the record of a conflict only; iOS takes a conflict about a create for a fault of its own
/// (`client-native` 1.5, 2.6).
#[tokio::test]
async fn row_3_a_create_over_a_tombstone_is_a_conflict_to_android_alone() {
    for mut world in worlds() {
        let mine = || json!({"id": "p", "title": "mine"});
        let theirs = json!({"id": "p", "title": "theirs"});
        world.create("Post", theirs).await.unwrap();
        world.caller.family = Family::Android;
        let alive = world.create("Post", mine()).await.unwrap_err();
        assert_refused(&alive, ErrorType::ConditionalCheckFailed, 1);
        let delete = json!({"id": "p", "_version": 1});
        world.delete("Post", delete).await.unwrap();
        for (family, expected) in [
            (Family::Android, ErrorType::ConflictUnhandled),
            (Family::Flutter, ErrorType::ConditionalCheckFailed),
            (Family::Swift, ErrorType::ConditionalCheckFailed),
            (Family::JavaScript, ErrorType::ConditionalCheckFailed),
        ] {
            world.caller.family = family;
            let error = world.create("Post", mine()).await.unwrap_err();
            assert_refused(&error, expected, 2);
            assert!(error.record.unwrap().deleted, "{family:?}");
        }
        world.caller.family = Family::Android;
        world.engine.settings.rejection_data = RejectionData::Conflicts;
        let error = world.create("Post", mine()).await.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
        assert_eq!(error.record, None, "as by AppSync");
    }
}

/// The error of a change of a record that is not there.
async fn assert_missing(world: &World, error: FieldError) {
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
    assert_eq!(error.record, None);
    assert!(error.message.starts_with(
        "No existing item found in the data source : The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: "
    ));
    assert!(error.message.ends_with(", Extended Request ID: null)"));
    assert!(world.events("Post").await.is_empty());
}

#[tokio::test]
async fn row_4_a_missing_record_cannot_be_changed() {
    for world in worlds() {
        let input = json!({"id": "p", "_version": 1});
        let error = world.update("Post", input).await.unwrap_err();
        assert_missing(&world, error).await;
    }
}

#[tokio::test]
async fn row_12_a_missing_record_cannot_be_deleted() {
    for world in worlds() {
        let input = json!({"id": "p", "_version": 1});
        let error = world.delete("Post", input).await.unwrap_err();
        assert_missing(&world, error).await;
    }
}

#[tokio::test]
async fn row_5_an_update_of_the_stored_version_succeeds() {
    for world in worlds() {
        live(&world).await;
        let record = world
            .update_if(
                "Post",
                json!({"id": "p", "title": "three", "_version": 2}),
                json!({"title": {"eq": "two"}}),
            )
            .await
            .unwrap();
        assert_eq!(
            (record.version.0, &record.fields["title"]),
            (3, &json!("three"))
        );
    }
}

#[tokio::test]
async fn row_6_a_false_condition_refuses_an_update_without_conflict_handling() {
    for world in worlds() {
        live(&world).await;
        let input = json!({"id": "p", "title": "three", "_version": 2});
        let condition = json!({"title": {"eq": "one"}});
        let error = world.update_if("Post", input, condition).await.unwrap_err();
        assert_refused(&error, ErrorType::ConditionalCheckFailed, 2);
        assert!(error.message.starts_with("The conditional request failed"));
    }
}

/// An update of a live record that names this version: merged by Automerge without a change of the scalar, refused by
/// Optimistic Concurrency without a write.
async fn assert_conflict(input: Value) {
    let world = World::new();
    live(&world).await;
    let merged = world.update("Post", input.clone()).await.unwrap();
    assert_eq!(
        (merged.version.0, &merged.fields["title"]),
        (3, &json!("two"))
    );

    let world = World::optimistic();
    live(&world).await;
    let error = world.update("Post", input).await.unwrap_err();
    assert_refused(&error, ErrorType::ConflictUnhandled, 2);
    assert_eq!(error.message, CONFLICT);
    assert_eq!(world.events("Post").await.len(), 2, "nothing was written");
}

#[tokio::test]
async fn row_7_an_older_version_is_a_conflict() {
    assert_conflict(json!({"id": "p", "title": "mine", "_version": 1})).await;
}

#[tokio::test]
async fn row_8_an_absent_version_is_a_conflict_as_zero_is() {
    assert_conflict(json!({"id": "p", "title": "mine"})).await;
    for version in [json!(null), json!(0), json!(-1)] {
        assert_conflict(json!({"id": "p", "title": "mine", "_version": version})).await;
    }
}

#[tokio::test]
async fn row_9_a_version_ahead_of_the_stored_one_is_a_conflict() {
    assert_conflict(json!({"id": "p", "title": "mine", "_version": 9})).await;
}

#[tokio::test]
async fn row_10_an_update_of_a_tombstone_leaves_it_deleted() {
    for world in worlds() {
        tombstone(&world).await;
        let input = json!({"id": "p", "title": "late", "_version": 3});
        let record = world.update("Post", input).await.unwrap();
        assert_eq!((record.version.0, record.deleted), (4, true));
        assert_eq!(record.fields["title"], json!("late"));
        let events = world.events("Post").await;
        assert_eq!(events.last().unwrap().operation, Operation::Update, "SUB-2");
    }
}

#[tokio::test]
async fn row_11_a_stale_update_of_a_tombstone_lets_the_delete_win() {
    let input = json!({"id": "p", "title": "late", "_version": 2});

    let world = World::new();
    tombstone(&world).await;
    let record = world.update("Post", input.clone()).await.unwrap();
    assert_eq!((record.version.0, record.deleted), (4, true));
    assert_eq!(record.fields["title"], json!("two"));

    let world = World::optimistic();
    tombstone(&world).await;
    let error = world.update("Post", input).await.unwrap_err();
    assert_refused(&error, ErrorType::ConflictUnhandled, 3);
    assert!(error.record.unwrap().deleted);
}

#[tokio::test]
async fn row_13_mut_6_a_delete_keeps_the_whole_record_as_a_tombstone() {
    for world in worlds() {
        live(&world).await;
        let before = world.events("Post").await.pop().unwrap().record;
        world.pass(5);
        let record = world
            .delete_if(
                "Post",
                json!({"id": "p", "_version": 2}),
                json!({"title": {"eq": "two"}}),
            )
            .await
            .unwrap();
        assert_eq!(record.fields, before.fields, "MUT-6");
        assert_eq!((record.version.0, record.deleted), (3, true));
        assert_eq!(record.last_changed_at.0, before.last_changed_at.0 + 5);
        assert_eq!(
            world.events("Post").await.last().unwrap().operation,
            Operation::Delete
        );
    }
}

#[tokio::test]
async fn row_13_a_false_condition_refuses_a_delete() {
    for world in worlds() {
        live(&world).await;
        let input = json!({"id": "p", "_version": 2});
        let condition = json!({"title": {"ne": "two"}});
        let error = world.delete_if("Post", input, condition).await.unwrap_err();
        assert_refused(&error, ErrorType::ConditionalCheckFailed, 2);
    }
}

#[tokio::test]
async fn row_14_a14_am_4_mut_5_a_stale_delete_is_refused_whatever_the_strategy() {
    for world in worlds() {
        live(&world).await;
        for input in [
            json!({"id": "p", "_version": 1}),
            json!({"id": "p"}),
            json!({"id": "p", "_version": 3}),
        ] {
            let error = world.delete("Post", input).await.unwrap_err();
            assert_refused(&error, ErrorType::ConflictUnhandled, 2);
            assert_eq!(error.message, CONFLICT);
        }
    }
}

#[tokio::test]
async fn row_15_a_tombstone_can_be_deleted_again() {
    for world in worlds() {
        tombstone(&world).await;
        let record = world
            .delete("Post", json!({"id": "p", "_version": 3}))
            .await
            .unwrap();
        assert_eq!((record.version.0, record.deleted), (4, true));
    }
}

#[tokio::test]
async fn row_16_a_stale_delete_of_a_tombstone_is_a_conflict() {
    for mut world in worlds() {
        tombstone(&world).await;
        world.caller = caller("k2");
        let error = world
            .delete("Post", json!({"id": "p", "_version": 2}))
            .await
            .unwrap_err();
        assert_refused(&error, ErrorType::ConflictUnhandled, 3);
        assert!(error.record.unwrap().deleted);
    }
}

/// MUT-4: version before condition.
#[tokio::test]
async fn mut_4_a_conflict_is_found_before_a_false_condition() {
    let world = World::optimistic();
    live(&world).await;
    let input = json!({"id": "p", "title": "x", "_version": 1});
    let condition = json!({"title": {"eq": "nothing"}});
    let error = world.update_if("Post", input, condition).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
}

/// MUT-4, U8: after a merge the condition speaks of the stored record.
#[tokio::test]
async fn mut_4_a_merge_has_to_pass_the_condition_too() {
    let world = World::new();
    live(&world).await;
    let stale = json!({"id": "p", "title": "x", "_version": 1});
    let error = world
        .update_if("Post", stale.clone(), json!({"title": {"eq": "one"}}))
        .await
        .unwrap_err();
    assert_refused(&error, ErrorType::ConditionalCheckFailed, 2);
    let merged = world
        .update_if("Post", stale, json!({"title": {"eq": "two"}}))
        .await
        .unwrap();
    assert_eq!(merged.version.0, 3);
}

/// MUT-4: authorisation comes first, and shows nothing.
#[tokio::test]
async fn mut_4_a_refused_caller_learns_nothing_of_the_record() {
    let mut schema = crate::fixtures::schema();
    let mut closed = crate::fixtures::post();
    closed.auth.clear();
    schema.models.insert("Post".to_owned(), closed.into());
    let world = World::over(schema, crate::engine::Strategies::default());
    let input = json!({"id": "p", "_version": 1});
    for (error, field) in [
        (
            world.create("Post", input.clone()).await.unwrap_err(),
            "createPost",
        ),
        (
            world.update("Post", input.clone()).await.unwrap_err(),
            "updatePost",
        ),
        (world.delete("Post", input).await.unwrap_err(), "deletePost"),
    ] {
        assert_eq!(error.error_type, Some(ErrorType::Unauthorized));
        assert_eq!(
            error.message,
            format!("Not Authorized to access {field} on type Mutation")
        );
        assert_eq!(error.record, None);
    }
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn the_error_shows_the_record_as_it_is_stored() {
    let world = World::optimistic();
    live(&world).await;
    let error = world
        .update("Post", json!({"id": "p", "title": "x", "_version": 1}))
        .await
        .unwrap_err();
    assert_eq!(
        image(&error.record.unwrap()),
        json!({
            "id": "p", "title": "two", "score": 0.5,
            "createdAt": "2023-11-14T22:13:20.000Z", "updatedAt": "2023-11-14T22:13:20.000Z",
            "_version": 2, "_deleted": null
        })
    );
}
