//! A model in use: its table and its queue.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use driftless_resolvers::storage::{StorageError, Write};

use super::engine::Engine;
use super::group::{Commit, Outcome, Queue};
use super::table::Table;

/// A model that is ready to be used.
pub(super) struct Shelf {
    table: SharedTable,
    /// Its writes.
    pub(super) queue: Queue,
}

impl Shelf {
    /// Starts the queue of a model.
    pub(super) fn open(engine: &Arc<Engine>, table: Table, hints: &watch::Sender<u64>) -> Shelf {
        let table = Arc::new(RwLock::new(Arc::new(table)));
        let queue = Queue::start(Arc::new(Committer {
            engine: Arc::clone(engine),
            table: Arc::clone(&table),
            hints: hints.clone(),
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
    hints: watch::Sender<u64>,
}

impl Commit for Committer {
    fn commit<'a>(
        &'a self,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, StorageError>> {
        async move {
            let table = current(&self.table);
            let outcomes = self.engine.commit(&table, writes).await;
            // Also after an error: the commit may have happened before its answer was lost.
            self.hints.send_modify(|count| *count += 1);
            outcomes
        }
        .boxed()
    }
}

fn current(table: &SharedTable) -> Arc<Table> {
    Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner))
}
