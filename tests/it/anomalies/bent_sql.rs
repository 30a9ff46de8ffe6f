//! Postgres itself bent to naive ways: the function that commits a batch does one thing otherwise, and the cases of
//! [`super::order`] must fail over it as over the bent reference store.

use anyhow::ensure;
use driftless::storage::{Place, Store, open_at};

use super::indexes::{Blog, t19_an_index_query_ends_although_what_it_shows_moves_ahead_of_it};
use super::order::{
    save, t03_changes_of_one_millisecond_are_not_missed, t06_one_version_has_one_successor,
    two_nodes,
};
use crate::support::probe::{Probe, Replica};
use crate::support::rig::{Rig, Verdict};

/// The lock that orders the writes of a model.
const LOCK: (&str, &str) = ("perform pg_advisory_xact_lock(7001, 1);", "");

/// Two nodes on one database.
struct Nodes {
    rig: Rig,
    other: Store,
}

impl Nodes {
    async fn start() -> Nodes {
        let rig = Rig::postgres().await;
        Probe::new(&rig).await;
        let url = rig.stand.url().expect("a URL");
        let other = open_at(&Place::at(&url)).await.expect("a second node");
        Nodes { rig, other }
    }

    /// Replaces parts of the function that writes the one model; each part must be there.
    async fn bend(&self, parts: &[(&str, &str)]) {
        let database = self.rig.stand.database().expect("Postgres");
        let mut connection = database.connect().await;
        let definition =
            "select pg_get_functiondef(oid) from pg_proc where proname like 'm1\\_write\\_%'";
        let definition = sqlx::query_scalar(definition)
            .fetch_one(&mut connection)
            .await;
        let mut definition: String = definition.expect("the function");
        for (right, naive) in parts {
            assert!(definition.contains(right), "no {right} in {definition}");
            definition = definition.replace(right, naive);
        }
        self.rig.database(&definition).await;
    }

    async fn probes(&self) -> (Probe, Probe) {
        let other = Probe::of(self.other.storage.clone(), self.other.feed.clone(), "Post").await;
        (Probe::new(&self.rig).await, other)
    }

    async fn finish(self) {
        self.other.close().await;
        self.rig.finish().await;
    }
}

/// D1 over two nodes: one has stamped its write and not committed, the other writes meanwhile if it can; a device syncs.
async fn overtaking(nodes: &Nodes) -> Verdict {
    let (one, other) = nodes.probes().await;
    one.save("first", 0).await?;
    nodes.rig.pass(5).await;
    let mut hold = nodes.rig.hold_writer().await;
    let slow = tokio::spawn(save(one.clone(), "slow"));
    hold.reached().await;
    nodes.rig.pass(5).await;
    let fast = tokio::spawn(save(other, "fast"));
    nodes.rig.until_waiting_or(|| fast.is_finished()).await;
    let mut replica = Replica::default();
    let started_at = one.sync(&mut replica, None).await?;
    hold.release().await;
    slow.await??;
    fast.await??;
    one.sync(&mut replica, Some(started_at)).await?;
    ensure!(
        replica == one.truth().await?,
        "{replica:?} after {started_at}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_a_commit_of_another_node_that_is_overtaken_is_not_missed() {
    let nodes = Nodes::start().await;
    overtaking(&nodes).await.expect("no change is missed");
    nodes.finish().await;
}

/// As with a column `updated_at` and a serial number: both are given before the order of commits is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_notices_a_function_that_stamps_before_it_locks() {
    let nodes = Nodes::start().await;
    nodes.rig.database("create sequence test_serial").await;
    nodes
        .bend(&[
            LOCK,
            ("v_seq := v_seq + 1;", "v_seq := nextval('test_serial');"),
        ])
        .await;
    let verdict = overtaking(&nodes).await;
    nodes.finish().await;
    let missed = verdict
        .expect_err("an overtaken commit is missed")
        .to_string();
    assert!(missed.contains(" after "), "{missed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t03_notices_records_with_times_in_whole_seconds() {
    let nodes = Nodes::start().await;
    nodes
        .bend(&[
            (
                "changed_ms = v_ms, seq",
                "changed_ms = v_ms - v_ms % 1000, seq",
            ),
            (
                "p_deleted[i], v_ms, v_seq, v_seq",
                "p_deleted[i], v_ms - v_ms % 1000, v_seq, v_seq",
            ),
        ])
        .await;
    let verdict = t03_changes_of_one_millisecond_are_not_missed(&nodes.rig).await;
    nodes.finish().await;
    let missed = verdict.expect_err("a change is missed").to_string();
    assert!(missed.contains(" after "), "{missed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_notices_a_function_that_compares_no_versions() {
    let nodes = Nodes::start().await;
    nodes
        .bend(&[("coalesce(v_version, 0) <> p_expected[i]", "false")])
        .await;
    let verdict = t06_one_version_has_one_successor(&nodes.rig).await;
    nodes.finish().await;
    let lost = verdict.expect_err("a write is lost").to_string();
    assert!(lost.contains("8 writers replaced version 1"), "{lost}");
}

/// Without the lock the key of the log still refuses the second of two writes; so it goes, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_notices_a_function_that_takes_no_lock() {
    let nodes = Nodes::start().await;
    nodes.bend(&[LOCK]).await;
    let (one, other) = nodes.probes().await;
    nodes
        .rig
        .database("alter table change_log drop constraint change_log_pkey")
        .await;
    let verdict = two_nodes(&one, &other).await;
    nodes.finish().await;
    let lost = verdict.expect_err("a write is lost").to_string();
    assert!(lost.contains("(Done("), "{lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_notices_a_function_that_notes_no_moves() {
    let nodes = Nodes::start().await;
    Blog::new(&nodes.rig).await.expect("a blog");
    nodes.bend(&[("then v_seq else", "then null else")]).await;
    let verdict =
        t19_an_index_query_ends_although_what_it_shows_moves_ahead_of_it(&nodes.rig).await;
    nodes.finish().await;
    let endless = verdict.expect_err("the query has no end").to_string();
    assert!(endless.contains("does not end"), "{endless}");
}
