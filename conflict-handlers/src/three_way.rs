//! Three-way merging: what the client changed against the version it saw is laid over what is stored
//! (`sync-semantics` 6.5, `AUTOMERGE_3WAY`).
//!
//! A field that the client sent but did not change is ignored, so native clients, which send whole models, neither
//! double lists nor lose their edits. Where both sides changed a scalar the stored one wins, as in Automerge. Without
//! the image of the client's version Automerge decides.

use serde_json::Value;

use crate::automerge::Automerge;
use crate::conflict::{Conflict, Kind, Kinds};
use crate::decision::{Decision, Resolution, Rule};
use crate::handler::{Needs, Strategy};
use crate::json_text;
use crate::number::same;
use crate::past;
use crate::record::Fields;
use crate::trail::Trail;

/// Merges with the image of the version the client saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreeWay;

impl Strategy for ThreeWay {
    fn name(&self) -> &'static str {
        "automerge_3way"
    }

    fn needs(&self) -> Needs {
        Needs {
            base: true,
            steps: true,
        }
    }

    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let Some(base) = conflict.base.filter(|_| !conflict.stored.deleted) else {
            return Automerge.resolve(conflict);
        };
        let mut merged = conflict.stored.fields.clone();
        let mut trail = Trail::default();
        for (name, incoming) in &conflict.change.fields {
            if !conflict.is_stamp(name) {
                let sides = Sides {
                    base: past::value(base, name),
                    incoming,
                    own: past::is_own(conflict, name),
                };
                merge(
                    &mut merged,
                    name,
                    sides,
                    conflict.kinds.get(name),
                    &mut trail,
                );
            }
        }
        restamp(conflict, &mut merged, &mut trail);
        Resolution {
            decision: Decision::Replace(merged),
            verdicts: trail.verdicts(),
        }
    }
}

/// Times of change that the server sets follow the change, if there is one.
pub(crate) fn restamp(conflict: &Conflict<'_>, merged: &mut Fields, trail: &mut Trail) {
    let changed = *merged != conflict.stored.fields;
    for (name, incoming) in &conflict.change.fields {
        if conflict.is_stamp(name) {
            if changed {
                merged.insert(name.clone(), incoming.clone());
            }
            let rule = if changed {
                Rule::Applied
            } else {
                Rule::Rejected
            };
            trail.note(name, rule);
        }
    }
}

/// The two sides that meet a stored value.
#[derive(Clone, Copy)]
struct Sides<'a> {
    base: &'a Value,
    incoming: &'a Value,
    /// Whether the stored value is the same device's last word.
    own: bool,
}

/// Merges one member of a map.
fn merge(
    stored: &mut Fields,
    name: &str,
    sides: Sides<'_>,
    kind: Option<&Kind>,
    trail: &mut Trail,
) {
    let held = stored.get(name).cloned().unwrap_or(Value::Null);
    let is_same = |left: &Value, right: &Value| match kind {
        Some(Kind::Json) => same_text(left, right),
        _ => same(left, right),
    };
    let rule = if is_same(sides.incoming, sides.base) {
        Rule::Untouched
    } else if is_same(sides.incoming, &held) {
        Rule::Equal
    } else if sides.own || is_same(&held, sides.base) {
        set(stored, name, sides.incoming.clone())
    } else {
        let (value, rule) = both_changed(held, sides, name, kind, trail);
        if rule == Rule::Merged {
            stored.insert(name.to_owned(), value);
        }
        rule
    };
    trail.note(name, rule);
}

fn set(stored: &mut Fields, name: &str, value: Value) -> Rule {
    if value.is_null() {
        stored.shift_remove(name);
        return Rule::Removed;
    }
    stored.insert(name.to_owned(), value);
    Rule::Applied
}

/// Lists and maps merge, everything else stays as it is stored.
fn both_changed(
    held: Value,
    sides: Sides<'_>,
    name: &str,
    kind: Option<&Kind>,
    trail: &mut Trail,
) -> (Value, Rule) {
    match (held, sides.incoming, sides.base) {
        (Value::Array(held), Value::Array(incoming), Value::Array(base)) => {
            (Value::Array(lists(held, incoming, base)), Rule::Merged)
        }
        (Value::Array(held), Value::Array(incoming), Value::Null) => {
            (Value::Array(lists(held, incoming, &[])), Rule::Merged)
        }
        (Value::Object(mut held), Value::Object(incoming), Value::Object(base)) => {
            trail.enter(name);
            members(&mut held, incoming, base, kind, trail);
            trail.leave();
            (Value::Object(held), Rule::Merged)
        }
        (held, incoming, base) if kind == Some(&Kind::Json) => json(held, incoming, base),
        (held, ..) => (held, Rule::Rejected),
    }
}

fn members(
    held: &mut Fields,
    incoming: &Fields,
    base: &Fields,
    kind: Option<&Kind>,
    trail: &mut Trail,
) {
    let none = Kinds::new();
    let kinds = match kind {
        Some(Kind::Map(kinds)) => kinds,
        _ => &none,
    };
    let gone = base.keys().filter(|name| !incoming.contains_key(*name));
    for name in incoming.keys().chain(gone) {
        let sides = Sides {
            base: base.get(name).unwrap_or(&Value::Null),
            incoming: incoming.get(name).unwrap_or(&Value::Null),
            own: false,
        };
        merge(held, name, sides, kinds.get(name), trail);
    }
}

/// The stored list without what the client took out, and with what it put in behind.
fn lists(mut held: Vec<Value>, incoming: &[Value], base: &[Value]) -> Vec<Value> {
    let (mut added, mut removed) = (incoming.to_vec(), Vec::new());
    for element in base {
        match added.iter().position(|other| same(other, element)) {
            Some(place) => drop(added.remove(place)),
            None => removed.push(element),
        }
    }
    for element in removed {
        if let Some(place) = held.iter().position(|other| same(other, element)) {
            held.remove(place);
        }
    }
    held.append(&mut added);
    held
}

fn json(held: Value, incoming: &Value, base: &Value) -> (Value, Rule) {
    let texts = [&held, incoming, base].map(json_text::parsed);
    let [Some(before), Some(incoming), Some(base)] = texts else {
        return (held, Rule::Rejected);
    };
    let mut holder = Fields::from_iter([(String::new(), before.clone())]);
    let sides = Sides {
        base: &base,
        incoming: &incoming,
        own: false,
    };
    merge(&mut holder, "", sides, None, &mut Trail::default());
    match holder.shift_remove("") {
        Some(after) if after != before => (json_text::written(&after), Rule::Merged),
        _ => (held, Rule::Rejected),
    }
}

fn same_text(left: &Value, right: &Value) -> bool {
    match (json_text::parsed(left), json_text::parsed(right)) {
        (Some(left), Some(right)) => same(&left, &right),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests;
