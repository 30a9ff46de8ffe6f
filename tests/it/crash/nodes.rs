//! Real node processes over one Postgres are killed while clients write to all of them and listen at the one that lives.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use pretty_assertions::assert_eq;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::accounts::{Mutation, assert_try_again, create, delete, everything, update};
use crate::support::audit::audit;
use crate::support::nats::Nats;
use crate::support::postgres::Database;
use crate::support::server::{PATIENCE, Socket};
use crate::support::victim::{Door, Victim};

const WRITERS: usize = 6;
const DEATHS: usize = 4;
/// How many mutations are acknowledged between two deaths at least.
const BETWEEN: usize = 40;
const LAST: &str = "the last";

/// What a writer was told, and how often it heard nothing.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<String, Value>,
    unanswered: usize,
}

/// Writes records of its own, each mutation to the next node, until the deaths are over.
async fn write(
    writer: usize,
    doors: Vec<Door>,
    over: watch::Receiver<bool>,
    done: watch::Sender<usize>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut doors = doors.iter().cycle().skip(writer);
    let mut number = 0;
    while !*over.borrow() {
        let id = format!("{writer}-{number}");
        number += 1;
        for mutation in [create(&id), update(&id, 1), delete(&id, 2)] {
            ledger.persist(&mutation, &mut doors).await;
            done.send_modify(|done| *done += 1);
        }
    }
    ledger
}

impl Ledger {
    /// Sends a mutation as it is, to one node after the other, until it is answered.
    async fn persist(&mut self, mutation: &Mutation, doors: &mut impl Iterator<Item = &Door>) {
        let trying = async {
            for door in doors {
                match mutation.send_to(door).await {
                    Ok((200, body)) => {
                        let data = body["data"].as_object();
                        let record = data.and_then(|data| data.values().next());
                        let record = record.filter(|record| record["_version"] == mutation.version);
                        return record
                            .unwrap_or_else(|| panic!("{mutation:?}: {body}"))
                            .clone();
                    }
                    Ok((503, body)) => assert_try_again(&body),
                    Ok(other) => panic!("{mutation:?}: {other:?}"),
                    Err(_) => self.unanswered += 1,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            unreachable!("doors go round")
        };
        let record = tokio::time::timeout(PATIENCE, trying).await;
        let record = record.expect("a node lives");
        self.acknowledged.insert(mutation.id.clone(), record);
    }
}

/// What a subscriber hears until the last record: the versions of each.
async fn heard(mut socket: Socket) -> BTreeMap<String, Vec<u64>> {
    let mut heard = BTreeMap::<_, Vec<_>>::new();
    loop {
        let frame = socket.frame().await;
        let data = frame["payload"]["data"].as_object();
        let record = data.and_then(|data| data.values().next());
        let record = record.unwrap_or_else(|| panic!("{frame}"));
        let id = record["id"].as_str().expect("a key").to_owned();
        if id == LAST {
            return heard;
        }
        let version = record["_version"].as_u64().expect("a version");
        heard.entry(id).or_default().push(version);
    }
}

async fn subscriber(node: &Victim) -> Socket {
    let mut socket = node.session().await;
    for (id, field) in [
        ("c", "onCreatePost"),
        ("u", "onUpdatePost"),
        ("d", "onDeletePost"),
    ] {
        let query = format!("subscription operation {{ {field} {{ id _version _deleted }} }}");
        socket.subscribe(id, &query, &Victim::authorization()).await;
    }
    socket
}

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
    let (done, mut acknowledged) = watch::channel(0);
    let (over, is_over) = watch::channel(false);
    let writers = (0..WRITERS)
        .map(|writer| tokio::spawn(write(writer, doors.clone(), is_over.clone(), done.clone())));
    let writers: Vec<_> = writers.collect();

    for death in 1..=DEATHS {
        let enough = acknowledged.wait_for(|done| *done >= death * BETWEEN);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        drop(waited.expect("writes go on").expect("writers live"));
        let mut node = mortal.remove(0);
        node.kill().await;
        mortal.push(node.again(None).await.ready().await);
    }
    over.send_replace(true);

    let ledgers: Vec<Ledger> = join_all(writers)
        .await
        .into_iter()
        .map(|ledger| ledger.expect("a task"))
        .collect();
    assert!(
        ledgers.iter().any(|ledger| ledger.unanswered > 0),
        "no death was noticed"
    );
    let (status, body) = create(LAST).send(&survivor).await.expect("an answer");
    assert_eq!(status, 200, "{body}");
    let mut stored = everything(&survivor).await;
    stored.remove(LAST);
    let acknowledged: BTreeMap<_, _> = ledgers
        .into_iter()
        .flat_map(|ledger| ledger.acknowledged)
        .collect();
    assert_eq!(stored, acknowledged);
    let heard = listening.await.expect("a task");
    let expected: BTreeMap<_, _> = acknowledged
        .keys()
        .map(|id| (id.clone(), vec![1, 2, 3]))
        .collect();
    assert_eq!(heard, expected);
    assert_eq!(audit(&database.url).await, [""; 0]);
    drop((mortal, survivor));
    database.remove().await;
}

/// `sync-design.md` T13: nothing but the log knows of the write when its node dies.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_wrote_and_told_nobody_before_it_died_is_told_by_the_others() {
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

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_lose_no_acknowledged_write_and_no_event_of_the_others() {
    nodes_die(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_beside_nats_lose_no_acknowledged_write_and_no_event_of_the_others() {
    let nats = Nats::start().await;
    nodes_die(Some(&nats)).await;
}
