//! What a subscriber is told, and when.

use anyhow::ensure;
use driftless::config::Config;
use driftless_resolvers::identity::Family;
use serde_json::json;

use crate::support::backend::{Backend, Listener, caller, datastore};
use crate::support::rig::{Rig, Verdict, anomaly};

const PLAYERS: &str = include_str!("../../schemas/players.graphql");

async fn save(backend: &Backend, id: &str, version: i64) -> anyhow::Result<i64> {
    let device = caller(Family::Swift);
    let answer = match version {
        0 => {
            let input = json!({"id": id, "name": "0"});
            backend.mutate(&device, "createPlayer", input).await?
        }
        _ => {
            let input = json!({"id": id, "name": version.to_string(), "_version": version});
            backend.mutate(&device, "updatePlayer", input).await?
        }
    };
    answer.version()
}

anomaly!(t17_a_change_after_the_acknowledgement_is_told on [memory, sqlite, postgres] notices [
    subscriptions_that_begin_when_the_log_is_read: LateCursor
]);

/// S3. The subscription is acknowledged; a record is written before anything else happens.
async fn t17_a_change_after_the_acknowledgement_is_told(rig: &Rig) -> Verdict {
    let backend = Backend::over(rig, PLAYERS, |_| {}).await;
    let mut listener = backend.listen(&caller(Family::JavaScript)).await?;
    save(&backend, "p", 0).await?;
    let event = listener.event().await?;
    ensure!(event == ("p".to_owned(), 1), "{event:?}");
    Ok(())
}

/// `client-js` 12.4, 13.1: DataStore for JavaScript reads its first page before it is subscribed.
async fn a_change_between_page_and_subscription(configure: fn(&mut Config)) -> Verdict {
    let rig = Rig::sqlite().await;
    let backend = Backend::over(&rig, PLAYERS, configure).await;
    let device = datastore(Family::JavaScript);
    save(&backend, "p", 0).await?;
    let page = backend
        .ask(&device, "{ syncPlayers { items { _version } } }", json!({}))
        .await?;
    ensure!(
        page["data"]["syncPlayers"]["items"] == json!([{"_version": 1}]),
        "{page}"
    );
    save(&backend, "p", 1).await?;
    let mut listener = backend.listen(&device).await?;
    let replayed = listener.told();
    ensure!(replayed == [("p".to_owned(), 2)], "{replayed:?}");
    drop(listener);
    rig.finish().await;
    Ok(())
}

#[tokio::test]
async fn t17_a_change_between_a_first_page_and_a_subscription_is_replayed() {
    let verdict = a_change_between_page_and_subscription(|_| {}).await;
    verdict.expect("a replay");
}

#[tokio::test]
async fn t17_notices_subscriptions_without_replay() {
    let verdict = a_change_between_page_and_subscription(|config| config.realtime.repairs = false);
    assert!(verdict.await.is_err());
}

/// F2. A backup was put back: what a node published before may be lost, and DataStore in JavaScript takes whatever it is
/// told last.
#[tokio::test]
async fn t29_what_was_told_before_an_epoch_is_not_replayed_in_it() {
    let rig = Rig::memory().await;
    let backend = Backend::over(&rig, PLAYERS, |_| {}).await;
    let device = datastore(Family::JavaScript);
    let mut before = backend.listen(&device).await.expect("a subscription");
    save(&backend, "old", 0).await.expect("a write");
    assert_eq!(
        before.event().await.expect("an event"),
        ("old".to_owned(), 1)
    );
    rig.store.begin_epoch();
    let version = save(&backend, "new", 0).await.expect("a write");
    let new = ("new".to_owned(), version);
    assert_eq!(before.event().await.expect("an event"), new);
    let mut after = backend.listen(&device).await.expect("a subscription");
    assert_eq!(after.told(), [new]);
}

anomaly!(t15_hints_that_are_doubled_late_or_wrong_change_nothing on [memory, sqlite, postgres]);

/// S2. Three writes without a hint, then hints in any order: each version is told once and in order.
async fn t15_hints_that_are_doubled_late_or_wrong_change_nothing(rig: &Rig) -> Verdict {
    let backend = Backend::over(rig, PLAYERS, |_| {}).await;
    rig.store.lose_hints();
    let mut listener = backend.listen(&caller(Family::JavaScript)).await?;
    for version in 0..3 {
        save(&backend, "p", version).await?;
    }
    for hint in [3, 1, 3, 0, 99, 2] {
        rig.store.hint(hint);
        tokio::task::yield_now().await;
    }
    let mut told = versions(&mut listener, 3).await?;
    save(&backend, "p", 3).await?;
    rig.store.hint(4);
    told.extend(versions(&mut listener, 1).await?);
    ensure!(told == [1, 2, 3, 4], "{told:?}");
    ensure!(listener.told().is_empty(), "something is told again");
    Ok(())
}

async fn versions(listener: &mut Listener, count: usize) -> anyhow::Result<Vec<i64>> {
    let mut versions = Vec::new();
    for _ in 0..count {
        versions.push(listener.event().await?.1);
    }
    Ok(versions)
}

anomaly!(t40_versions_of_a_record_are_told_in_order on [memory, sqlite, postgres] notices [
    events_in_any_order: Reordered
]);

/// S2, CL-6. JavaScript takes whatever comes last.
async fn t40_versions_of_a_record_are_told_in_order(rig: &Rig) -> Verdict {
    let backend = Backend::over(rig, PLAYERS, |_| {}).await;
    let mut listener = backend.listen(&caller(Family::JavaScript)).await?;
    for version in 0..30 {
        save(&backend, "p", version).await?;
    }
    let told = versions(&mut listener, 30).await?;
    ensure!(told.iter().copied().eq(1..=30), "{told:?}");
    ensure!(listener.told().is_empty(), "something is told again");
    Ok(())
}
