//! Which write comes first, and who sees it when.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{bail, ensure};
use driftless::storage::moment::{Moment, Moments, Witness};
use driftless::storage::{Place, open_at};
use driftless_resolvers::storage::Put;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::bent::{Bent, Flaw};
use crate::support::probe::{Probe, Replica, id, ids};
use crate::support::rig::{Rig, Verdict, anomaly};
use crate::support::server::PATIENCE;
use crate::support::stores::Stand;

anomaly!(t01_a_commit_that_is_overtaken_is_not_missed on [memory, sqlite, postgres] notices [
    times_taken_before_the_commit: EarlyStamp
]);

/// D1. A writer has its time and has not committed; another one commits meanwhile if it can; a device syncs.
async fn t01_a_commit_that_is_overtaken_is_not_missed(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("first", 0).await?;
    rig.pass(5).await;
    let mut hold = rig.hold_writer().await;
    let slow = tokio::spawn(save(probe.clone(), "slow"));
    hold.reached().await;
    rig.pass(5).await;
    let fast = tokio::spawn(save(probe.clone(), "fast"));
    // A store in which the second writer can overtake lets it do so now.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let mut replica = Replica::default();
    let started_at = probe.sync(&mut replica, None).await?;
    hold.release().await;
    slow.await??;
    fast.await??;
    probe.sync(&mut replica, Some(started_at)).await?;
    ensure!(
        replica == probe.truth().await?,
        "{replica:?} after {started_at}"
    );
    Ok(())
}

pub(super) async fn save(probe: Probe, id: &'static str) -> Verdict {
    probe.save(id, 0).await.map(drop)
}

anomaly!(t02_a_long_transaction_delays_no_other_model on [postgres]);

/// D1, D5. A batch of one model takes its time: syncs of the model end, and other models are written.
async fn t02_a_long_transaction_delays_no_other_model(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    let other = Probe::of(rig.storage(), rig.feed(), "Other").await;
    probe.save("first", 0).await?;
    let mut hold = rig.hold_writer().await;
    let slow = tokio::spawn(save(probe.clone(), "slow"));
    hold.reached().await;
    for version in 0..20 {
        other.save("o", version).await?;
    }
    let mut replica = Replica::default();
    let started_at = probe.sync(&mut replica, None).await?;
    ensure!(
        !replica.0.contains_key("slow"),
        "what is not committed is read"
    );
    hold.release().await;
    slow.await??;
    probe.sync(&mut replica, Some(started_at)).await?;
    ensure!(replica.0.contains_key("slow"), "lost after {started_at}");
    Ok(())
}

/// Counts the batches of a store, and lets each be committed by a permit only.
struct Gate {
    taken: AtomicUsize,
    permits: Semaphore,
}

impl Witness for Gate {
    fn at(&self, moment: Moment) -> BoxFuture<'_, ()> {
        async move {
            match moment {
                Moment::Taken => drop(self.taken.fetch_add(1, Ordering::SeqCst)),
                Moment::Written => self.permits.acquire().await.expect("it is open").forget(),
                _ => {}
            }
        }
        .boxed()
    }
}

impl Gate {
    /// Until so many batches have been taken from their queues.
    async fn has_taken(&self, batches: usize) {
        while self.taken.load(Ordering::SeqCst) < batches {
            tokio::task::yield_now().await;
        }
    }
}

