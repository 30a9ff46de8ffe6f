//! What a resolver hands to the executor.

use std::sync::Arc;

use driftless_conflict_handlers::{Record, Timestamp};
use serde_json::Value;

use super::error::Failure;

/// Coerced arguments of a field: only what was given, defaults applied; absent stays absent.
pub type Arguments = serde_json::Map<String, Value>;

/// The value of a field that is not a plain property.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// Nothing there.
    Null,
    /// A record; the executor projects the selection over it and resolves its relations.
    Record(Arc<Record>),
    /// Only the key of a record, made from a foreign key (`errata.md` row 6): shown with `_deleted: null`.
    Reference(Arc<driftless_conflict_handlers::Fields>),
    /// A page of records.
    Connection(Connection),
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Connection {
    /// The records.
    pub records: Vec<Arc<Record>>,
    /// The token of the next page; `None` is an explicit `null` (`sync-semantics` SYNC-3).
    pub next_token: Option<String>,
    /// `startedAt`, for sync queries.
    pub started_at: Option<Timestamp>,
}

/// What a resolver answers.
pub type Outcome = Result<Resolved, Failure>;
