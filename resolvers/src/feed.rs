//! The change feed: every committed write, per model and in commit order.

use std::sync::Arc;

use driftless_conflict_handlers::Record;
use futures_util::future::BoxFuture;

use crate::asked::Selected;
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
    /// What subscribers are told of it; `None` is all of it.
    pub selected: Option<Arc<Selected>>,
}

/// What subscribers are told of.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// A record, or the result of a mutation.
    pub record: &'a Arc<Record>,
    /// The part of it that they are told; `None` is all of it.
    pub selected: Option<&'a Selected>,
}

impl Event {
    /// What subscribers are told.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told {
            record: &self.record,
            selected: self.selected.as_deref(),
        }
    }
}

/// A stretch of a model's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The events in it, in order. Positions that hold no event (idle ticks) are skipped.
    pub events: Vec<Event>,
    /// Where to go on from.
    pub next: Seq,
    /// Whether it begins right after the position asked for. If not, the log was trimmed meanwhile: whoever followed it
    /// has missed something and must be told so (`sync-design.md` L8).
    pub whole: bool,
}

/// Reading a model's log. Implemented by every store beside [`crate::storage::Storage`].
pub trait Feed: Send + Sync {
    /// The position of the model's last committed write.
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>>;

    /// What the log holds after a position, at most `limit` events.
    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Stretch, StorageError>>;

    /// Changes whenever the model's log may have grown, whoever wrote; the value is the newest position known of. A hint
    /// that is lost on the way from another process is made up for by the store, which looks by itself now and then.
    fn hints(&self, model: &Model) -> tokio::sync::watch::Receiver<Seq>;
}
