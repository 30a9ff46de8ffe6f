//! Clocks that jump, differ and stand still.

use anyhow::ensure;
use driftless::storage::{Place, open_at};
use driftless_resolvers::identity::Family;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::backend::{Backend, datastore};
use crate::support::probe::{Probe, Replica, ids};
use crate::support::rig::{Rig, Verdict, anomaly};
use crate::support::stores::Stand;

const HOUR: i64 = 3_600_000;

anomaly!(t04_a_clock_that_jumps_loses_nothing on [memory, sqlite, postgres] notices [
    wall_clocks: WallClock
]);

/// D1, D3. Back an hour, forward an hour, forward and back: `startedAt` is never ahead of the clock.
async fn t04_a_clock_that_jumps_loses_nothing(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    let mut replica = Replica::default();
    let mut last_sync = None;
    let mut latest = 0;
    for (step, by) in [0, -HOUR, 1, HOUR, HOUR, 0, -HOUR, 1, 2 * HOUR]
        .into_iter()
        .enumerate()
    {
        rig.pass(by).await;
        let first = probe.save(&format!("a{step}"), 0).await?;
        ensure!(
            first.last_changed_at.0 >= latest,
            "time runs backwards at step {step}"
        );
        let started_at = probe.sync(&mut replica, last_sync).await?;
        ensure!(
            started_at < rig.now(),
            "{started_at} is ahead of the clock at step {step}"
        );
        latest = probe.save(&format!("b{step}"), 0).await?.last_changed_at.0;
        last_sync = Some(started_at);
    }
    probe.sync(&mut replica, last_sync).await?;
    ensure!(replica == probe.truth().await?, "{replica:?}");
    Ok(())
}

/// W3: the time of a change is the database's, whatever the nodes think.
#[tokio::test]
async fn t05_clocks_of_nodes_do_not_matter() {
    let (early, late) = (Rig::memory().await, Rig::memory().await);
    early.pass(-600_000).await;
    late.pass(600_000).await;
    let rig = Rig::over(Stand::postgres().await, None);
    let url = rig.stand.url().expect("a URL");
    let mut nodes = Vec::new();
    for clock in [&early.stand.clock, &late.stand.clock] {
        let place = Place {
            clock: clock.clone(),
            ..Place::at(&url)
        };
        nodes.push(open_at(&place).await.expect("a node"));
    }
    let mut probes = Vec::new();
    for node in &nodes {
        probes.push(Probe::of(node.storage.clone(), node.feed.clone(), "Post").await);
    }
    let mut last = 0;
    for version in 0..20 {
        let writer = &probes[version as usize % 2];
        let changed = writer.save("r", version).await.expect("a write");
        let changed = changed.last_changed_at.0;
        assert!(
            last <= changed && (last == 0 || changed - last < 60_000),
            "{last} {changed}"
        );
        last = changed;
    }
    for node in nodes {
        node.close().await;
    }
    rig.finish().await;
}

anomaly!(t24_a_model_that_was_idle_for_a_day_gives_a_delta on [memory, sqlite, postgres]);

/// CL-1, D3. JavaScript does a full sync when its last one is a day old by the server's word.
async fn t24_a_model_that_was_idle_for_a_day_gives_a_delta(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("old", 0).await?;
    rig.pass(5_000).await;
    probe.save("new", 0).await?;
    let started_at = probe.sync(&mut Replica::default(), None).await?;
    rig.pass(25 * HOUR).await;
    let page = probe.first(Some(started_at), 10).await?;
    ensure!(ids(&page.records) == ["new"], "{:?}", ids(&page.records));
    let behind = rig.now() - page.started_at.0;
    ensure!(
        (1..15_000).contains(&behind),
        "startedAt is {behind} ms behind"
    );
    let again = probe.first(Some(page.started_at.0), 10).await?;
    ensure!(again.records.is_empty(), "{:?}", ids(&again.records));
    Ok(())
}

anomaly!(t24_started_at_is_near_now_and_ticks_are_few_while_a_model_idles on [memory, sqlite, postgres]);

