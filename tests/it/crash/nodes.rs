//! Real node processes over one Postgres are killed while clients write to all of them and listen at the one that lives.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;

use super::writers::{LAST, Writers, heard, subscriber};
use crate::support::accounts::{create, everything};
use crate::support::audit::audit;
use crate::support::nats::Nats;
use crate::support::postgres::Database;
use crate::support::victim::{Door, Victim};

const DEATHS: usize = 4;
/// How many mutations are acknowledged between two deaths at least.
const BETWEEN: usize = 40;

/// Nodes die one after the other; the third one lives.
async fn nodes_die(feed: Option<&Nats>) {
    let database = Database::create().await;
    let mut mortal = Vec::new();
    for _ in 0..2 {
        mortal.push(Victim::node(&database.url, feed).await.ready().await);
    }
    let survivor = Victim::node(&database.url, feed).await.ready().await;
    let listening = tokio::spawn(heard(subscriber(&survivor).await));
    let nodes = mortal.iter().chain([&survivor]);
    let doors: Vec<Door> = nodes.map(|node| node.door.clone()).collect();
    let mut writers = Writers::start(&doors);
    for death in 1..=DEATHS {
        writers.have_done(death * BETWEEN).await;
        let mut node = mortal.remove(0);
        node.kill().await;
        mortal.push(node.again(None).await.ready().await);
    }
    let ledger = writers.end().await;
    assert!(ledger.unanswered > 0, "no death was noticed");
    let (status, body) = create(LAST).send(&survivor).await.expect("an answer");
    assert_eq!(status, 200, "{body}");
    let mut stored = everything(&survivor).await;
    stored.remove(LAST);
    assert_eq!(stored, ledger.acknowledged);
    assert_eq!(listening.await.expect("a task"), ledger.events());
    assert_eq!(audit(&database.url).await, [""; 0]);
    drop((mortal, survivor));
    database.remove().await;
}

/// `sync-design.md` T13: nothing but the log knows of the write when its node dies.
#[tokio::test(flavor = "multi_thread")]
async fn t13_what_a_node_wrote_and_told_nobody_before_it_died_is_told_by_the_others() {
    for feed in [None, Some(Nats::start().await)] {
        let database = Database::create().await;
        let held = Some(("committed", 0));
        let mut mortal = Victim::start(&database.url, held).await.ready().await;
        let survivor = Victim::node(&database.url, feed.as_ref())
            .await
            .ready()
            .await;
        let listening = tokio::spawn(heard(subscriber(&survivor).await));
        let write = create("a");
        let sent = tokio::spawn(write.send(&mortal));
        mortal.held().await;
        mortal.kill().await;
        sent.await.expect("a task").expect_err("nobody answers");

        // Its client sends it again, to another node; it is done and told once.
        for mutation in [write, create(LAST)] {
            let (status, body) = mutation.send(&survivor).await.expect("an answer");
            assert_eq!(status, 200, "{body}");
            assert_eq!(body["data"]["createPost"]["_version"], 1, "{body}");
        }
        let heard = listening.await.expect("a task");
        assert_eq!(heard, BTreeMap::from([("a".to_owned(), vec![1])]));
        assert_eq!(audit(&database.url).await, [""; 0]);
        drop((mortal, survivor));
        database.remove().await;
    }
}

/// A node stands still with requests in it while the other works, as a machine does that is moved to another place. What
/// reached it is done once, and its subscribers miss nothing.
async fn a_node_stands_still(feed: Option<&Nats>) {
    const REQUESTS: usize = 20;
    let database = Database::create().await;
    let worker = Victim::node(&database.url, feed).await.ready().await;
    let sleeper = Victim::node(&database.url, feed).await.ready().await;
    let listening = tokio::spawn(heard(subscriber(&sleeper).await));
    let mut writers = Writers::start(std::slice::from_ref(&worker.door));
    writers.have_done(BETWEEN).await;
    let late: Vec<String> = (0..REQUESTS)
        .map(|number| format!("late {number}"))
        .collect();
    let sent: Vec<_> = late
        .iter()
        .map(|id| tokio::spawn(create(id).send(&sleeper)))
        .collect();
    sleeper.pause();
    writers.have_done(writers.done() + 2 * BETWEEN).await;
    sleeper.go_on();
    for answer in sent {
        let (status, body) = answer.await.expect("a task").expect("an answer");
        assert_eq!(status, 200, "{body}");
    }
    writers.have_done(writers.done() + BETWEEN).await;
    let ledger = writers.end().await;
    let (status, body) = create(LAST).send(&sleeper).await.expect("an answer");
    assert_eq!(status, 200, "{body}");
    let (mut heard, mut stored) = (listening.await.expect("a task"), everything(&sleeper).await);
    for id in &late {
        assert_eq!(heard.remove(id), Some(vec![1]), "{id}");
        stored.remove(id).expect("it is stored");
    }
    assert_eq!(heard, ledger.events());
    stored.remove(LAST);
    assert_eq!(stored, ledger.acknowledged);
    assert_eq!(audit(&database.url).await, [""; 0]);
    drop((worker, sleeper));
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_for_a_while_misses_nothing_and_does_everything_once() {
    a_node_stands_still(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_beside_nats_misses_nothing_and_does_everything_once() {
    let nats = Nats::start().await;
    a_node_stands_still(Some(&nats)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_lose_no_acknowledged_write_and_no_event_of_the_others() {
    nodes_die(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_beside_nats_lose_no_acknowledged_write_and_no_event_of_the_others() {
    let nats = Nats::start().await;
    nodes_die(Some(&nats)).await;
}
