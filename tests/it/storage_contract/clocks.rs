//! Clocks that run away under a store (`sync-design.md` 10): they are not followed until somebody says that they are right.

use std::sync::Arc;
use std::time::Duration;

use driftless::storage::Store;
use driftless_resolvers::clock::Clock as _;
use pretty_assertions::assert_eq;
use sqlx::Connection as _;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::*;
use crate::support::rig::Rig;
use crate::support::server::PATIENCE;
use crate::support::stores::{HeldClock, open};

const HOUR: i64 = 3_600_000;
/// How often servers look at the clock of a database, in milliseconds.
const LOOK: i64 = 5_000;
/// What a clock may gain at once.
const GAIN: i64 = 60_000;

/// One node of a rig's database beside the first.
struct Node {
    store: Store,
    /// Its own clock.
    clock: Arc<HeldClock>,
}

impl Node {
    /// A server that watches the clock of the database, on a machine whose own clock goes on as it should.
    async fn beside(rig: &Rig) -> Node {
        let clock = HeldClock::new();
        let store = open(&rig.stand.url().unwrap(), &clock, None).await;
        store.storage.prepare(&schema(&[&post()])).await.unwrap();
        store.watch_clock();
        Node { store, clock }
    }

    async fn create(&self, id: &str) -> i64 {
        created(&self.store, id).await
    }
}

/// The time that a change gets.
async fn created(store: &Store, id: &str) -> i64 {
    let model = post();
    let write = write(&model, Expected::Absent, json!({"id": id}));
    done(store.storage.put(&model, write).await.unwrap())
        .last_changed_at
        .0
}

/// The whole of a first page: its ids and its `startedAt`.
async fn synced(store: &Store, last: Option<i64>) -> (Vec<String>, i64) {
    let query = SyncQuery {
        from: SyncFrom::First {
            last_sync: last,
            overlap: 0,
            window: None,
        },
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit: 100,
    };
    let page = store.storage.sync(&post(), &query).await.unwrap();
    let ids = page.records.iter();
    let ids = ids.map(|record| record.fields["id"].as_str().unwrap().to_owned());
    (ids.collect(), page.started_at.0)
}

