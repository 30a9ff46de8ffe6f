//! Group commit: one queue per model, one transaction per batch.
//!
//! While a batch commits, the next one collects, so that a busy model pays for one flush per batch and an idle one
//! waits for nothing (`sync-design.md` 8.1). The queue's task owns the writes: a caller that goes away does not undo
//! what it asked for.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use driftless_resolvers::feed::Seq;
use driftless_resolvers::storage::{Put, StorageError, Write};
use driftless_resolvers::weight;

/// The largest batch.
const BATCH: usize = 256;
/// How much the documents of a batch weigh at most, in bytes, unless there is one only: a batch that the database cannot
/// take within its time limit would come back as it is, when all its callers try again.
const HEAVIEST: usize = 4 << 20;
/// How many writes may wait before callers wait to get in.
const WAITING: usize = 4096;

/// What one write came to.
pub(super) type Outcome = Result<Put, StorageError>;

/// What became of a batch: of each write in order, and the place in the log of each that was done.
pub(super) struct Batch {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) seqs: Vec<Option<Seq>>,
}

impl Batch {
    pub(super) fn with_capacity(writes: usize) -> Self {
        Batch {
            outcomes: Vec::with_capacity(writes),
            seqs: Vec::with_capacity(writes),
        }
    }

    pub(super) fn push(&mut self, outcome: Outcome, seq: Option<Seq>) {
        self.outcomes.push(outcome);
        self.seqs.push(seq);
    }
}

/// Commits a batch, all of it or nothing.
pub(super) trait Commit: Send + Sync + 'static {
    /// The outcome of each write, or why none of them happened.
    fn commit<'a>(
        &'a self,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StorageError>>;
}

/// The queue of one model.
pub(super) struct Queue {
    sender: mpsc::Sender<Message>,
}

enum Message {
    Put(Write, oneshot::Sender<Outcome>),
    /// Everything before it is committed when its answer comes; nothing after it is taken.
    Finish(oneshot::Sender<()>),
}

impl Queue {
    /// Starts the queue.
    pub(super) fn start(commit: Arc<dyn Commit>) -> Queue {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(receiver, commit));
        Queue { sender }
    }

    /// Queues a write and waits until it is committed or refused.
    pub(super) async fn put(&self, write: Write) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let closed = || StorageError::Unavailable("the store is shutting down".to_owned());
        let message = Message::Put(write, answer);
        self.sender.send(message).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Takes no more writes and waits until those taken are committed.
    pub(super) async fn finish(&self) {
        let (answer, finished) = oneshot::channel();
        if self.sender.send(Message::Finish(answer)).await.is_ok() {
            // An error means that another call finished the queue meanwhile.
            let _ = finished.await;
        }
    }
}

async fn run(mut receiver: mpsc::Receiver<Message>, commit: Arc<dyn Commit>) {
    let mut messages = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut messages, BATCH).await > 0 {
        let (mut writes, mut answers, mut finish) = (Vec::new(), Vec::new(), None);
        for message in messages.drain(..) {
            match message {
                Message::Put(write, answer) if finish.is_none() => {
                    writes.push(write);
                    answers.push(answer);
                }
                // Its answer is dropped, which tells the caller that the store is shutting down.
                Message::Put(..) => {}
                Message::Finish(answer) => finish = Some(answer),
            }
        }
        let (mut rest, mut answers) = (writes.as_slice(), answers.into_iter());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(fitting(rest));
            let outcomes = settle(commit.as_ref(), batch).await;
            for (outcome, answer) in outcomes.into_iter().zip(answers.by_ref()) {
                // A caller that went away needs no answer.
                let _ = answer.send(outcome);
            }
            rest = later;
        }
        if let Some(finish) = finish {
            drop(commit);
            let _ = finish.send(());
            return;
        }
    }
}

/// How many of these writes, of which there are some, are one batch.
fn fitting(writes: &[Write]) -> usize {
    let mut weight = 0;
    let first = writes.iter().take_while(|write| {
        weight += weight::of(&write.fields);
        weight <= HEAVIEST
    });
    first.count().max(1)
}

