//! A policy for a field: how its values become one, whatever the strategy of the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Number, Value};

use crate::automerge::merge_member;
use crate::conflict::{Conflict, Kinds};
use crate::decision::{Decision, Resolution, Rule};
use crate::handler::{Needs, Strategy};
use crate::number::{compare, plus, same};
use crate::past;
use crate::record::{Change, Fields};
use crate::three_way::restamp;
use crate::trail::Trail;

/// How the values of one field become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The stored value stays.
    Keep,
    /// The client's value is taken.
    LastWriter,
    /// A number: what the client added or took away is added to the stored one.
    Counter,
    /// The greater value: numbers by value, texts (and so dates) by their characters.
    Max,
    /// The lesser value.
    Min,
    /// A list without doubles: the elements of both sides once, less what the client took out.
    SetUnion,
    /// A list: the client's elements go behind the stored ones.
    Append,
}

impl Policy {
    /// Every policy by its name in the configuration.
    pub const ALL: [(&'static str, Policy); 7] = [
        ("keep", Policy::Keep),
        ("last_writer", Policy::LastWriter),
        ("counter", Policy::Counter),
        ("max", Policy::Max),
        ("min", Policy::Min),
        ("set_union", Policy::SetUnion),
        ("append", Policy::Append),
    ];

    /// The policy of this name; hyphens are as good as underscores.
    #[must_use]
    pub fn named(name: &str) -> Option<Policy> {
        let name = name.replace('-', "_");
        let found = Policy::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, policy)| *policy)
    }
}

/// A strategy with policies for some fields.
pub struct Policies {
    name: String,
    fields: BTreeMap<String, Policy>,
    rest: Arc<dyn Strategy>,
}

impl Policies {
    /// These policies; `rest` decides the other fields.
    #[must_use]
    pub fn new(fields: BTreeMap<String, Policy>, rest: Arc<dyn Strategy>) -> Self {
        Policies {
            name: format!("{}+fields", rest.name()),
            fields,
            rest,
        }
    }

    /// What the strategy of the rest makes of the fields without a policy. Stamps are left out: they follow the change.
    fn rest(&self, conflict: &Conflict<'_>) -> Resolution {
        let fields = conflict
            .change
            .fields
            .iter()
            .filter(|(name, _)| !self.fields.contains_key(*name) && !conflict.is_stamp(name));
        let change = Change {
            fields: fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            ..conflict.change.clone()
        };
        if change.fields.is_empty() {
            return Resolution::whole(Decision::Replace(conflict.stored.fields.clone()));
        }
        let mut proposed = conflict.proposed.clone();
        for name in self.fields.keys() {
            match conflict.stored.fields.get(name) {
                Some(value) => drop(proposed.insert(name.clone(), value.clone())),
                None => drop(proposed.shift_remove(name)),
            }
        }
        self.rest.resolve(&Conflict {
            change: &change,
            proposed: &proposed,
            ..*conflict
        })
    }
}

impl Strategy for Policies {
    fn name(&self) -> &str {
        &self.name
    }

    fn accumulates(&self) -> bool {
        let counts = self
            .fields
            .values()
            .any(|policy| *policy == Policy::Counter);
        counts || self.rest.accumulates()
    }

    fn needs(&self) -> Needs {
        let wanting = [Policy::Counter, Policy::SetUnion];
        let mine = self.fields.values().any(|policy| wanting.contains(policy));
        let rest = self.rest.needs();
        Needs {
            base: mine || rest.base,
            steps: mine || rest.steps,
        }
    }

    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let rest = self.rest(conflict);
        let Decision::Replace(mut merged) = rest.decision else {
            return rest;
        };
        let mut trail = Trail::default();
        for (name, incoming) in &conflict.change.fields {
            if let Some(policy) = self.fields.get(name) {
                let rule = if conflict.stored.deleted {
                    Rule::Rejected
                } else {
                    apply(*policy, conflict, &mut merged, name, incoming)
                };
                trail.note(name, rule);
            }
        }
        restamp(conflict, &mut merged, &mut trail);
        let mut verdicts = rest.verdicts;
        verdicts.extend(trail.verdicts());
        Resolution {
            decision: Decision::Replace(merged),
            verdicts,
        }
    }

    fn resolve_delete(&self, conflict: &Conflict<'_>) -> Resolution {
        self.rest.resolve_delete(conflict)
    }
}

