//! The harness's scenario of a deployment that falls back to an older state, over real databases.

use std::time::Duration;

use driftless::storage;
use driftless_client_test_harness::restore::{Plan, run};
use driftless_client_test_harness::schema::Schema;
use pretty_assertions::assert_eq;
use tokio::sync::Mutex;

use super::failover::SAID;
use crate::support::cluster::{Address, Cluster, Copied};
use crate::support::victim::Victim;

/// Two nodes run on while Postgres falls back, by a copy that was made in this way.
async fn falls_back(copied: Copied) {
    let mut primary = Cluster::start().await;
    let mut copy = None;
    if copied == Copied::Replica {
        let mut replica = primary.copy(copied).await;
        replica.restart().await;
        copy = Some(replica);
    }
    let address = Address::of(&primary);
    let nodes = [
        Victim::node(&address.url, None).await.ready().await,
        Victim::node(&address.url, None).await.ready().await,
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
    falls_back(Copied::Backup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_agree_with_a_replica_that_took_over_without_the_last_writes() {
    falls_back(Copied::Replica).await;
}
