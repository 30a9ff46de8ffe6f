//! A Postgres whose disk is full under a running server, and one that answers before its disk has anything.

use pretty_assertions::assert_eq;

use crate::support::accounts::{Accounts, fill, persist};
use crate::support::audit::audit;
use crate::support::cluster::{Cluster, execute};
use crate::support::pgbouncer::{Pooler, Settings};
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

/// With `synchronous_commit = off` a crash takes what was answered within the last moments.
async fn keeps_what_was_acknowledged_when_it_ends_at_once(mut cluster: Cluster, url: &str) {
    let early =
        "alter system set synchronous_commit = off; alter system set wal_writer_delay = '10s'";
    let mut connection = cluster.connect().await;
    for sql in early.split("; ").chain(["select pg_reload_conf()"]) {
        execute(&mut connection, sql).await;
    }
    drop(connection);
    let victim = Victim::start(url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    cluster.stop();
    cluster.restart().await;
    accounts.assert_kept(&victim).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_with_a_postgres_that_answers_before_it_flushes() {
    let cluster = Cluster::start().await;
    let url = cluster.url.clone();
    keeps_what_was_acknowledged_when_it_ends_at_once(cluster, &url).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_behind_a_pooler_with_a_postgres_that_answers_before_it_flushes()
 {
    let cluster = Cluster::start().await;
    let pooler = Pooler::before(&cluster.url, Settings::Refused).await;
    keeps_what_was_acknowledged_when_it_ends_at_once(cluster, &pooler.url).await;
}
