//! The question a version conflict asks, and the answers it can get.

use std::collections::BTreeMap;

use crate::record::{Change, Fields, Record};

/// How a stored value takes part in a merge (`sync-semantics` 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Strings, numbers, booleans, enums and every AWS scalar but `AWSJSON`.
    Scalar,
    /// A list of anything; merged by appending.
    List,
    /// A nested type; merged field by field.
    Map(Kinds),
    /// `AWSJSON`: JSON in a string, merged by what the text holds.
    Json,
}

/// The kinds of a type's fields, by field name.
pub type Kinds = BTreeMap<String, Kind>;

/// A write that was based on another version than the stored one.
#[derive(Debug, Clone, Copy)]
pub struct Conflict<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The record as it is stored now.
    pub stored: &'a Record,
    /// What the client asked for.
    pub change: &'a Change,
    /// The kinds of the model's fields.
    pub kinds: &'a Kinds,
}

/// What shall become of a conflicting update.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// Store these fields as the next version; the mutation succeeds with them.
    Replace(Fields),
    /// Refuse; the client gets `ConflictUnhandled` with the stored record.
    Reject,
}

/// Decides what becomes of an update whose version is not the stored one.
///
/// Deletes never get here: a stale delete is refused whatever the strategy (`sync-semantics` 2.2 row 14).
pub trait ConflictHandler: Send + Sync {
    /// The name used in configuration and logs.
    fn name(&self) -> &'static str;
    /// The decision, a pure function of the conflict.
    fn resolve(&self, conflict: Conflict<'_>) -> Resolution;
}
