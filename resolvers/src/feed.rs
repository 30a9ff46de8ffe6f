//! The change feed: every committed write, per model and in commit order.

use std::sync::Arc;

use driftless_conflict_handlers::Record;
use futures_util::future::BoxFuture;

use crate::schema::model::Model;
use crate::storage::StorageError;

/// A position in a model's log. Gapless: the next committed write has the next number (`sync-design.md` L1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

/// What kind of write an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A record came into being.
    Create,
    /// A record got a new version.
    Update,
    /// A record became a tombstone.
    Delete,
}

/// One committed write.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the model's log.
    pub seq: Seq,
    /// What the mutation was.
    pub operation: Operation,
    /// The record as it is after the write.
    pub record: Arc<Record>,
}

/// Reading a model's log. Implemented by every store beside [`crate::storage::Storage`].
pub trait Feed: Send + Sync {
    /// The position of the model's last committed write.
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>>;

    /// The events after a position, in order, at most `limit`. Positions that hold no event (idle ticks) are skipped,
    /// so the second value is where to go on from.
    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<Event>, Seq), StorageError>>;

    /// Changes whenever a write of this process may have been committed. A hint only: readers also poll where other
    /// processes write to the same store.
    fn hints(&self) -> tokio::sync::watch::Receiver<u64>;
}
