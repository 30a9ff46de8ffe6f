//! Last writer wins: a stale write is taken as if it were not (`sync-semantics` 6.5).

use crate::conflict::Conflict;
use crate::decision::{Decision, Resolution, Rule, Verdict};
use crate::handler::Strategy;

/// Takes every write, deletes included. A deleted record stays deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastWriterWins;

impl Strategy for LastWriterWins {
    fn name(&self) -> &'static str {
        "last_writer_wins"
    }

    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let verdicts = conflict.change.fields.iter().map(|(field, value)| Verdict {
            field: field.clone(),
            rule: match conflict.stored.fields.get(field) {
                Some(held) if held == value => Rule::Equal,
                _ if value.is_null() => Rule::Removed,
                _ => Rule::Overwritten,
            },
        });
        Resolution {
            verdicts: verdicts.collect(),
            decision: Decision::Replace(conflict.proposed.clone()),
        }
    }

    fn resolve_delete(&self, _conflict: &Conflict<'_>) -> Resolution {
        Resolution::whole(Decision::Remove)
    }
}
