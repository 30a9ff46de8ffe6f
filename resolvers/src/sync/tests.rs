//! Syncs over the reference store: `sync-semantics` 4.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::api::error::{ErrorType, FieldError};
use crate::engine::Strategies;
use crate::fixtures::{START, World, column, device, object, paged};

async fn sync(world: &World, args: Value) -> Result<Connection, FieldError> {
    let model = world.model("Post");
    paged(run(&world.engine, &world.caller, model, &object(args)).await)
}

async fn posts(world: &World, count: usize) {
    for n in 0..count {
        world.pass(10);
        let input = json!({"id": format!("p{n}"), "rating": n});
        world.create("Post", input).await.unwrap();
    }
}

fn ids(page: &Connection) -> Vec<String> {
    let mut ids: Vec<_> = column(page, "id")
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

/// `sync-semantics` 4.2.
#[tokio::test]
async fn without_a_last_sync_everything_comes_tombstones_included() {
    let world = World::new();
    posts(&world, 3).await;
    world
        .delete("Post", json!({"id": "p1", "_version": 1}))
        .await
        .unwrap();
    for last_sync in [json!(null), json!(0), json!(-5)] {
        let page = sync(&world, json!({"lastSync": last_sync})).await.unwrap();
        assert_eq!(ids(&page), ["p0", "p1", "p2"]);
        assert_eq!(page.next_token, None, "SYNC-3");
        assert!(page.started_at.is_some());
    }
}

#[tokio::test]
async fn a_delta_holds_what_changed_since() {
    let world = World::new();
    posts(&world, 3).await;
    let base = sync(&world, json!({"lastSync": 0})).await.unwrap();
    world.pass(1_000);
    world
        .update("Post", json!({"id": "p0", "title": "u", "_version": 1}))
        .await
        .unwrap();
    world
        .delete("Post", json!({"id": "p1", "_version": 1}))
        .await
        .unwrap();
    let since = base.started_at.unwrap().0;
    let delta = sync(&world, json!({ "lastSync": since })).await.unwrap();
    assert_eq!(
        ids(&delta),
        ["p0", "p1", "p2"],
        "what shares the last millisecond comes again"
    );
    let later = sync(&world, json!({ "lastSync": since + 1 }))
        .await
        .unwrap();
    assert_eq!(ids(&later), ["p0", "p1"]);
}

/// `client-js` 13.3: a page may be lost on its way once or twice; who asks for it without end is in a loop.
#[tokio::test]
async fn a_page_that_is_asked_for_again_and_again_comes_later_each_time() {
    let mut world = World::new();
    posts(&world, 3).await;
    let first = sync(&world, json!({"limit": 1})).await.unwrap();
    let args = json!({"limit": 1, "nextToken": first.next_token});
    let answered_after = async |world: &World| {
        let begun = world.age();
        let page = sync(world, args.clone()).await.unwrap();
        assert_eq!(ids(&page), ["p1"]);
        world.age() - begun
    };
    for wait in [0, 0, 0, 50, 100, 200, 400, 800, 1_000, 1_000] {
        assert_eq!(answered_after(&world).await, wait);
    }
    world.engine.settings.slow_loops = false;
    assert_eq!(answered_after(&world).await, 0);
}

/// `client-js` 13.3: an app that throws everything away at each error fetches everything again and again.
#[tokio::test]
async fn a_first_sync_that_a_device_begins_again_and_again_comes_later_each_time() {
    let mut world = World::of_users(Strategies::default());
    world.caller = device("ada", "phone");
    let answered_after = async |world: &World, args: Value| {
        let begun = world.age();
        sync(world, args).await.unwrap();
        world.age() - begun
    };
    let from_nothing = || json!({"lastSync": 0});
    for wait in [0, 0, 0, 0, 0, 50, 100, 200, 400, 800, 1_000, 1_000] {
        assert_eq!(answered_after(&world, from_nothing()).await, wait);
    }
    let since = json!({"lastSync": START});
    assert_eq!(answered_after(&world, since).await, 0, "another question");
    world.caller = device("ada", "laptop");
    assert_eq!(answered_after(&world, from_nothing()).await, 0);
    world.caller = device("ada", "phone");
    world.engine.settings.slow_loops = false;
    assert_eq!(answered_after(&world, from_nothing()).await, 0);
    let of_one_key = World::new();
    for _ in 0..10 {
        let wait = answered_after(&of_one_key, from_nothing()).await;
        assert_eq!(wait, 0, "all devices have the same API key");
    }
}

#[tokio::test]
async fn every_page_tells_when_the_first_one_started() {
    let world = World::new();
    posts(&world, 5).await;
    let mut page = sync(&world, json!({"limit": 2})).await.unwrap();
    let started_at = page.started_at;
    let mut seen = ids(&page);
    while let Some(token) = page.next_token.take() {
        world.pass(10_000);
        world
            .create("Post", json!({"id": format!("z{}", seen.len())}))
            .await
            .unwrap();
        // JS asks for what is left on its last page.
        page = sync(&world, json!({"limit": 3, "nextToken": token}))
            .await
            .unwrap();
        assert_eq!(page.started_at, started_at, "SYNC-1");
        seen.extend(ids(&page));
    }
    for id in ["p0", "p1", "p2", "p3", "p4"] {
        assert!(seen.iter().any(|seen| seen == id), "{id}");
    }
}

/// `errata.md` row 18, Q-7.
#[tokio::test]
async fn a_sync_token_belongs_to_its_filter_caller_and_last_sync() {
    let mut world = World::new();
    posts(&world, 5).await;
    let filter = json!({"rating": {"ge": 0}});
    let page = sync(&world, json!({"limit": 2, "filter": filter, "lastSync": 0}))
        .await
        .unwrap();
    let token = page.next_token.unwrap();
    let resumed = json!({"filter": filter, "nextToken": token, "lastSync": null});
    assert_eq!(
        sync(&world, resumed.clone()).await.unwrap().records.len(),
        3
    );
    let refused = [
        sync(&world, json!({"nextToken": token})).await,
        sync(
            &world,
            json!({"filter": filter, "nextToken": token, "lastSync": 5}),
        )
        .await,
        sync(
            &world,
            json!({"filter": filter, "nextToken": format!("A{token}")}),
        )
        .await,
    ];
    world.caller = crate::fixtures::caller("k2");
    let foreign = sync(&world, resumed).await;
    for result in refused.into_iter().chain([foreign]) {
        assert_eq!(
            result.unwrap_err().error_type,
            Some(ErrorType::InvalidToken)
        );
    }
}

#[tokio::test]
async fn the_filter_speaks_of_the_newest_image_and_of_what_tombstones_keep() {
    let world = World::new();
    posts(&world, 3).await;
    world
        .delete("Post", json!({"id": "p2", "_version": 1}))
        .await
        .unwrap();
    let page = sync(
        &world,
        json!({"filter": {"and": [{"rating": {"in": [1, 2]}}]}}),
    )
    .await
    .unwrap();
    assert_eq!(ids(&page), ["p1", "p2"], "SYNC-5");
    world
        .update("Post", json!({"id": "p1", "rating": 9, "_version": 1}))
        .await
        .unwrap();
    let page = sync(
        &world,
        json!({"filter": {"and": [{"rating": {"in": [1, 2]}}]}}),
    )
    .await
    .unwrap();
    assert_eq!(ids(&page), ["p2"], "SYNC-9");
}

#[tokio::test]
async fn a_limit_below_one_is_refused_and_a_large_one_clamped() {
    let mut world = World::new();
    world.engine.settings.page_limit = 2;
    posts(&world, 3).await;
    let error = sync(&world, json!({"limit": 0})).await.unwrap_err();
    assert_eq!(error.error_type, Some(ErrorType::InvalidArguments));
    assert_eq!(
        sync(&world, json!({"limit": 10_000}))
            .await
            .unwrap()
            .records
            .len(),
        2
    );
}

/// `errata.md` row 51.
#[test]
fn clients_that_send_their_own_clock_get_an_overlap() {
    for (family, expected) in [
        (Family::JavaScript, 0),
        (Family::Swift, 0),
        (Family::Android, 7_200_000),
        (Family::Flutter, 7_200_000),
        (Family::Unknown, 300_000),
    ] {
        assert_eq!(overlap(family, 7_200_000), expected, "{family:?}");
        assert_eq!(overlap(family, 0), 0, "{family:?}");
    }
}

#[test]
fn a_cursor_survives_its_token() {
    for place in [
        SyncPlace::Base(Key(r#"["p"]"#.to_owned())),
        SyncPlace::Delta(Timestamp(5), Seq(7)),
    ] {
        let stored = SyncCursor {
            place,
            horizon: Seq(9),
            started_at: Timestamp(START),
        };
        assert_eq!(cursor(&content(&stored)), Some(stored));
    }
    assert_eq!(
        cursor(&json!({"place": {}, "horizon": 1, "startedAt": 1})),
        None
    );
}

/// `sync-semantics` 4.2 and `sync-design.md` 6.1.
#[test]
fn base_or_delta_is_chosen_by_what_the_log_still_knows() {
    let log = LogState {
        head: Timestamp(START),
        wall: Timestamp(START + 1_000),
        epoch_start: Timestamp(START - 100_000),
        purged: Timestamp(START - 50_000),
    };
    let table = [
        (None, None, Choice::Base),
        (Some(0), None, Choice::Base),
        (Some(-1), None, Choice::Base),
        (Some(START - 200_000), None, Choice::Base),
        (Some(START - 50_000), None, Choice::Base),
        (
            Some(START - 49_999),
            None,
            Choice::Delta(Timestamp(START - 49_999)),
        ),
        (Some(START - 49_999), Some(10_000), Choice::Base),
        (
            Some(START - 5),
            Some(10_000),
            Choice::Delta(Timestamp(START - 5)),
        ),
        (Some(START + 500), None, Choice::Delta(Timestamp(START - 1))),
        (
            Some(START + 61_000),
            None,
            Choice::Delta(Timestamp(START - 1)),
        ),
        (Some(START + 61_001), None, Choice::Base),
    ];
    for (last_sync, window, expected) in table {
        assert_eq!(
            choose(last_sync, 0, window, log),
            expected,
            "{last_sync:?} {window:?}"
        );
    }
    assert_eq!(
        choose(Some(START - 5), 40_000, None, log),
        Choice::Delta(Timestamp(START - 5 - 40_000))
    );
}

/// A device whose clock is ahead says that it synced after the epoch began, although it holds what was lost with the old
/// one: it gets everything.
#[test]
fn a_clock_that_is_ahead_does_not_hide_that_an_epoch_began() {
    let log = LogState {
        head: Timestamp(START + 60_001),
        wall: Timestamp(START + 5_000),
        epoch_start: Timestamp(START + 60_000),
        purged: Timestamp(0),
    };
    let ahead = Some(START + 100_000);
    assert_eq!(choose(ahead, 300_000, None, log), Choice::Base);
    let exact = Choice::Delta(Timestamp(START + 60_000));
    assert_eq!(choose(ahead, 0, None, log), exact);
}

/// `errata.md` row 30: a device that was away still learns what is gone.
#[tokio::test]
async fn t46_shells_are_synced_as_tombstones_with_their_fields() {
    let world = World::new();
    posts(&world, 2).await;
    let before = START + 15;
    let input = json!({"id": "p0", "_version": 1});
    world.delete("Post", input).await.unwrap();
    world.pass(crate::tombstone::DEFAULT_TTL);
    for last_sync in [0, before] {
        let page = sync(&world, json!({ "lastSync": last_sync }))
            .await
            .unwrap();
        assert_eq!(ids(&page), ["p0", "p1"]);
        let dead = page.records.iter().find(|record| record.deleted).unwrap();
        assert_eq!(dead.fields["rating"], json!(0));
    }
}

/// `errata.md` row 32.
#[tokio::test]
async fn a_last_sync_older_than_the_window_is_answered_with_everything() {
    let mut world = World::new();
    world.engine.settings.delta_window = Some(60_000);
    posts(&world, 2).await;
    world.pass(30_000);
    let input = json!({"id": "p1", "title": "t", "_version": 1});
    world.update("Post", input).await.unwrap();
    let args = json!({ "lastSync": START + 21 });
    let within = sync(&world, args.clone()).await.unwrap();
    assert_eq!(ids(&within), ["p1"]);
    world.pass(60_000);
    let outside = sync(&world, args).await.unwrap();
    assert_eq!(ids(&outside), ["p0", "p1"]);
}
