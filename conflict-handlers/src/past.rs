//! What the log tells of the time between the version a client saw and the stored one.

use serde_json::Value;

use crate::conflict::{Conflict, Step};
use crate::number::same;
use crate::record::Record;

/// A value by name; absent is null.
pub(crate) fn value<'a>(record: &'a Record, name: &str) -> &'a Value {
    record.fields.get(name).unwrap_or(&Value::Null)
}

/// Each version since the client looked, with the one before it.
fn changes<'a>(conflict: &Conflict<'a>) -> impl Iterator<Item = (&'a Record, &'a Step)> {
    let steps = conflict.steps;
    let before = conflict
        .base
        .into_iter()
        .chain(steps.iter().map(|step| &step.record));
    before.zip(steps)
}

/// The changes of a field that this very device made since the version it names. It names an old version when it edits
/// a record again before the answer to its last edit is there (`client-js` 11.4), so its value contains them.
pub(crate) fn own_changes<'a>(
    conflict: &Conflict<'a>,
    name: &str,
) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let writer = conflict.request.device.as_deref();
    changes(conflict)
        .filter(move |(_, step)| writer.is_some() && step.writer.as_deref() == writer)
        .map(move |(before, step)| (value(before, name), value(&step.record, name)))
}

/// Whether the stored value of a field is this device's own last word.
pub(crate) fn is_own(conflict: &Conflict<'_>, name: &str) -> bool {
    let last = changes(conflict)
        .filter(|(before, step)| !same(value(before, name), value(&step.record, name)))
        .last();
    match (last, conflict.request.device.as_deref()) {
        (Some((_, step)), Some(device)) => step.writer.as_deref() == Some(device),
        _ => false,
    }
}

/// Whether every version since the one the client saw was made by this very device.
#[must_use]
pub fn is_all_own(steps: &[Step], device: &str) -> bool {
    !steps.is_empty()
        && steps
            .iter()
            .all(|step| step.writer.as_deref() == Some(device))
}