/// Commits the writes; a write that makes its batch fail is found by halving and fails alone (`sync-design.md` 8.1).
fn settle<'a>(commit: &'a dyn Commit, writes: &'a [Write]) -> BoxFuture<'a, Vec<Outcome>> {
    async move {
        if writes.is_empty() {
            return Vec::new();
        }
        match commit.commit(writes).await {
            Ok(outcomes) => outcomes,
            Err(StorageError::Corrupt(_)) if writes.len() > 1 => {
                let (left, right) = writes.split_at(writes.len() / 2);
                let mut outcomes = settle(commit, left).await;
                outcomes.extend(settle(commit, right).await);
                outcomes
            }
            Err(error) => writes.iter().map(|_| Err(error.clone())).collect(),
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use driftless_resolvers::feed::Operation;
    use driftless_resolvers::storage::{Expected, Key};
    use tokio::sync::Semaphore;

    /// Answers `Stale(None)`, fails whole batches that hold the key `bad`, and commits only with a permit.
    struct Recorder {
        batches: Mutex<Vec<Vec<String>>>,
        gate: Semaphore,
    }

    impl Commit for Recorder {
        fn commit<'a>(
            &'a self,
            writes: &'a [Write],
        ) -> BoxFuture<'a, Result<Vec<Outcome>, StorageError>> {
            async move {
                self.gate.acquire().await.unwrap().forget();
                let keys: Vec<_> = writes.iter().map(|write| write.key.0.clone()).collect();
                let bad = keys.iter().any(|key| key == "bad");
                self.batches.lock().unwrap().push(keys);
                if bad {
                    return Err(StorageError::Corrupt("bad".to_owned()));
                }
                Ok(writes.iter().map(|_| Ok(Put::Stale(None))).collect())
            }
            .boxed()
        }
    }

    fn recorder(permits: usize) -> Arc<Recorder> {
        Arc::new(Recorder {
            batches: Mutex::default(),
            gate: Semaphore::new(permits),
        })
    }

    fn write(key: &str) -> Write {
        Write {
            key: Key(key.to_owned()),
            expected: Expected::Absent,
            operation: Operation::Create,
            fields: serde_json::Map::new(),
            deleted: false,
            actor: None,
            request: None,
        }
    }

    #[tokio::test]
    async fn writes_that_arrive_during_a_commit_share_the_next_one() {
        let recorder = recorder(0);
        let queue = Queue::start(Arc::clone(&recorder) as Arc<dyn Commit>);
        let mut puts: Vec<_> = (0..300)
            .map(|n| Box::pin(tokio::task::unconstrained(queue.put(write(&n.to_string())))))
            .collect();
        for put in &mut puts {
            assert!(futures_util::poll!(put.as_mut()).is_pending());
        }
        recorder.gate.add_permits(300);
        let outcomes = futures_util::future::join_all(puts).await;
        assert!(outcomes.iter().all(Result::is_ok));
        let batches = recorder.batches.lock().unwrap();
        let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [BATCH, 300 - BATCH]);
    }

    #[test]
    fn heavy_writes_are_divided_into_batches_that_a_database_takes_in_time() {
        let heavy = |bytes: usize| {
            let mut write = write("heavy");
            write
                .fields
                .insert("note".to_owned(), "x".repeat(bytes).into());
            write
        };
        let sizes = |writes: &[Write]| {
            let (mut rest, mut sizes) = (writes, Vec::new());
            while !rest.is_empty() {
                sizes.push(fitting(rest));
                rest = &rest[fitting(rest)..];
            }
            sizes
        };
        let third = HEAVIEST / 3 - 1_000;
        assert_eq!(sizes(&vec![heavy(third); 8]), [3, 3, 2]);
        let enormous = [third, HEAVIEST * 2, third, third].map(heavy);
        assert_eq!(sizes(&enormous), [1, 1, 2]);
        assert_eq!(sizes(&vec![heavy(100); BATCH]), [BATCH]);
    }

    #[tokio::test]
    async fn t10_a_failing_write_fails_alone() {
        let recorder = recorder(100);
        let writes = ["a", "b", "bad", "c", "d"].map(write);
        let outcomes = settle(recorder.as_ref(), &writes).await;
        let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, false, true, false, false]);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_take_its_write_with_it() {
        let recorder = recorder(0);
        let queue = Queue::start(Arc::clone(&recorder) as Arc<dyn Commit>);
        let mut left = Box::pin(queue.put(write("left")));
        assert!(futures_util::poll!(left.as_mut()).is_pending());
        drop(left);
        recorder.gate.add_permits(1);
        queue.finish().await;
        assert_eq!(*recorder.batches.lock().unwrap(), [["left"]]);
    }
}
