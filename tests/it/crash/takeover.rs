//! A replica that every commit waits for takes over while clients write and listen (`sync-design.md` 10): nobody misses
//! anything, and nobody has to begin anew.

use pretty_assertions::assert_eq;

use super::failover::{Device, SAID};
use super::writers::{LAST, Writers, heard, subscriber};
use crate::support::accounts::{Accounts, create, everything};
use crate::support::audit::audit;
use crate::support::cluster::{Address, Cluster, Copied};
use crate::support::pgbouncer::{Pooler, Settings};
use crate::support::victim::Victim;

/// How many mutations are acknowledged before the take-over, and again after it, at least.
const ENOUGH: usize = 60;
/// What a node says of it.
const NOTED: &str = "a replica that had every write took over";

async fn takes_over(url: &str, mut primary: Cluster, replica: &Cluster, address: &Address) {
    let nodes = [
        Victim::node(url, None).await.ready().await,
        Victim::node(url, None).await.ready().await,
    ];
    let mut before = Accounts::default();
    before.open(&nodes[0]).await;
    let mut device = Device::default();
    device.sync(&nodes[0]).await;
    let untouched = device.blind.clone();
    let listening = [
        tokio::spawn(heard(subscriber(&nodes[0]).await)),
        tokio::spawn(heard(subscriber(&nodes[1]).await)),
    ];
    let mut writers = Writers::start(&[nodes[0].door.clone(), nodes[1].door.clone()]);
    writers.have_done(ENOUGH).await;
    device.sync(&nodes[1]).await;
    writers.have_done(2 * ENOUGH).await;

    primary.stop();
    replica.promote().await;
    address.lead_to(replica);

    writers.have_done(writers.done() + ENOUGH).await;
    let ledger = writers.end().await;
    let (status, body) = create(LAST).send(&nodes[0]).await.expect("an answer");
    assert_eq!(status, 200, "{body}");
    for listening in listening {
        assert_eq!(listening.await.expect("a task"), ledger.events());
    }
    let mut stored = everything(&nodes[1]).await;
    let brought = device.sync(&nodes[1]).await;
    assert!(
        untouched.keys().all(|id| !brought.contains(id)),
        "all is fetched anew"
    );
    assert_eq!(device.blind, stored);
    assert_eq!(device.gated, stored);
    stored.retain(|id, _| id != LAST && !untouched.contains_key(id));
    assert_eq!(stored, ledger.acknowledged);
    before.assert_kept(&nodes[0]).await;
    assert_eq!(audit(&replica.url).await, [""; 0]);
    let said = nodes.each_ref().map(Victim::log).concat();
    assert!(said.contains(NOTED) && !said.contains(SAID), "{said}");
}

/// A primary whose commits wait for a replica, and that replica.
async fn pair() -> (Cluster, Cluster) {
    let mut primary = Cluster::start().await;
    let mut replica = primary.copy(Copied::Replica).await;
    replica.restart().await;
    primary.wait_for_replicas().await;
    (primary, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_commits_wait_for_takes_over_and_nobody_notices() {
    let (primary, replica) = pair().await;
    let address = Address::of(&primary);
    takes_over(&address.url, primary, &replica, &address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_commits_wait_for_takes_over_behind_a_pooler_and_nobody_notices() {
    let (primary, replica) = pair().await;
    let address = Address::of(&primary);
    let pooler = Pooler::before(&address.url, Settings::Ignored).await;
    takes_over(&pooler.url, primary, &replica, &address).await;
}