/// D3, section 6.3. Devices come by after every kind of pause, the bounds of ticks among them.
async fn t24_started_at_is_near_now_and_ticks_are_few_while_a_model_idles(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("a", 0).await?;
    let began = rig.now();
    let mut last_sync = None;
    for round in 0..4 {
        for pause in [0, 1, 4_999, 9_999, 10_000, 10_001, 14_999, 15_001, HOUR] {
            rig.pass(pause).await;
            let page = probe.first(last_sync, 10).await?;
            let behind = rig.now() - page.started_at.0;
            ensure!(
                (1..15_000).contains(&behind),
                "startedAt is {behind} ms behind after {pause} ms"
            );
            ensure!(last_sync.is_none_or(|last| last <= page.started_at.0));
            last_sync = Some(page.started_at.0);
        }
        let ticks = probe.feed.head(&probe.model).await?.0 - 1;
        let most = 6 * (round + 1);
        ensure!(ticks <= most, "{ticks} ticks in {} ms", rig.now() - began);
    }
    Ok(())
}

anomaly!(t25_many_syncs_of_an_idle_model_add_one_tick on [memory, sqlite, postgres]);

/// Section 6.3. Fifty devices start at once; another one writes meanwhile.
async fn t25_many_syncs_of_an_idle_model_add_one_tick(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("a", 0).await?;
    rig.pass(25 * HOUR).await;
    let syncs = join_all((0..50).map(|_| probe.first(Some(1), 10)));
    let (pages, written) = tokio::join!(syncs, probe.save("b", 0));
    written?;
    let head = probe.feed.head(&probe.model).await?;
    ensure!(head.0 <= 3, "{} rows for two writes", head.0);
    for page in pages {
        let mut replica = Replica::default();
        let page = page?;
        let behind = rig.now() - page.started_at.0;
        ensure!(
            (1..15_000).contains(&behind),
            "startedAt is {behind} ms behind"
        );
        replica.take(&page.records)?;
        probe.sync(&mut replica, Some(page.started_at.0)).await?;
        ensure!(
            replica.0.len() == 2,
            "{replica:?} after {:?}",
            page.started_at
        );
    }
    Ok(())
}

const PLAYERS: &str = include_str!("../../schemas/players.graphql");

/// A device that asks with its own clock, and what it can be told of.
struct Android(Backend);

impl Android {
    /// Over players of whom one is ten hours old.
    async fn over(rig: &Rig) -> anyhow::Result<Android> {
        let android = Android(Backend::over(rig, PLAYERS, |_| {}).await);
        android.create("old").await?;
        rig.pass(10 * HOUR).await;
        Ok(android)
    }

    async fn create(&self, id: &str) -> anyhow::Result<()> {
        let input = json!({"id": id, "name": id});
        let android = datastore(Family::Android);
        self.0.mutate(&android, "createPlayer", input).await?;
        Ok(())
    }

    /// What a sync since this time brings.
    async fn sync(&self, last_sync: i64) -> anyhow::Result<Value> {
        let query = format!("{{ syncPlayers(lastSync: {last_sync}) {{ items {{ id }} }} }}");
        let android = datastore(Family::Android);
        let mut page = self.0.ask(&android, &query, json!({})).await?;
        Ok(page["data"]["syncPlayers"]["items"].take())
    }
}

anomaly!(t44_a_device_with_a_wrong_clock_converges on [memory, sqlite, postgres]);

/// `errata.md` row 51, CL-3. Android asks with its own clock: two hours ahead, less than a minute ahead, right, two
/// hours behind. Far ahead everything comes; else a delta reaches back far enough for what was committed while it read.
async fn t44_a_device_with_a_wrong_clock_converges(rig: &Rig) -> Verdict {
    let android = Android::over(rig).await?;
    for (n, skew) in [2 * HOUR, 50_000, 0, -2 * HOUR].into_iter().enumerate() {
        // The page is read, somebody writes, the device notes the end of its sync.
        let missed = format!("missed{n}");
        android.create(&missed).await?;
        let page = android.sync(rig.now() + skew).await?.to_string();
        ensure!(page.contains(&missed), "{skew}: {page}");
        ensure!(
            page.contains("\"old\"") == (skew == 2 * HOUR),
            "{skew}: {page}"
        );
        rig.pass(HOUR).await;
    }
    Ok(())
}

anomaly!(t44_a_device_whose_clock_is_ahead_and_that_stays_away_converges on [memory, sqlite, postgres]);

/// The device notes a time that has passed by when it comes back: nothing tells it from a right one, so each of its
/// deltas reaches back as far as clocks may be ahead.
async fn t44_a_device_whose_clock_is_ahead_and_that_stays_away_converges(rig: &Rig) -> Verdict {
    let android = Android::over(rig).await?;
    let last_sync = rig.now() + 2 * HOUR;
    rig.pass(60_000).await;
    android.create("missed").await?;
    rig.pass(5 * HOUR).await;
    let page = android.sync(last_sync).await?;
    ensure!(page == json!([{"id": "missed"}]), "{page}");
    Ok(())
}
