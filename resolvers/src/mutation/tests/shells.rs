//! Tombstones whose time is over: `errata.md` row 30, `sync-semantics` 2.2 rows 1 and 3, MUT-7, MUT-8.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::image;
use crate::Record;
use crate::api::error::{ErrorType, FieldError};
use crate::engine::RejectionData;
use crate::feed::Operation;
use crate::fixtures::{World, caller};
use crate::identity::Family;
use crate::tombstone::DEFAULT_TTL;

fn sent() -> Value {
    json!({"id": "p", "title": "t"})
}

/// A shell of version 2.
async fn shell(world: &World) {
    world.create("Post", sent()).await.unwrap();
    world
        .delete("Post", json!({"id": "p", "_version": 1}))
        .await
        .unwrap();
    world.pass(DEFAULT_TTL);
}

/// The record that another create made over a shell, of version 3.
async fn reborn(world: &World) -> Record {
    shell(world).await;
    world
        .create("Post", json!({"id": "p", "title": "new"}))
        .await
        .unwrap()
}

/// It says that there is nothing, and shows what is left.
fn assert_missing(error: &FieldError) {
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
    let shown = error.record.as_ref().unwrap();
    assert_eq!((shown.version.0, shown.deleted), (2, true));
    let found = "No existing item found in the data source : ";
    assert!(error.message.starts_with(found), "{}", error.message);
}

#[tokio::test]
async fn row_3_a_tombstone_blocks_its_id_until_its_time_is_over() {
    let world = World::new();
    shell(&world).await;
    world.pass(-1);
    let error = world.create("Post", sent()).await.unwrap_err();
    assert_eq!(error.record.unwrap().version.0, 2);
    world.pass(1);
    let record = world.create("Post", sent()).await.unwrap();
    assert_eq!((record.version.0, record.deleted), (3, false));
}

#[tokio::test]
async fn a_tombstone_without_end_blocks_its_id_for_ever() {
    let mut world = World::new();
    world.engine.settings.tombstone_ttl = None;
    shell(&world).await;
    world.pass(1_000 * DEFAULT_TTL);
    let error = world.create("Post", sent()).await.unwrap_err();
    assert_eq!(error.record.unwrap().version.0, 2);
}

/// Row 1 and MUT-8: nothing of the old record is left but the count.
#[tokio::test]
async fn mut_8_a_create_over_a_shell_makes_a_new_record_of_the_next_version() {
    let world = World::new();
    shell(&world).await;
    let record = world
        .create("Post", json!({"id": "p", "rating": 1}))
        .await
        .unwrap();
    assert_eq!(record.fields.get("title"), None);
    assert_eq!(image(&record)["_version"], json!(3));
    let events = world.events("Post").await;
    assert_eq!(events.last().unwrap().operation, Operation::Create);
}

#[tokio::test]
async fn rows_4_and_12_a_shell_cannot_be_changed_or_deleted() {
    for world in [World::new(), World::optimistic()] {
        shell(&world).await;
        for version in [1, 2] {
            let input = json!({"id": "p", "_version": version});
            assert_missing(&world.update("Post", input.clone()).await.unwrap_err());
            assert_missing(&world.delete("Post", input).await.unwrap_err());
        }
        assert_eq!(world.events("Post").await.len(), 2);
    }
}

/// A device that was away for longer than a tombstone's time has a copy of the record, and skips the tombstone in its sync
/// because of its own edit. Native clients let the copy go only at a conflict.
#[tokio::test]
async fn a_write_over_a_shell_takes_the_copy_of_a_device_away() {
    let mut world = World::new();
    shell(&world).await;
    let input = json!({"id": "p", "title": "u", "_version": 1});
    for family in [Family::Swift, Family::Android, Family::Flutter] {
        world.caller.family = family;
        let error = world.update("Post", input.clone()).await.unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::ConflictUnhandled));
        assert!(error.record.unwrap().deleted, "{family:?}");
    }
    world.engine.settings.rejection_data = RejectionData::Conflicts;
    let error = world.update("Post", input).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
    assert_eq!(error.record, None, "as by AppSync");
}

