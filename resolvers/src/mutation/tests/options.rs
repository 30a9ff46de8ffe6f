//! Better behaviour than AppSync's, by name: each option in both positions (`sync-semantics` 6.5, 10).

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_conflict_handlers::Handler;
use driftless_conflict_handlers::automerge::Automerge;
use driftless_conflict_handlers::last_writer::LastWriterWins;
use driftless_conflict_handlers::policies::{Policies, Policy};
use driftless_conflict_handlers::three_way::ThreeWay;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::api::error::ErrorType;
use crate::engine::{MissingVersion, Strategies};
use crate::fixtures::{World, device, object, schema};

fn world(handler: Handler) -> World {
    World::over(schema(), Strategies::all(handler))
}

async fn seen_and_changed(world: &World, seen: Value, changed: Value) {
    let mut created = json!({"id": "p"});
    created.as_object_mut().unwrap().append(&mut object(seen));
    world.create("Post", created).await.unwrap();
    let mut update = json!({"id": "p", "_version": 1});
    update.as_object_mut().unwrap().append(&mut object(changed));
    world.update("Post", update).await.unwrap();
}

/// A6 and P3, in both positions.
#[tokio::test]
async fn a6_strategy_1_three_way_doubles_no_list_of_a_whole_model_and_automerge_does() {
    let sent = json!({"id": "p", "title": "x", "tags": ["a", "b"], "rating": null, "_version": 1});
    for (handler, title, tags) in [
        (
            Handler::builtin(Automerge),
            "t",
            json!(["a", "b", "a", "b"]),
        ),
        (Handler::builtin(ThreeWay), "x", json!(["a", "b"])),
    ] {
        let world = world(handler);
        seen_and_changed(
            &world,
            json!({"title": "t", "tags": ["a", "b"]}),
            json!({"score": 2}),
        )
        .await;
        let merged = world.update("Post", sent.clone()).await.unwrap();
        assert_eq!(merged.version.0, 3);
        assert_eq!(merged.fields["title"], json!(title));
        assert_eq!(merged.fields["tags"], tags);
    }
}

#[tokio::test]
async fn three_way_without_the_clients_version_is_automerge() {
    let world = world(Handler::builtin(ThreeWay));
    seen_and_changed(&world, json!({"tags": ["a"]}), json!({"tags": ["a"]})).await;
    let merged = world
        .update("Post", json!({"id": "p", "tags": ["b"]}))
        .await
        .unwrap();
    assert_eq!(merged.fields["tags"], json!(["a", "b"]));
}

#[tokio::test]
async fn strategy_2_the_last_writer_wins_updates_and_deletes() {
    let world = world(Handler::builtin(LastWriterWins));
    seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
    let late = json!({"id": "p", "title": "late", "_version": 1});
    let record = world.update("Post", late).await.unwrap();
    assert_eq!(
        (record.version.0, &record.fields["title"]),
        (3, &json!("late"))
    );
    let record = world
        .delete("Post", json!({"id": "p", "_version": 1}))
        .await
        .unwrap();
    assert_eq!((record.version.0, record.deleted), (4, true));
}

#[tokio::test]
async fn strategy_3_counters_add_up_and_the_rest_merges() {
    let world = world(counter());
    world
        .create("Post", json!({"id": "p", "rating": 100, "title": "t"}))
        .await
        .unwrap();
    for taken in 1..=10 {
        let sent = json!({"id": "p", "rating": 100 - taken, "title": "x", "_version": 1});
        world.update("Post", sent).await.unwrap();
    }
    let stored = world.stored_post("p").await;
    // The first was no conflict, so its title was taken.
    assert_eq!(stored.fields["title"], json!("x"));
    assert_eq!(stored.fields["rating"], json!(100 - (1..=10).sum::<i32>()));
}

