//! Optimistic Concurrency: a stale write is refused and the client gets the stored record (`sync-semantics` OCC-1).

use crate::conflict::Conflict;
use crate::decision::{Decision, Resolution, Rule, Verdict};
use crate::handler::Strategy;

/// Refuses every conflicting write.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptimisticConcurrency;

impl Strategy for OptimisticConcurrency {
    fn name(&self) -> &'static str {
        "optimistic"
    }

    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let sent = conflict.change.fields.keys();
        Resolution {
            decision: Decision::reject(),
            verdicts: sent
                .map(|field| Verdict {
                    field: field.clone(),
                    rule: Rule::Rejected,
                })
                .collect(),
        }
    }
}