/// MUT-7.
#[tokio::test]
async fn mut_7_without_any_time_a_delete_answers_its_tombstone_and_frees_the_id() {
    let mut world = World::new();
    world.engine.settings.tombstone_ttl = Some(0);
    world.create("Post", sent()).await.unwrap();
    let delete = json!({"id": "p", "_version": 1});
    let deleted = world.delete("Post", delete.clone()).await.unwrap();
    assert_eq!(image(&deleted)["_deleted"], json!(true));
    assert_eq!(image(&deleted)["title"], json!("t"));
    assert_missing(&world.delete("Post", delete).await.unwrap_err());
    assert_eq!(world.create("Post", sent()).await.unwrap().version.0, 3);
}

#[tokio::test]
async fn a_create_whose_shell_is_taken_meanwhile_is_decided_again() {
    let world = World::new();
    shell(&world).await;
    let (one, other) = tokio::join!(
        world.create("Post", json!({"id": "p", "title": "one"})),
        world.create("Post", json!({"id": "p", "title": "other"})),
    );
    let versions = [&one, &other].map(|answer| match answer {
        Ok(record) => (true, record.version.0),
        Err(error) => (false, error.record.as_ref().unwrap().version.0),
    });
    assert!(versions.contains(&(true, 3)), "{versions:?}");
    assert!(versions.contains(&(false, 3)), "{versions:?}");
}

#[tokio::test]
async fn the_old_records_create_is_no_repetition_of_the_new_ones() {
    let world = World::new();
    let new = reborn(&world).await;
    let error = world.create("Post", sent()).await.unwrap_err();
    assert_eq!(error.record.as_deref(), Some(&new));
}

#[tokio::test]
async fn a_repeated_create_over_a_shell_is_recognised_also_after_updates() {
    let mut world = World::new();
    let new = reborn(&world).await;
    let again = json!({"id": "p", "title": "new"});
    assert_eq!(world.create("Post", again.clone()).await, Ok(new));
    let newest = world
        .update("Post", json!({"id": "p", "title": "u", "_version": 3}))
        .await
        .unwrap();
    assert_eq!(world.create("Post", again.clone()).await, Ok(newest));
    assert_eq!(world.events("Post").await.len(), 4);
    world.caller = caller("k2");
    assert!(world.create("Post", again).await.is_err());
}

/// A tombstone of version 2 whose time is not over, in a world where creates revive.
async fn reviving() -> World {
    let mut world = World::new();
    world.engine.settings.revive = true;
    shell(&world).await;
    world.pass(-1);
    world
}

#[tokio::test]
async fn with_revive_a_create_over_a_tombstone_makes_the_next_version() {
    let world = reviving().await;
    let other = json!({"id": "p", "title": "other"});
    let record = world.create("Post", other.clone()).await.unwrap();
    assert_eq!((record.version.0, record.deleted), (3, false));
    assert_eq!(record.fields["title"], "other");
    let again = world.create("Post", other).await.unwrap();
    assert_eq!(again, record, "its repetition writes nothing");
}

/// The client lost the answer to its create, and somebody has deleted the record since.
#[tokio::test]
async fn with_revive_a_repeated_create_does_not_undo_a_delete() {
    let mut world = reviving().await;
    let error = world.create("Post", sent()).await.unwrap_err();
    assert_eq!(error.record.unwrap().version.0, 2);
    world.caller = caller("k2");
    let record = world.create("Post", sent()).await.unwrap();
    assert_eq!(
        record.version.0, 3,
        "another caller's create is none of its repetitions"
    );
}

#[tokio::test]
async fn with_revive_a_live_record_still_blocks_its_id() {
    let mut world = World::new();
    world.engine.settings.revive = true;
    world.create("Post", sent()).await.unwrap();
    let other = json!({"id": "p", "title": "other"});
    let error = world.create("Post", other).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::ConditionalCheckFailed));
}