fn apply(
    policy: Policy,
    conflict: &Conflict<'_>,
    merged: &mut Fields,
    name: &str,
    incoming: &Value,
) -> Rule {
    let stored = past::value(conflict.stored, name).clone();
    let (value, rule) = match policy {
        Policy::Keep => (stored.clone(), Rule::Rejected),
        Policy::LastWriter if incoming.is_null() => (Value::Null, Rule::Removed),
        Policy::LastWriter => (incoming.clone(), Rule::Overwritten),
        _ if incoming.is_null() => (stored.clone(), Rule::Rejected),
        Policy::Append => {
            let mut trail = Trail::default();
            merge_member(merged, name, incoming, &Kinds::new(), &mut trail);
            let noted = trail.verdicts().pop();
            return noted.map_or(Rule::Rejected, |verdict| verdict.rule);
        }
        Policy::Counter => counted(conflict, name, &stored, incoming),
        _ if stored.is_null() => (incoming.clone(), Rule::Added),
        Policy::Max => extreme(&stored, incoming, Rule::Greatest),
        Policy::Min => extreme(&stored, incoming, Rule::Least),
        Policy::SetUnion => united(conflict, name, &stored, incoming),
    };
    if value.is_null() {
        merged.shift_remove(name);
    } else if !same(&value, &stored) {
        merged.insert(name.to_owned(), value);
    }
    rule
}

/// Stored + (incoming − what the client counted from): the version it saw and what the same device has added since.
/// A counter that was never set counts from 0.
fn counted(conflict: &Conflict<'_>, name: &str, stored: &Value, incoming: &Value) -> (Value, Rule) {
    let zero = Value::from(0);
    let or_zero = |value: &Value| match value {
        Value::Null => zero.clone(),
        other => other.clone(),
    };
    let Some(base) = conflict.base else {
        let rule = if stored.is_null() {
            Rule::Added
        } else {
            Rule::Rejected
        };
        return (
            if stored.is_null() {
                incoming.clone()
            } else {
                stored.clone()
            },
            rule,
        );
    };
    let mut pairs = vec![(or_zero(incoming), or_zero(past::value(base, name)))];
    // What the device added before is in its value already, and in the stored one.
    pairs.extend(past::own_changes(conflict, name).map(|(from, to)| (or_zero(from), or_zero(to))));
    let numbers: Option<Vec<_>> = pairs
        .iter()
        .map(|(to, from)| match (to, from) {
            (Value::Number(to), Value::Number(from)) => Some((to, from)),
            _ => None,
        })
        .collect();
    match (or_zero(stored), numbers) {
        (Value::Number(start), Some(changes)) => match plus(&start, &changes) {
            Some(sum) if fits(conflict, name, &sum) => (Value::Number(sum), Rule::Counted),
            _ => (stored.clone(), Rule::Rejected),
        },
        _ => (stored.clone(), Rule::Rejected),
    }
}

/// Whether a field can hold a number. An `Int` has 32 bits; a record with a longer one is none that a client can read.
fn fits(conflict: &Conflict<'_>, name: &str, number: &Number) -> bool {
    let ty = conflict.request.types.get(name);
    let is_int = ty.is_some_and(|ty| ty.trim_end_matches('!') == "Int");
    let whole = number.as_i64().and_then(|whole| i32::try_from(whole).ok());
    !is_int || whole.is_some()
}

fn extreme(stored: &Value, incoming: &Value, rule: Rule) -> (Value, Rule) {
    let wanted = match rule {
        Rule::Greatest => std::cmp::Ordering::Greater,
        _ => std::cmp::Ordering::Less,
    };
    match compare(incoming, stored) {
        Some(order) if order == wanted => (incoming.clone(), rule),
        Some(_) => (stored.clone(), rule),
        None => (stored.clone(), Rule::Rejected),
    }
}

fn united(conflict: &Conflict<'_>, name: &str, stored: &Value, incoming: &Value) -> (Value, Rule) {
    let (Value::Array(held), Value::Array(sent)) = (stored, incoming) else {
        return (stored.clone(), Rule::Rejected);
    };
    let base = conflict.base.map(|base| past::value(base, name));
    let removed = |element: &Value| match base {
        Some(Value::Array(base)) => holds(base, element) && !holds(sent, element),
        _ => false,
    };
    let mut union: Vec<Value> = Vec::new();
    for element in held.iter().filter(|element| !removed(element)).chain(sent) {
        if !holds(&union, element) {
            union.push(element.clone());
        }
    }
    (Value::Array(union), Rule::United)
}

fn holds(list: &[Value], element: &Value) -> bool {
    list.iter().any(|other| same(other, element))
}

#[cfg(test)]
mod tests;
