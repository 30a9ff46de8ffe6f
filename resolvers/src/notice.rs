//! Results of hand-written mutations on their way to the subscribers that are told of them.
//!
//! Nothing is stored: whoever does not listen at that moment misses a notice, as in AppSync (`resolvers` 2.4).

use std::sync::Arc;

use driftless_conflict_handlers::{Fields, Record, Timestamp, Version};
use serde_json::Value;

use crate::api::outcome::Arguments;
use crate::feed::Told;

/// A hand-written mutation has answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The field of `Mutation`.
    pub mutation: String,
    /// What it answered, restricted to what its caller selected (`realtime` 3). It is no record of a model: only its
    /// fields mean something.
    pub result: Arc<Record>,
}

impl Notice {
    /// What subscribers are told.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told {
            record: &self.result,
            selected: None,
        }
    }
}

/// Who is told of notices.
pub trait Bulletin: Send + Sync {
    /// Tells everybody who listens now.
    fn put_up(&self, notice: Notice);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Bulletin for Nobody {
    fn put_up(&self, _: Notice) {}
}

/// The answer of a mutation that nothing stands behind: its arguments, or the members of its one argument `input`.
/// Nothing is invented, no id and no time (`resolvers` 2.4).
#[must_use]
pub(crate) fn echo(arguments: &Arguments) -> Record {
    let only = (arguments.len() == 1).then(|| arguments.get("input"));
    let fields = match only.flatten() {
        Some(Value::Object(members)) => members.clone(),
        _ => arguments.clone(),
    };
    plain(fields)
}

/// Fields that belong to no model.
pub(crate) fn plain(fields: Fields) -> Record {
    Record {
        fields,
        version: Version::FIRST,
        last_changed_at: Timestamp(0),
        deleted: false,
    }
}