/// Ratings are counters.
fn counter() -> Handler {
    let fields = BTreeMap::from([("rating".to_owned(), Policy::Counter)]);
    Handler::builtin(Policies::new(fields, Arc::new(Automerge)))
}

async fn rating(world: &World) -> Value {
    world.stored_post("p").await.fields["rating"].clone()
}

/// A record whose number is no `Int` stops every client that syncs it.
#[tokio::test]
async fn a_counter_stays_where_a_sum_would_not_be_of_its_type() {
    let world = world(counter());
    let created = json!({"id": "p", "rating": 0});
    world.create("Post", created).await.unwrap();
    for rating in [i32::MAX, 1, i32::MAX] {
        let sent = json!({"id": "p", "rating": rating, "_version": 1});
        world.update("Post", sent).await.unwrap();
    }
    assert_eq!(rating(&world).await, json!(i32::MAX));
}

#[tokio::test]
async fn equal_changes_of_devices_with_one_api_key_all_count() {
    let world = world(counter());
    let created = json!({"id": "p", "rating": 100});
    world.create("Post", created).await.unwrap();
    for _ in 0..10 {
        let sold = json!({"id": "p", "rating": 99, "_version": 1});
        world.update("Post", sold).await.unwrap();
    }
    assert_eq!(rating(&world).await, json!(90));
}

#[tokio::test]
async fn a_signed_in_device_that_repeats_itself_counts_once_behind_others_changes_too() {
    let mut world = World::of_users(Strategies::all(counter()));
    let (phone, tablet) = (device("ada", "phone"), device("ada", "tablet"));
    world.caller = phone.clone();
    let created = json!({"id": "p", "rating": 100});
    world.create("Post", created).await.unwrap();
    let sold = json!({"id": "p", "rating": 99, "_version": 1});
    for caller in [&tablet, &phone, &tablet, &phone] {
        world.caller = caller.clone();
        world.update("Post", sold.clone()).await.unwrap();
    }
    assert_eq!(rating(&world).await, json!(98));
}

/// What the search for repetitions has read is not read again for a strategy that looks back too.
#[tokio::test]
async fn each_version_between_is_read_once_however_many_ask_for_it() {
    let mut world = World::of_users(Strategies::all(counter()));
    world.caller = device("ada", "phone");
    let created = json!({"id": "p", "rating": 100});
    world.create("Post", created).await.unwrap();
    world.caller = device("ada", "tablet");
    for version in 1..=3 {
        let update = json!({"id": "p", "title": version.to_string(), "_version": version});
        world.update("Post", update).await.unwrap();
    }
    world.caller = device("ada", "phone");
    world.store.calls();
    let sold = json!({"id": "p", "rating": 99, "_version": 1});
    world.update("Post", sold).await.unwrap();
    let calls = world.store.calls();
    let read = calls.iter().filter(|call| **call == "revision").count();
    // The version that the phone saw, and the three after it.
    assert_eq!(read, 4, "{calls:?}");
}

/// A repetition may overtake the request that it repeats, where equal changes add up.
#[tokio::test]
async fn a_repetition_is_noticed_that_is_carried_out_between_two_rounds() {
    let mut world = World::of_users(Strategies::all(counter()));
    world.caller = device("ada", "phone");
    let created = json!({"id": "p", "rating": 100});
    world.create("Post", created).await.unwrap();
    let sold = json!({"id": "p", "rating": 99, "_version": 1});
    world.caller = device("ada", "tablet");
    world.update("Post", sold.clone()).await.unwrap();
    world.caller = device("ada", "phone");
    let (first, second) = tokio::join!(
        world.update("Post", sold.clone()),
        world.update("Post", sold.clone())
    );
    assert_eq!(first.unwrap().version, second.unwrap().version);
    assert_eq!(rating(&world).await, json!(98));
}

