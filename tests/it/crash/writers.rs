//! Clients that write to several nodes, each mutation until it is acknowledged, and what a subscriber hears of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::accounts::{Mutation, assert_try_again, create, delete, update};
use crate::support::server::{PATIENCE, Socket};
use crate::support::victim::{Door, Victim};

const WRITERS: usize = 6;
/// The record whose create a subscriber hears of last.
pub(super) const LAST: &str = "the last";

/// Writers at work.
pub(super) struct Writers {
    tasks: Vec<JoinHandle<Ledger>>,
    done: watch::Receiver<usize>,
    over: watch::Sender<bool>,
}

impl Writers {
    /// Some that write to these nodes until they are told to end.
    pub(super) fn start(doors: &[Door]) -> Writers {
        let (report, done) = watch::channel(0);
        let (over, is_over) = watch::channel(false);
        let task = |writer| {
            tokio::spawn(write(
                writer,
                doors.to_vec(),
                is_over.clone(),
                report.clone(),
            ))
        };
        Writers {
            tasks: (0..WRITERS).map(task).collect(),
            done,
            over,
        }
    }

    /// How many mutations are acknowledged by now.
    pub(super) fn done(&self) -> usize {
        *self.done.borrow()
    }

    /// Waits until so many mutations are acknowledged.
    pub(super) async fn have_done(&mut self, number: usize) {
        let enough = self.done.wait_for(|done| *done >= number);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        drop(waited.expect("writes go on").expect("writers live"));
    }

    /// What all of them were told, once each has ended what it was at.
    pub(super) async fn end(self) -> Ledger {
        self.over.send_replace(true);
        let mut all = Ledger::default();
        for ledger in join_all(self.tasks).await {
            let ledger = ledger.expect("a task");
            all.unanswered += ledger.unanswered;
            all.acknowledged.extend(ledger.acknowledged);
        }
        all
    }
}

/// What a writer was told, and how often it heard nothing.
#[derive(Default)]
pub(super) struct Ledger {
    /// The last state of each record.
    pub(super) acknowledged: BTreeMap<String, Value>,
    pub(super) unanswered: usize,
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
    /// What a subscriber has to hear of: the versions of each record.
    pub(super) fn events(&self) -> BTreeMap<String, Vec<u64>> {
        let ids = self.acknowledged.keys().cloned();
        ids.map(|id| (id, vec![1, 2, 3])).collect()
    }

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
pub(super) async fn heard(mut socket: Socket) -> BTreeMap<String, Vec<u64>> {
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

/// A socket that hears of every change.
pub(super) async fn subscriber(node: &Victim) -> Socket {
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
