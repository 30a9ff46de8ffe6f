//! Optimistic Concurrency: a stale write is refused and the client gets the stored record (`sync-semantics` OCC-1).

use crate::handler::{Conflict, ConflictHandler, Resolution};

/// Refuses every conflicting update.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptimisticConcurrency;

impl ConflictHandler for OptimisticConcurrency {
    fn name(&self) -> &'static str {
        "optimistic"
    }

    fn resolve(&self, _conflict: Conflict<'_>) -> Resolution {
        Resolution::Reject
    }
}
