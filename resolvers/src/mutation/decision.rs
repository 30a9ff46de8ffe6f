//! The decision table of updates and deletes (`sync-semantics` 2.2), as functions of what is stored.
//!
//! Authorisation came before; existence, version and condition follow in this order (MUT-4).

use driftless_conflict_handlers::{Change, Decision, Version};

use super::document;
use super::refusal::Refusal;
use crate::feed::Operation;
use crate::filter::Filter;
use crate::schema::model::Model;
use crate::{Fields, Record};

/// What shall happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// This image is to be the next version.
    Write(Next),
    /// What is stored is the answer.
    Show,
    /// Nothing is written.
    Refuse(Refusal),
    /// The stored version is another one: a strategy has to decide.
    Conflict,
}

/// The next image of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Next {
    /// The version it replaces.
    pub(super) over: Version,
    pub(super) operation: Operation,
    pub(super) fields: Fields,
    pub(super) deleted: bool,
}

/// Rows 4 to 11. A tombstone stays one whatever is written over it (rows 10, 11).
pub(super) fn update(
    model: &Model,
    stored: Option<&Record>,
    base: Option<Version>,
    change: &Change,
    condition: &Filter,
) -> Verdict {
    let stored = match writable(stored) {
        Ok(stored) => stored,
        Err(refusal) => return Verdict::Refuse(refusal),
    };
    if base != Some(stored.version) {
        return Verdict::Conflict;
    }
    let fields = document::changed(model, &stored.fields, &change.fields);
    write(stored, condition, Operation::Update, fields, stored.deleted)
}

/// Rows 12 to 16.
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
        return Verdict::Conflict;
    }
    let fields = stored.fields.clone();
    write(stored, condition, Operation::Delete, fields, true)
}

/// What a strategy's decision comes to. The condition speaks of the stored record, also after a merge (MUT-4).
pub(super) fn decided(
    model: &Model,
    stored: &Record,
    decision: Decision,
    condition: &Filter,
) -> Verdict {
    match decision {
        Decision::Replace(fields) => {
            let fields = document::replaced(model, &stored.fields, fields);
            write(stored, condition, Operation::Update, fields, stored.deleted)
        }
        Decision::Remove => {
            let fields = stored.fields.clone();
            write(stored, condition, Operation::Delete, fields, true)
        }
        Decision::Keep if condition.matches(stored) => Verdict::Show,
        Decision::Keep => Verdict::Refuse(Refusal::Condition),
        Decision::Reject(words) => Verdict::Refuse(Refusal::Conflict(words)),
        Decision::Fail(error) => Verdict::Refuse(Refusal::Custom(error)),
    }
}

/// The stored record, if there is one and another version of it can be counted (META-1).
fn writable(stored: Option<&Record>) -> Result<&Record, Refusal> {
    let stored = stored.ok_or(Refusal::Missing)?;
    match stored.version.next() {
        Some(_) => Ok(stored),
        None => Err(Refusal::VersionsUsedUp),
    }
}

fn write(
    stored: &Record,
    condition: &Filter,
    operation: Operation,
    fields: Fields,
    deleted: bool,
) -> Verdict {
    if condition.matches(stored) {
        Verdict::Write(Next {
            over: stored.version,
            operation,
            fields,
            deleted,
        })
    } else {
        Verdict::Refuse(Refusal::Condition)
    }
}