/// Lets time pass until a node has looked at the clock and thinks so of it.
async fn believes(rig: &Rig, nodes: &[&Node], stores: &[&Store], believed: bool) {
    let all = || {
        stores
            .iter()
            .copied()
            .chain(nodes.iter().map(|it| &it.store))
    };
    while !all().all(|store| store.clock_ahead().is_none() == believed) {
        rig.pass(LOOK).await;
        for node in nodes {
            node.clock.advance(LOOK);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Changes go on getting the time that has really passed, syncs go on naming it, and when the clock is set right
/// nothing of the other time has been left behind.
async fn a_clock_that_runs_away_is_not_followed(rig: &Rig) {
    let store = rig.stand.store();
    store.storage.prepare(&schema(&[&post()])).await.unwrap();
    store.watch_clock();
    created(store, "before").await;
    let (_, mut last_sync) = synced(store, None).await;
    rig.set_off(5 * HOUR).await;
    let close = |time: i64, right: i64| (right - GAIN..=right + 2 * GAIN).contains(&time);
    for n in 0..3 {
        let changed = created(store, &format!("wrong {n}")).await;
        assert!(close(changed, rig.now() - 5 * HOUR), "{n}: {changed}");
        let (brought, started_at) = synced(store, Some(last_sync)).await;
        assert!(brought.contains(&format!("wrong {n}")), "{brought:?}");
        assert!(close(started_at, rig.now() - 5 * HOUR), "{n}: {started_at}");
        last_sync = started_at;
        believes(rig, &[], &[store], false).await;
        rig.pass(2 * HOUR).await;
    }
    assert!(store.clock_ahead().is_some());

    rig.set_off(-5 * HOUR).await;
    believes(rig, &[], &[store], true).await;
    let changed = created(store, "right").await;
    assert_eq!(changed, rig.now());
    let (brought, started_at) = synced(store, Some(last_sync)).await;
    assert_eq!(
        brought,
        ["wrong 2", "right"],
        "what shares the last millisecond comes again"
    );
    assert_eq!(started_at, rig.now() - 1);
}

#[tokio::test]
async fn a_clock_that_runs_away_is_not_followed_in_sqlite() {
    let rig = Rig::sqlite().await;
    a_clock_that_runs_away_is_not_followed(&rig).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_clock_that_runs_away_is_not_followed_in_postgres() {
    let rig = Rig::postgres().await;
    a_clock_that_runs_away_is_not_followed(&rig).await;
    rig.finish().await;
}

/// A week without a request, a week without a server, and the night that a machine sleeps are no jumps.
async fn time_that_passes_is_followed(rig: Rig) {
    let week = 7 * 24 * HOUR;
    let store = rig.stand.store();
    store.storage.prepare(&schema(&[&post()])).await.unwrap();
    rig.pass(week).await;
    assert_eq!(created(store, "after a silent week").await, rig.now());
    rig.set_off(week).await;
    let rig = rig.restart(None).await;
    let store = rig.stand.store();
    store.storage.prepare(&schema(&[&post()])).await.unwrap();
    assert_eq!(created(store, "after a week of rest").await, rig.now());
    assert_eq!(store.clock_ahead(), None);
    rig.finish().await;
}

#[tokio::test]
async fn time_that_passes_is_followed_in_sqlite() {
    time_that_passes_is_followed(Rig::sqlite().await).await;
}

#[tokio::test]
async fn time_that_passes_is_followed_in_postgres() {
    time_that_passes_is_followed(Rig::postgres().await).await;
}

#[tokio::test]
async fn a_server_on_sqlite_that_is_started_anew_believes_the_clock() {
    let rig = Rig::sqlite().await;
    let store = rig.stand.store();
    store.storage.prepare(&schema(&[&post()])).await.unwrap();
    rig.set_off(5 * HOUR).await;
    assert!(created(store, "doubted").await <= rig.now() - 5 * HOUR + GAIN);
    assert!(store.clock_ahead().is_some());
    let rig = rig.restart(None).await;
    let store = rig.stand.store();
    store.storage.prepare(&schema(&[&post()])).await.unwrap();
    assert_eq!(created(store, "believed").await, rig.now());
    rig.finish().await;
}

/// The clock of the database is the one that counts. A node that starts after its jump believes those that saw it, and
/// an operator's word reaches all of them.
#[tokio::test]
async fn nodes_agree_on_what_they_believe_of_the_clock_of_their_database() {
    let rig = Rig::postgres().await;
    let first = Node::beside(&rig).await;
    first.create("a").await;
    rig.set_off(5 * HOUR).await;
    believes(&rig, &[&first], &[], false).await;
    let right = || rig.now() - 5 * HOUR;
    let second = Node::beside(&rig).await;
    let stranger = open(&rig.stand.url().unwrap(), &HeldClock::new(), None).await;
    assert!(stranger.clock_ahead().is_some(), "whoever asks is told");
    assert!(second.create("b").await <= right() + GAIN);
    believes(&rig, &[&first, &second], &[], false).await;
    let (_, started_at) = synced(&second.store, None).await;
    assert!(started_at < right() + GAIN, "{started_at}");

    // It was right after all.
    assert!(stranger.believe_clock().await.unwrap());
    believes(&rig, &[&first, &second], &[], true).await;
    for (node, id) in [(&first, "c"), (&second, "d")] {
        assert_eq!(node.create(id).await, rig.now(), "{id}");
    }
    for store in [first.store, second.store, stranger] {
        store.close().await;
    }
    rig.finish().await;
}

/// The database was wrong when its servers started, and is corrected: their own clocks say so.
#[tokio::test]
async fn a_database_that_is_set_to_what_its_servers_say_is_believed_at_once() {
    let rig = Rig::postgres().await;
    rig.set_off(-5 * HOUR).await;
    let node = Node::beside(&rig).await;
    let rows = async || {
        let url = rig.stand.url().unwrap();
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let sql = "select pardons from store_clock";
        let pardons: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        pardons
    };
    let before = node.create("behind").await;
    assert_eq!(before, rig.now());
    rig.set_off(5 * HOUR).await;
    while rows().await == 0 {
        rig.pass(LOOK).await;
        node.clock.advance(LOOK);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(node.store.clock_ahead(), None);
    assert_eq!(node.create("right").await, rig.now());
    node.store.close().await;
    rig.finish().await;
}

/// By its own clock, a node that is ahead would take the words of all others for old ones, and others those of one that is
/// behind.
#[tokio::test]
async fn whose_sockets_are_to_be_closed_is_heard_whatever_the_clocks_of_nodes_say() {
    let stand = Stand::postgres().await;
    let mut admin = stand.database().unwrap().connect().await;
    let now: i64 = sqlx::query_scalar("select wall_ms()")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    let url = stand.url().unwrap();
    let node_off = async |off: i64| {
        let clock = HeldClock::new();
        clock.set_off(now - clock.now().0 + off);
        open(&url, &clock, None).await
    };
    let (behind, ahead) = (node_off(-2 * HOUR).await, node_off(2 * HOUR).await);
    let (sender, mut heard) = mpsc::unbounded_channel();
    stand.store().on_dismissal(move |principal| {
        let _ = sender.send(principal.to_owned());
    });
    // Until the node has begun to hear.
    while heard.try_recv().is_err() {
        behind.dismiss("early").await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    let said = [
        "by the one behind",
        "by the one ahead",
        "by the one behind again",
    ];
    for (node, principal) in [&behind, &ahead, &behind].into_iter().zip(said) {
        node.dismiss(principal).await.unwrap();
    }
    let kept = "select principal from dismissals where principal <> 'early' order by number";
    let kept: Vec<String> = sqlx::query_scalar(kept)
        .fetch_all(&mut admin)
        .await
        .unwrap();
    assert_eq!(kept, said);
    for principal in said {
        let listening = async { while heard.recv().await.unwrap() != principal {} };
        let waited = timeout(PATIENCE, listening).await;
        waited.unwrap_or_else(|_| panic!("{principal} is not heard"));
    }
    // What every node has heard goes, by the same clock.
    let two_hours_ago = "update dismissals set at_ms = at_ms - 7200000";
    sqlx::raw_sql(two_hours_ago)
        .execute(&mut admin)
        .await
        .unwrap();
    behind.dismiss("last").await.unwrap();
    let kept: Vec<String> = sqlx::query_scalar("select principal from dismissals")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    assert_eq!(kept, ["last"]);
    drop(admin);
    behind.close().await;
    ahead.close().await;
    stand.finish().await;
}
