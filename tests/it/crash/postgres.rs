//! The disk of Postgres is full under a running server.

use pretty_assertions::assert_eq;

use crate::support::accounts::{Accounts, fill, persist};
use crate::support::audit::audit;
use crate::support::cluster::Cluster;
use crate::support::victim::Victim;

/// Every file may grow to here and no further: beyond a segment of its log, and in the middle of a page.
const FULL: u64 = 1_300_000;

#[tokio::test]
async fn a_postgres_whose_disk_is_full_does_nothing_by_halves_and_goes_on_when_there_is_room() {
    let cluster = Cluster::start().await;
    let victim = Victim::start(&cluster.url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    cluster.limit_files(Some(FULL));
    let refused = fill(&mut accounts, &victim).await;
    accounts.assert_kept(&victim).await;
    cluster.limit_files(None);
    persist(&mut accounts, &victim, &refused).await;
    accounts.assert_kept(&victim).await;
    assert_eq!(audit(&cluster.url).await, [""; 0]);
}
