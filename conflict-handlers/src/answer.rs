//! What a user's handler may answer, and what that means (`sync-semantics` 7.2, 7.3).

use serde::Deserialize;
use serde_json::Value;

use crate::automerge::Automerge;
use crate::conflict::{Conflict, Operation};
use crate::decision::{CustomError, Decision, Rejection, Resolution, compared};
use crate::handler::{Fault, Strategy};
use crate::record::Fields;

/// Members of an item that are not a handler's to write (`sync-semantics` 7.2).
const METADATA: [&str; 5] = [
    "_version",
    "_lastChangedAt",
    "_deleted",
    "_ttl",
    "__typename",
];

/// A handler's answer. The first three are AppSync's; over HTTP they are written as AppSync's handlers write them,
/// `{"action": "RESOLVE", "item": {…}}`, and the others in the same way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    tag = "action",
    rename_all = "UPPERCASE",
    rename_all_fields = "camelCase"
)]
pub enum Answer {
    /// Store this document in place of the stored one: what it leaves out goes away (LAM-4).
    Resolve {
        /// The document.
        item: Fields,
    },
    /// Refuse.
    Reject {
        /// Instead of AppSync's message.
        #[serde(default)]
        message: Option<String>,
        /// `errorInfo`.
        #[serde(default)]
        error_info: Option<Value>,
    },
    /// Make the record a tombstone.
    Remove,
    /// Change the stored document by this.
    Merge {
        /// Fields to set.
        #[serde(default)]
        patch: Fields,
        /// Fields to remove.
        #[serde(default)]
        unset: Vec<String>,
    },
    /// Do what the client asked for.
    Accept,
    /// Succeed without a change.
    Keep {
        /// Whether that makes a new version.
        #[serde(default = "yes")]
        bump: bool,
    },
    /// Let Automerge decide.
    Automerge,
    /// Refuse with an error of the handler's own.
    Error {
        /// `errorType`.
        error_type: String,
        /// `message`.
        message: String,
        /// `errorInfo`.
        #[serde(default)]
        error_info: Option<Value>,
    },
}

fn yes() -> bool {
    true
}

/// Which answers a transport allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// AppSync's: an update cannot be answered with `REMOVE` (LAM-3, `errata.md` row 50).
    Lambda,
    /// Ours: it can.
    Component,
}

impl Answer {
    /// What the answer means for this conflict; an error where it means nothing.
    pub fn resolution(self, conflict: &Conflict<'_>, form: Form) -> Result<Resolution, Fault> {
        let decision = match (self, conflict.operation) {
            (
                Answer::Reject {
                    message,
                    error_info,
                },
                _,
            ) => Decision::Reject(Rejection {
                message,
                info: error_info,
            }),
            (
                Answer::Error {
                    error_type,
                    message,
                    error_info,
                },
                _,
            ) => Decision::Fail(CustomError {
                error_type,
                message,
                info: error_info,
            }),
            (Answer::Remove | Answer::Accept, Operation::Delete) => Decision::Remove,
            (Answer::Automerge, Operation::Delete) => Decision::reject(),
            (answer, Operation::Delete) => return Err(unfit(&answer, "a delete")),
            (Answer::Remove, _) if form == Form::Component => Decision::Remove,
            (answer @ Answer::Remove, _) => return Err(unfit(&answer, "an update")),
            (Answer::Resolve { item }, _) => Decision::Replace(without_metadata(item)),
            (Answer::Merge { patch, unset }, _) => {
                let mut fields = conflict.stored.fields.clone();
                fields.extend(without_metadata(patch));
                for name in unset {
                    fields.shift_remove(&name);
                }
                Decision::Replace(fields)
            }
            (Answer::Accept, _) => Decision::Replace(conflict.proposed.clone()),
            (Answer::Keep { bump: true }, _) => Decision::Replace(conflict.stored.fields.clone()),
            (Answer::Keep { bump: false }, _) => Decision::Keep,
            (Answer::Automerge, _) => return Ok(Automerge.resolve(conflict)),
        };
        let stored = &conflict.stored.fields;
        let verdicts = match &decision {
            Decision::Replace(result) => compared(stored, &conflict.change.fields, result),
            Decision::Remove => Vec::new(),
            _ => compared(stored, &conflict.change.fields, stored),
        };
        Ok(Resolution { decision, verdicts })
    }
}

fn unfit(answer: &Answer, request: &str) -> Fault {
    let action = match answer {
        Answer::Resolve { .. } => "RESOLVE",
        Answer::Remove => "REMOVE",
        Answer::Merge { .. } => "MERGE",
        Answer::Keep { .. } => "KEEP",
        Answer::Reject { .. } | Answer::Accept | Answer::Automerge | Answer::Error { .. } => {
            "this action"
        }
    };
    Fault::Malformed(format!("{action} is no answer to {request}"))
}

fn without_metadata(mut item: Fields) -> Fields {
    for name in METADATA {
        item.shift_remove(name);
    }
    item
}

#[cfg(test)]
mod tests;
