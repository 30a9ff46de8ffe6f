//! AppSync's Automerge: a two-way merge of incoming values into the stored record (`sync-semantics` 6).
//!
//! There is no base image: a list the client sent without touching it is appended too, and a stale scalar loses even
//! where nobody else changed it. Better strategies are handlers of their own; this one does what AppSync does.

use serde_json::Value;

use crate::conflict::{Conflict, Kind, Kinds};
use crate::decision::{Decision, Resolution, Rule};
use crate::handler::Strategy;
use crate::json_text;
use crate::record::Fields;
use crate::trail::Trail;

/// Merges field by field: stored scalars win, lists append, maps recurse, absent fields are added.
#[derive(Debug, Clone, Copy, Default)]
pub struct Automerge;

impl Strategy for Automerge {
    fn name(&self) -> &'static str {
        "automerge"
    }

    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let mut merged = conflict.stored.fields.clone();
        let mut trail = Trail::default();
        for (name, incoming) in &conflict.change.fields {
            // A deleted record stays as it was deleted (`sync-semantics` 2.2 row 11, A13), and a top-level null asks
            // for removal, which a stale client may not do (6.1, A15).
            if conflict.stored.deleted || incoming.is_null() {
                let held = merged.get(name).is_some_and(|held| !held.is_null());
                trail.note(name, refused(held, incoming));
            } else {
                merge_member(&mut merged, name, incoming, conflict.kinds, &mut trail);
            }
        }
        Resolution {
            decision: Decision::Replace(merged),
            verdicts: trail.verdicts(),
        }
    }
}

fn refused(held: bool, incoming: &Value) -> Rule {
    if incoming.is_null() && !held {
        Rule::Equal
    } else {
        Rule::Rejected
    }
}

/// Merges one member of a map.
pub(crate) fn merge_member(
    stored: &mut Fields,
    name: &str,
    incoming: &Value,
    kinds: &Kinds,
    trail: &mut Trail,
) {
    let rule = match stored.get_mut(name) {
        Some(held) if !held.is_null() => match kinds.get(name) {
            Some(Kind::Json) => merge_json(held, incoming),
            kind => {
                trail.enter(name);
                let rule = merge_value(held, incoming, kind, trail);
                trail.leave();
                rule
            }
        },
        // `insert` keeps the place of a stored null, so that the record's order does not change.
        _ => {
            stored.insert(name.to_owned(), incoming.clone());
            Rule::Added
        }
    };
    trail.note(name, rule);
}

/// Merges two values that are both there; values of different types keep the stored one (A18).
fn merge_value(
    stored: &mut Value,
    incoming: &Value,
    kind: Option<&Kind>,
    trail: &mut Trail,
) -> Rule {
    match (stored, incoming) {
        (Value::Array(stored), Value::Array(incoming)) => {
            stored.extend_from_slice(incoming);
            Rule::Appended
        }
        (Value::Object(stored), Value::Object(incoming)) => {
            let inner = Kinds::new();
            let kinds = match kind {
                Some(Kind::Map(kinds)) => kinds,
                _ => &inner,
            };
            for (name, incoming) in incoming {
                merge_member(stored, name, incoming, kinds, trail);
            }
            Rule::Merged
        }
        (stored, incoming) if stored == incoming => Rule::Equal,
        _ => Rule::Rejected,
    }
}

/// Merges inside JSON text (A17). The stored text is kept, byte for byte, unless its meaning changes.
fn merge_json(stored: &mut Value, incoming: &Value) -> Rule {
    let (Some(mut held), Some(sent)) = (json_text::parsed(stored), json_text::parsed(incoming))
    else {
        return Rule::Rejected;
    };
    if held.is_null() {
        *stored = incoming.clone();
        return Rule::Added;
    }
    let before = held.clone();
    let rule = merge_value(&mut held, &sent, None, &mut Trail::default());
    if held != before {
        *stored = json_text::written(&held);
    }
    rule
}

#[cfg(test)]
mod tests;
