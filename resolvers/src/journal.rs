//! The conflict journal: every conflict and its outcome, written down beside the road.
//!
//! A mutation hands its conflict over and goes on; whoever keeps the journal writes it later. Nothing a journal does can
//! delay or fail a write, so under great load conflicts are left out rather than waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_conflict_handlers::Recorded;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::error::{ErrorType, Failure, FieldError};
use crate::api::outcome::Outcome;
use crate::storage::StorageError;

/// How many conflicts may wait to be written.
const WAITING: usize = 1_024;

/// How many are written at once.
const BATCH: usize = 64;

/// A conflict in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Its number; later conflicts have greater ones.
    pub id: i64,
    /// What happened.
    pub conflict: Recorded,
}

/// Which conflicts are wanted, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalQuery {
    /// Only of this model.
    pub model: Option<String>,
    /// Only of the record with this canonical key.
    pub key: Option<String>,
    /// Only older ones than this number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many conflicts at most.
    pub entries: u32,
    /// For so many milliseconds at most.
    pub age: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            entries: 10_000,
            age: 30 * 24 * 3_600_000,
        }
    }
}

/// Where conflicts are kept. Implemented by every store.
pub trait Journal: Send + Sync {
    /// Adds conflicts, and forgets what is beyond the retention. Where an entry lacks the image of the version the
    /// client saw, the store adds it from its log.
    fn append<'a>(
        &'a self,
        conflicts: &'a [Recorded],
        retention: Retention,
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// The conflicts that match, newest first.
    fn conflicts<'a>(
        &'a self,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<Vec<JournalEntry>, StorageError>>;

    /// One conflict by its number.
    fn conflict(&self, id: i64) -> BoxFuture<'_, Result<Option<JournalEntry>, StorageError>>;
}

/// Who counts what mutations come to. Asked on the road of every mutation, so it must not wait.
pub trait Tally: Send + Sync {
    /// A mutation of a model ended: with `ok`, the name of its `errorType`, or `unavailable`.
    fn mutation(&self, model: &str, operation: &'static str, outcome: &str);

    /// A conflict was decided.
    fn conflict(&self, conflict: &Recorded);
}

/// Where mutations leave their conflicts, and are counted.
#[derive(Clone, Default)]
pub struct Notebook {
    waiting: Option<mpsc::Sender<Recorded>>,
    missed: Arc<AtomicU64>,
    tally: Option<Arc<dyn Tally>>,
}

impl std::fmt::Debug for Notebook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Notebook")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl Notebook {
    /// A notebook, and the work of carrying its pages to a journal. It ends when every notebook is gone, or when `closing`
    /// is cancelled and everything left by then is carried over.
    pub fn kept_by(
        journal: Arc<dyn Journal>,
        retention: Retention,
        closing: CancellationToken,
    ) -> (Notebook, impl Future<Output = ()> + Send) {
        let (waiting, mut pages) = mpsc::channel(WAITING);
        let notebook = Notebook {
            waiting: Some(waiting),
            missed: Arc::default(),
            tally: None,
        };
        let missed = Arc::clone(&notebook.missed);
        let work = async move {
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                let more = tokio::select! {
                    more = pages.recv_many(&mut batch, BATCH) => more,
                    () = closing.cancelled(), if !pages.is_closed() => {
                        pages.close();
                        continue;
                    }
                };
                if more == 0 {
                    return;
                }
                if let Err(error) = journal.append(&batch, retention).await {
                    tracing::warn!(%error, lost = batch.len(), "conflicts could not be written down");
                }
                let missed = missed.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    tracing::warn!(
                        missed,
                        "too many conflicts at once: some were not written down"
                    );
                }
                batch.clear();
            }
        };
        (notebook, work)
    }

    /// The same, with somebody who counts what is left in it.
    #[must_use]
    pub fn counted_by(self, tally: Arc<dyn Tally>) -> Notebook {
        Notebook {
            tally: Some(tally),
            ..self
        }
    }

    /// Whether anybody reads it.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.waiting.is_some() || self.tally.is_some()
    }

    /// Tells what a mutation came to.
    pub(crate) fn count(&self, model: &str, operation: &'static str, outcome: &Outcome) {
        let Some(tally) = &self.tally else { return };
        let custom = |error: &FieldError| {
            let types = error.custom.as_ref().map(|_| "custom");
            types.or(error.error_type.map(ErrorType::name))
        };
        let word = match outcome {
            Ok(_) => "ok",
            Err(Failure::Field(error)) => custom(error).unwrap_or("invalid"),
            Err(Failure::Unavailable(_)) => "unavailable",
        };
        tally.mutation(model, operation, word);
    }

    /// Leaves a conflict; never waits.
    pub fn note(&self, conflict: Recorded) {
        if let Some(tally) = &self.tally {
            tally.conflict(&conflict);
        }
        if let Some(waiting) = &self.waiting
            && waiting.try_send(conflict).is_err()
        {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
