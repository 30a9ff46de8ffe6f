//! The harness's scenario of a deployment that falls back to an older state, over real databases.

use std::sync::Arc;
use std::time::Duration;

use driftless::storage;
use driftless_client_test_harness::restore::{Plan, run};
use driftless_client_test_harness::schema::Schema;
use driftless_resolvers::storage::Put;
use pretty_assertions::assert_eq;
use tokio::sync::Mutex;

use super::failover::SAID;
use crate::support::cluster::{Address, Cluster, Copied};
use crate::support::nats::Nats;
use crate::support::pgbouncer::{Pooler, Settings};
use crate::support::probe::Probe;
use crate::support::victim::Victim;

/// What is between the nodes and Postgres.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Pooler,
}

impl Between {
    async fn before(self, address: &Address) -> Option<Pooler> {
        match self {
            Between::Nothing => None,
            Between::Pooler => Some(Pooler::before(&address.url, Settings::Ignored).await),
        }
    }
}

/// Two nodes run on while Postgres falls back, by a copy that was made in this way.
async fn falls_back(copied: Copied, between: Between, feed: Option<&Nats>) {
    let mut primary = Cluster::start().await;
    let mut copy = None;
    if copied == Copied::Replica {
        let mut replica = primary.copy(copied).await;
        replica.restart().await;
        copy = Some(replica);
    }
    let address = Address::of(&primary);
    let pooler = between.before(&address).await;
    let url = pooler.as_ref().map_or(&address.url, |pooler| &pooler.url);
    let nodes = [
        Victim::node(url, feed).await.ready().await,
        Victim::node(url, feed).await.ready().await,
    ];
    let plan = Plan {
        targets: nodes.iter().map(|node| node.door.target()).collect(),
        model: Schema::whitepaper().model("Post").expect("a model").clone(),
        records: 40,
        patience: Duration::from_secs(20),
    };
    let clusters = Mutex::new((primary, copy));
    let backup = async || {
        let (primary, copy) = &mut *clusters.lock().await;
        match copy {
            Some(replica) => {
                primary.replicated(replica).await;
                replica.stop();
            }
            None => *copy = Some(primary.copy(copied).await),
        }
        Ok(())
    };
    let restore = async || {
        let (primary, copy) = &mut *clusters.lock().await;
        let copy = copy.as_mut().expect("a copy");
        primary.stop();
        copy.restart().await;
        if copied == Copied::Replica {
            copy.promote().await;
        }
        address.lead_to(copy);
        Ok(())
    };
    let report = run(&plan, backup, restore)
        .await
        .expect("the server comes back");
    assert_eq!(report.violations(), [""; 0]);
    let counts = report.counts();
    assert!(counts["records that went back"] > 20, "{counts:?}");
    assert!(counts["edits of what was held taken"] > 10, "{counts:?}");
    assert!(nodes.iter().any(|node| node.log().contains(SAID)));
    let store = storage::open(&address.url).await.expect("a store");
    let verdict = store.check().await.expect("a verdict");
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_agree_with_a_postgres_that_was_put_back_under_running_nodes() {
    falls_back(Copied::Backup, Between::Nothing, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_agree_with_a_replica_that_took_over_without_the_last_writes() {
    falls_back(Copied::Replica, Between::Nothing, None).await;
}

/// The connections of the nodes to the pooler outlive the database behind it.
#[tokio::test(flavor = "multi_thread")]
async fn devices_agree_with_a_postgres_that_was_put_back_behind_a_pooler() {
    falls_back(Copied::Backup, Between::Pooler, None).await;
}

/// What is lost may still be on its way between the nodes.
#[tokio::test(flavor = "multi_thread")]
async fn devices_agree_with_a_postgres_that_was_put_back_under_nodes_that_speak_by_nats() {
    let nats = Nats::start().await;
    falls_back(Copied::Backup, Between::Nothing, Some(&nats)).await;
}

/// F2. The first write after a restore is one that another version 2 has been given away for, before any node has looked.
async fn a_write_finds_an_older_database(between: Between) {
    let mut primary = Cluster::start().await;
    let address = Address::of(&primary);
    let pooler = between.before(&address).await;
    let url = pooler.as_ref().map_or(&address.url, |pooler| &pooler.url);
    let store = storage::open(url).await.expect("a store");
    let probe = Probe::of(Arc::clone(&store.storage), Arc::clone(&store.feed), "Post").await;
    probe.save("a", 0).await.expect("a write");
    let mut copy = primary.copy(Copied::Backup).await;
    copy.restart().await;
    let lost = probe.save("a", 1).await.expect("a write");
    assert_eq!(lost.version.0, 2);

    address.lead_to(&copy);
    primary.stop();
    let put = probe.put(probe.write("a", 1, "something else")).await;
    let Ok(Put::Stale(Some(stored))) = &put else {
        panic!("version 2 is given away again: {put:?}");
    };
    assert!(stored.version.0 > 1_000_000, "{stored:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_write_after_a_restore_gives_no_lost_version_away() {
    a_write_finds_an_older_database(Between::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_write_after_a_restore_behind_a_pooler_gives_no_lost_version_away() {
    a_write_finds_an_older_database(Between::Pooler).await;
}
