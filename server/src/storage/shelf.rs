//! A model in use: its table and its queue.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use driftless_resolvers::feed::Event;
use driftless_resolvers::storage::{Put, StorageError, Write};

use super::engine::Engine;
use super::group::{Batch, Commit, Outcome, Queue};
use super::moment::Moment;
use super::table::Table;
use super::wake::Board;

/// A model that is ready to be used.
pub(super) struct Shelf {
    table: SharedTable,
    /// Its writes.
    pub(super) queue: Queue,
}

impl Shelf {
    /// Starts the queue of a model.
    pub(super) fn open(engine: &Arc<Engine>, table: Table, board: &Arc<Board>) -> Shelf {
        let table = Arc::new(RwLock::new(Arc::new(table)));
        let queue = Queue::start(Arc::new(Committer {
            engine: Arc::clone(engine),
            table: Arc::clone(&table),
            board: Arc::clone(board),
        }));
        Shelf { table, queue }
    }

    /// Its table as it is now.
    pub(super) fn table(&self) -> Arc<Table> {
        current(&self.table)
    }

    /// Goes on with the columns of another schema.
    pub(super) fn replace(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

/// The table of a model; replaced when a schema brings new columns.
type SharedTable = Arc<RwLock<Arc<Table>>>;

/// What a queue's task needs to commit.
struct Committer {
    engine: Arc<Engine>,
    table: SharedTable,
    board: Arc<Board>,
}

impl Commit for Committer {
    fn commit<'a>(
        &'a self,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StorageError>> {
        async move {
            let table = current(&self.table);
            self.engine.at(Moment::Taken).await;
            let known = self.board.line(table.shard).known();
            match self.engine.commit(&table, writes, known).await {
                Ok(batch) => {
                    self.engine.at(Moment::Committed).await;
                    self.publish(&table, writes, &batch);
                    self.engine.at(Moment::Told).await;
                    Ok(batch.outcomes)
                }
                Err(error) => {
                    // The commit may have happened before its answer was lost.
                    self.board.line(table.shard).look();
                    Err(error)
                }
            }
        }
        .boxed()
    }
}

impl Committer {
    fn publish(&self, table: &Table, writes: &[Write], batch: &Batch) {
        let done = batch.outcomes.iter().zip(&batch.seqs);
        let done = done.filter_map(|(outcome, seq)| match outcome {
            Ok(Put::Done(record)) => Some(((*seq)?, record.last_changed_at)),
            Ok(Put::Stale(_)) | Err(_) => None,
        });
        if let Some((newest, changed)) = done.max() {
            self.board
                .committed(table.shard, newest, changed, || events(writes, batch));
        }
    }
}

fn events(writes: &[Write], batch: &Batch) -> Vec<Event> {
    let done = batch.outcomes.iter().zip(&batch.seqs).zip(writes);
    done.filter_map(|((outcome, seq), write)| match outcome {
        Ok(Put::Done(record)) => Some(Event {
            seq: (*seq)?,
            operation: write.operation,
            record: Arc::new(record.clone()),
            selected: write
                .request
                .as_ref()
                .and_then(|asked| asked.selected.clone()),
        }),
        Ok(Put::Stale(_)) | Err(_) => None,
    })
    .collect()
}

fn current(table: &SharedTable) -> Arc<Table> {
    Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner))
}
