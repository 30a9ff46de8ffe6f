//! The decision table of updates and deletes (`sync-semantics` 2.2), as functions of what is stored.
//!
//! Authorisation came before; existence, version and condition follow in this order (MUT-4).

use driftless_conflict_handlers::{Change, Conflict, ConflictHandler, Resolution, Version};

use super::document;
use super::refusal::Refusal;
use crate::filter::Filter;
use crate::schema::Schema;
use crate::schema::model::Model;
use crate::{Fields, Record};

/// What shall happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// This image is to be the next version.
    Write(Next),
    /// Nothing is written.
    Refuse(Refusal),
}

/// The next image of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Next {
    /// The version it replaces.
    pub(super) over: Version,
    pub(super) fields: Fields,
    pub(super) deleted: bool,
}

/// Who decides conflicts, and what the fields mean.
#[derive(Clone, Copy)]
pub(super) struct Strategy<'a> {
    pub(super) handler: &'a dyn ConflictHandler,
    pub(super) schema: &'a Schema,
    pub(super) model: &'a Model,
}

/// Rows 4 to 11. A tombstone stays one whatever is written over it (rows 10, 11).
pub(super) fn update(
    stored: Option<&Record>,
    change: &Change,
    condition: &Filter,
    strategy: Strategy<'_>,
) -> Verdict {
    let stored = match writable(stored) {
        Ok(stored) => stored,
        Err(refusal) => return Verdict::Refuse(refusal),
    };
    let fields = if change.base == Some(stored.version) {
        document::changed(strategy.model, &stored.fields, &change.fields)
    } else {
        match resolved(stored, change, strategy) {
            Resolution::Replace(fields) => {
                document::replaced(strategy.model, &stored.fields, fields)
            }
            Resolution::Reject => return Verdict::Refuse(Refusal::Conflict),
        }
    };
    conditional(stored, condition, fields, stored.deleted)
}

/// Rows 12 to 16: a stale delete is refused whatever the strategy.
pub(super) fn delete(
    stored: Option<&Record>,
    base: Option<Version>,
    condition: &Filter,
) -> Verdict {
    let stored = match writable(stored) {
        Ok(stored) => stored,
        Err(refusal) => return Verdict::Refuse(refusal),
    };
    if base != Some(stored.version) {
        return Verdict::Refuse(Refusal::Conflict);
    }
    conditional(stored, condition, stored.fields.clone(), true)
}

/// The stored record, if there is one and another version of it can be counted (META-1).
fn writable(stored: Option<&Record>) -> Result<&Record, Refusal> {
    let stored = stored.ok_or(Refusal::Missing)?;
    match stored.version.next() {
        Some(_) => Ok(stored),
        None => Err(Refusal::VersionsUsedUp),
    }
}

fn resolved(stored: &Record, change: &Change, strategy: Strategy<'_>) -> Resolution {
    strategy.handler.resolve(Conflict {
        model: &strategy.model.name,
        stored,
        change,
        kinds: &document::kinds(strategy.schema, strategy.model),
    })
}

/// The condition speaks of the stored record, also after a merge (MUT-4).
fn conditional(stored: &Record, condition: &Filter, fields: Fields, deleted: bool) -> Verdict {
    if condition.matches(stored) {
        Verdict::Write(Next {
            over: stored.version,
            fields,
            deleted,
        })
    } else {
        Verdict::Refuse(Refusal::Condition)
    }
}