#[tokio::test]
async fn an_operation_that_was_carried_out_before_is_only_answered() {
    let mut world = world(counter());
    let created = json!({"id": "p", "rating": 100});
    world.create("Post", created.clone()).await.unwrap();
    let sold = json!({"id": "p", "rating": 99, "_version": 1});
    let newest = world.update("Post", sold.clone()).await.unwrap();
    world.caller.repeats = true;
    assert_eq!(world.update("Post", sold).await, Ok(newest.clone()));
    assert_eq!(world.create("Post", created).await, Ok(newest));
    assert_eq!(world.events("Post").await.len(), 2);
    let unversioned = json!({"id": "p", "title": "later"});
    let later = world.update("Post", unversioned).await.unwrap();
    assert_eq!(
        (later.version.0, &later.fields["title"]),
        (3, &json!("later"))
    );
    let gone = json!({"id": "p", "_version": 3});
    world.caller.repeats = false;
    let tombstone = world.delete("Post", gone.clone()).await.unwrap();
    world.caller.repeats = true;
    assert_eq!(world.delete("Post", gone).await, Ok(tombstone));
    assert_eq!(world.events("Post").await.len(), 4);
}

/// P2 in both positions: row 8 as AppSync, and without loss.
#[tokio::test]
async fn a_missing_version_is_a_conflict_or_the_latest() {
    for (option, title) in [
        (MissingVersion::Conflict, "two"),
        (MissingVersion::Latest, "mine"),
    ] {
        let mut world = World::new();
        world.engine.settings.missing_version = option;
        seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
        let input = json!({"id": "p", "title": "mine"});
        let record = world.update("Post", input).await.unwrap();
        assert_eq!(
            (record.version.0, &record.fields["title"]),
            (3, &json!(title))
        );

        let delete = world.delete("Post", json!({"id": "p"})).await;
        match option {
            MissingVersion::Conflict => assert_eq!(
                delete.unwrap_err().error_type,
                Some(ErrorType::ConflictUnhandled)
            ),
            MissingVersion::Latest => assert!(delete.unwrap().deleted),
        }
    }
}

#[tokio::test]
async fn holders_of_one_api_key_are_not_one_writer() {
    let mut world = World::new();
    world.engine.settings.same_writer = true;
    seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
    let late = json!({"id": "p", "title": "three", "_version": 1});
    let record = world.update("Post", late).await.unwrap();
    assert_eq!(record.fields["title"], json!("two"));
}

/// P1 in both positions.
#[tokio::test]
async fn quick_edits_of_one_device_are_kept_if_the_same_writer_is_no_conflict() {
    for (same_writer, title) in [(false, "two"), (true, "three")] {
        let mut world = World::of_users(Strategies::default());
        world.engine.settings.same_writer = same_writer;
        world.caller = device("ann", "phone");
        seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
        let quick = json!({"id": "p", "title": "three", "_version": 1});
        let record = world.update("Post", quick).await.unwrap();
        assert_eq!(
            (record.version.0, &record.fields["title"]),
            (3, &json!(title))
        );
    }
}

#[tokio::test]
async fn another_device_of_the_same_person_is_another_writer() {
    let mut world = World::of_users(Strategies::default());
    world.engine.settings.same_writer = true;
    world.caller = device("ann", "phone");
    seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
    world.caller = device("ann", "tablet");
    let late = json!({"id": "p", "title": "three", "_version": 1});
    let record = world.update("Post", late).await.unwrap();
    assert_eq!(record.fields["title"], json!("two"));
}

/// `errata.md` row 15 speaks of the caller, not of its sign-in.
#[tokio::test]
async fn a_repetition_after_a_new_sign_in_is_still_one() {
    let mut world = World::of_users(Strategies::default());
    world.caller = device("ann", "phone");
    seen_and_changed(&world, json!({"title": "one"}), json!({"title": "two"})).await;
    world.caller = device("ann", "phone again");
    let again = json!({"id": "p", "title": "two", "_version": 1});
    assert_eq!(world.update("Post", again).await.unwrap().version.0, 2);
}