/// D1, D5. On SQLite all models share one writer: an import is many batches, and what another model writes meanwhile waits
/// for the one that is under way. Syncs wait for none.
#[tokio::test]
async fn t02_an_import_into_sqlite_delays_another_model_by_one_batch() {
    let gate = Arc::new(Gate {
        taken: AtomicUsize::new(0),
        permits: Semaphore::new(2),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place {
        moments: Moments::seen_by(Arc::clone(&gate) as Arc<dyn Witness>),
        ..Place::at(&format!("sqlite:{}", folder.path().join("db").display()))
    };
    let store = open_at(&place).await.expect("a store");
    let probe = Probe::of(store.storage.clone(), store.feed.clone(), "Post").await;
    let other = Probe::of(store.storage.clone(), store.feed.clone(), "Other").await;
    for probe in [&probe, &other] {
        probe.save("first", 0).await.expect("a write");
    }
    let import = |n: usize| {
        let probe = probe.clone();
        tokio::spawn(async move { probe.save(&format!("import {n}"), 0).await })
    };
    let import: Vec<_> = (0..1_000).map(import).collect();
    gate.has_taken(3).await;
    let late = tokio::spawn(save(other.clone(), "late"));
    gate.has_taken(4).await;
    let mut replica = Replica::default();
    let started_at = probe.sync(&mut replica, None).await.expect("a sync");
    assert_eq!(replica.0.keys().collect::<Vec<_>>(), ["first"]);

    gate.permits.add_permits(2);
    let written = timeout(PATIENCE, late).await;
    let written = written.expect("the whole import goes first");
    written.expect("no panic").expect("a write");
    let imported = import.iter().filter(|write| write.is_finished()).count();
    assert!(imported <= 256, "{imported}");

    gate.permits.add_permits(1_000);
    for write in import {
        write.await.expect("no panic").expect("a write");
    }
    let synced = probe.sync(&mut replica, Some(started_at)).await;
    synced.expect("a sync");
    assert_eq!(replica.0.len(), 1_001);
    store.close().await;
}

anomaly!(t03_changes_of_one_millisecond_are_not_missed on [memory, sqlite, postgres] notices [
    times_that_the_next_change_may_share: NoMinusOne,
    wall_clocks: WallClock
]);

/// D1. Time stands still: one change before the first page, one after it.
pub(super) async fn t03_changes_of_one_millisecond_are_not_missed(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    rig.pass(5).await;
    let before = probe.save("a", 0).await?;
    let mut replica = Replica::default();
    let started_at = probe.sync(&mut replica, None).await?;
    let after = probe.save("b", 0).await?;
    ensure!(
        before.last_changed_at == after.last_changed_at,
        "time passes"
    );
    probe.sync(&mut replica, Some(started_at)).await?;
    ensure!(
        replica == probe.truth().await?,
        "{replica:?} after {started_at}"
    );
    Ok(())
}

anomaly!(t06_one_version_has_one_successor on [memory, sqlite, postgres] notices [
    versions_read_before_the_lock: UnlockedRead
]);

/// V1. Many writers have read the same version.
pub(super) async fn t06_one_version_has_one_successor(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("r", 0).await?;
    for version in 1..=20 {
        let writers = (0..8).map(|n| probe.put(probe.write("r", version, &n.to_string())));
        let puts: Vec<Put> = join_all(writers)
            .await
            .into_iter()
            .collect::<Result<_, _>>()?;
        let won = puts
            .iter()
            .filter(|put| matches!(put, Put::Done(_)))
            .count();
        ensure!(won == 1, "{won} writers replaced version {version}");
    }
    ensure!(
        probe.history().await?["r"].len() == 21,
        "versions are missing"
    );
    Ok(())
}

/// W1: no default of the database changes what a write sees.
#[tokio::test]
async fn t07_other_isolation_levels_as_default_do_no_harm() {
    for level in ["repeatable read", "serializable"] {
        let rig = Rig::over(Stand::postgres().await, None);
        let name = rig.stand.database().expect("Postgres").name().to_owned();
        rig.database(&format!(
            "alter database {name} set default_transaction_isolation = '{level}'"
        ))
        .await;
        let rig = Rig::over(rig.stand.restart().await, None);
        t06_one_version_has_one_successor(&rig).await.expect(level);
        rig.finish().await;
    }
}

/// V1, V2: two nodes, each with its own queue, write one record a thousand times from the same version.
pub(super) async fn two_nodes(one: &Probe, other: &Probe) -> Verdict {
    one.save("r", 0).await?;
    for version in 1..=1_000 {
        let (left, right) = tokio::join!(
            one.put(one.write("r", version, "one")),
            other.put(other.write("r", version, "other"))
        );
        match (left?, right?) {
            (Put::Done(won), Put::Stale(Some(seen))) | (Put::Stale(Some(seen)), Put::Done(won)) => {
                ensure!(
                    won == seen,
                    "the loser is shown {seen:?}, the winner {won:?}"
                );
            }
            both => bail!("version {version}: {both:?}"),
        }
    }
    ensure!(
        other.history().await?["r"].len() == 1_001,
        "versions are missing"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_two_nodes_never_both_replace_a_version() {
    let rig = Rig::over(Stand::postgres().await, None);
    let node = open_at(&Place::at(&rig.stand.url().expect("a URL"))).await;
    let node = node.expect("a second node");
    let one = Probe::new(&rig).await;
    let other = Probe::of(node.storage.clone(), node.feed.clone(), "Post").await;
    two_nodes(&one, &other).await.expect("one winner");
    node.close().await;
    rig.finish().await;
}

#[tokio::test]
async fn t08_notices_nodes_that_trust_what_they_have_read() {
    let rig = Rig::flawed(Flaw::UnlockedRead).await;
    let node = Bent::over(&rig.stand, Some(Flaw::UnlockedRead));
    let one = Probe::new(&rig).await;
    let other = Probe::of(node.clone(), node, "Post").await;
    assert!(two_nodes(&one, &other).await.is_err());
}

anomaly!(t09_writes_of_one_batch_have_their_own_results on [memory, sqlite, postgres]);

/// Section 8.1. Handed over together: a create, a write over it, a stale write, another create.
async fn t09_writes_of_one_batch_have_their_own_results(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    let writes = [("a", 0), ("a", 1), ("a", 7), ("b", 0), ("a", 2)];
    let writes = writes.map(|(id, version)| probe.put(probe.write(id, version, "t")));
    let puts: Vec<Put> = join_all(writes)
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let told: Vec<_> = puts
        .iter()
        .map(|put| match put {
            Put::Done(record) => (true, id(record), record.version.0),
            Put::Stale(Some(record)) => (false, id(record), record.version.0),
            Put::Stale(None) => (false, String::new(), 0),
        })
        .collect();
    let expected = [
        (true, "a", 1),
        (true, "a", 2),
        (false, "a", 2),
        (true, "b", 1),
        (true, "a", 3),
    ];
    let expected = expected.map(|(done, id, version)| (done, id.to_owned(), version));
    ensure!(told == expected, "{told:?}");
    probe.history().await.map(drop)
}

/// A backend of the database is killed between stamp and commit. The store hands the write in again; the lock is gone with
/// its holder, so that this neither waits nor fails, and what had been stamped is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn t11_a_writer_that_is_killed_leaves_nothing_behind() {
    let rig = Rig::over(Stand::postgres().await, None);
    let probe = Probe::new(&rig).await;
    probe.save("before", 0).await.expect("a write");
    let mut hold = rig.hold_writer().await;
    let killed = tokio::spawn(save(probe.clone(), "killed"));
    let pid = hold.reached().await.expect("a process");
    rig.database(&format!("select pg_terminate_backend({pid})"))
        .await;
    killed.await.expect("no panic").expect("a write");
    probe.save("after", 0).await.expect("a write");
    hold.release().await;
    let all = probe.first(None, 10).await.expect("a page");
    assert_eq!(ids(&all.records), ["after", "before", "killed"]);
    let events = probe.feed.since(&probe.model, Default::default(), 10).await;
    let seqs: HashSet<i64> = events
        .expect("the log")
        .events
        .iter()
        .map(|event| event.seq.0)
        .collect();
    assert_eq!(seqs, HashSet::from([1, 2, 3]), "a position is skipped");
    rig.finish().await;
}

/// Section 9.4: a dump or a long report keeps dead rows alive; the clock must not be among them.
#[tokio::test]
async fn t30_a_long_snapshot_does_not_slow_the_clock() {
    use sqlx::Executor as _;
    let rig = Rig::over(Stand::postgres().await, None);
    let probe = Probe::new(&rig).await;
    let mut dump = rig.stand.database().expect("Postgres").connect().await;
    let snapshot = "begin isolation level repeatable read; select count(*) from change_log";
    dump.execute(sqlx::raw_sql(snapshot))
        .await
        .expect("a snapshot");
    for version in 0..500 {
        probe.save("hot", version).await.expect("a write");
    }
    let mut reader = rig.stand.database().expect("Postgres").connect().await;
    let explain = "explain (analyze, buffers, format json) select seq, changed_ms from change_log \
                   where shard = (select shard from shards where model = 'Post') order by seq desc limit 1";
    let plan: serde_json::Value = sqlx::query_scalar(explain)
        .fetch_one(&mut reader)
        .await
        .expect("a plan");
    let blocks = plan[0]["Plan"]["Shared Hit Blocks"]
        .as_i64()
        .expect("blocks");
    assert!(blocks < 20, "reading the clock touches {blocks} blocks");
    drop(dump);
    rig.finish().await;
}

/// On SQLite a dump keeps the log beside the file from being taken over; nobody waits for it, and once it is done that log
/// grows no more.
#[tokio::test]
async fn t30_a_long_snapshot_of_a_sqlite_file_stops_nobody() {
    use sqlx::{Connection as _, Executor as _};
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("db").display());
    let store = open_at(&Place::at(&url)).await.expect("a store");
    let probe = Probe::of(store.storage.clone(), store.feed.clone(), "Post").await;
    let log = || {
        let log = folder.path().join("db-wal");
        std::fs::metadata(log).expect("a log").len()
    };
    probe.save("first", 0).await.expect("a write");
    let dump = sqlx::SqliteConnection::connect(&url).await;
    let mut dump = dump.expect("a connection");
    let rows = "select count(*) from change_log";
    dump.execute("begin").await.expect("a transaction");
    let before: i64 = sqlx::query_scalar(rows)
        .fetch_one(&mut dump)
        .await
        .expect("a count");
    let save = async |versions: std::ops::Range<u32>| {
        for version in versions {
            probe.save("hot", version).await.expect("a write");
        }
    };
    save(0..500).await;
    let mut replica = Replica::default();
    probe.sync(&mut replica, None).await.expect("a sync");
    assert_eq!(replica.0["hot"], (500, false));
    let dumped: i64 = sqlx::query_scalar(rows)
        .fetch_one(&mut dump)
        .await
        .expect("a count");
    assert_eq!(dumped, before);
    let grown = log();
    dump.execute("commit").await.expect("the end of it");
    save(500..1_500).await;
    assert!(log() <= grown + 100_000, "{grown} and then {}", log());
    dump.close().await.expect("an end");
    store.close().await;
}
