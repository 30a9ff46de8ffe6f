//! The moments of a write at which a crash matters, and the plans of reads. A running server has nobody who looks; tests
//! have, and end the process, its database or its disk just then.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// A moment in the life of a write or of a change of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A batch was taken from its queue; the database has not heard of it.
    Taken,
    /// A batch is written, inside a transaction that is not committed. On Postgres this moment lies in the database,
    /// where a deferred trigger sees it.
    Written,
    /// A batch is committed; nobody knows.
    Committed,
    /// Subscribers of this node can learn of a batch; its callers have no answer.
    Told,
    /// A step of a migration is made, inside a transaction that is not committed.
    Prepared,
}

/// How a database answers a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The statement.
    pub sql: String,
    /// The steps, in the database's own words.
    pub steps: Vec<String>,
}

/// Somebody who looks at moments, and may hold them.
pub trait Witness: Send + Sync {
    /// Called at a moment; the write goes on when this ends.
    fn at(&self, _moment: Moment) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Whether to be told how each read is answered; the database is asked for its plan before the read then.
    fn wants_plans(&self) -> bool {
        false
    }

    /// Called before a read.
    fn plan(&self, _plan: Plan) {}
}

/// Who looks, if anybody does. No file, variable or flag leads here: only a program that is built around this library
/// can name a witness.
#[derive(Clone, Default)]
pub struct Moments(Option<Arc<dyn Witness>>);

impl Moments {
    /// Moments that this witness sees.
    #[must_use]
    pub fn seen_by(witness: Arc<dyn Witness>) -> Self {
        Moments(Some(witness))
    }

    /// Says that a moment is there.
    pub(super) async fn at(&self, moment: Moment) {
        if let Some(witness) = &self.0 {
            witness.at(moment).await;
        }
    }

    /// Who wants to know how reads are answered.
    pub(super) fn planner(&self) -> Option<&dyn Witness> {
        self.0.as_deref().filter(|witness| witness.wants_plans())
    }
}

impl fmt::Debug for Moments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "seen" } else { "unseen" })
    }
}
