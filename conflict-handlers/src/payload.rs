//! A conflict as handlers outside of this program see it: AppSync's Lambda event, and under `sync` what AppSync leaves
//! out (`sync-semantics` 7.1, 7.3).

use serde_json::{Map, Value, json};

use crate::automerge::Automerge;
use crate::conflict::{Conflict, Operation};
use crate::decision::Decision;
use crate::handler::{Fault, Strategy};
use crate::number::same;
use crate::record::{Fields, Record};

/// How many bytes of JSON a handler is given at most; extras are left out first.
pub const INPUT_BYTES: usize = 1024 * 1024;

/// The version of the form, in `sync.abi`.
pub const ABI: u32 = 1;

/// What a handler is told, as JSON values.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The document the mutation would write; null for a delete.
    pub new_item: Value,
    /// The stored document with its metadata.
    pub existing_item: Value,
    /// The document the client saw, with its metadata, if the log still holds it.
    pub base_item: Option<Value>,
    /// The key's fields and values.
    pub key: Value,
    /// What the client sent, without key and metadata.
    pub incoming: Value,
    /// The fields the client wants removed.
    pub removed: Vec<String>,
    /// What was written since the client looked, oldest first.
    pub intermediate: Vec<Intermediate>,
    /// What Automerge would store; `None` for a delete.
    pub automerge_result: Option<Value>,
    /// The condition of the mutation, if it has one.
    pub condition: Option<Value>,
    /// The arguments of the field.
    pub arguments: Value,
    /// AppSync's identity object.
    pub identity: Value,
}

/// One write since the client looked.
#[derive(Debug, Clone, PartialEq)]
pub struct Intermediate {
    /// The version it made.
    pub version: u32,
    /// When, in milliseconds since 1970.
    pub changed_at: i64,
    /// Which fields it changed.
    pub changed_fields: Vec<String>,
    /// Who did it.
    pub actor: Option<String>,
}

impl Payload {
    /// What a handler is told of a conflict. Extras are left out where all of it has more than [`INPUT_BYTES`]; a
    /// conflict that is still too large is none for a handler.
    pub fn of(conflict: &Conflict<'_>) -> Result<Payload, Fault> {
        let mut payload = Payload::whole(conflict);
        for cut in [
            (|payload| payload.intermediate.clear()) as fn(&mut Payload),
            |payload| payload.automerge_result = None,
            |payload| payload.base_item = None,
        ] {
            if payload.bytes() <= INPUT_BYTES {
                break;
            }
            cut(&mut payload);
        }
        if payload.bytes() > INPUT_BYTES {
            return Err(Fault::Broken(format!(
                "the records are too large to be handed over: more than {INPUT_BYTES} bytes"
            )));
        }
        Ok(payload)
    }

    fn whole(conflict: &Conflict<'_>) -> Payload {
        let update = conflict.operation == Operation::Update;
        let change = &conflict.change.fields;
        let sent = change.iter().filter(|(name, _)| !conflict.is_stamp(name));
        let automerge_result = update.then(|| match Automerge.resolve(conflict).decision {
            Decision::Replace(fields) => Value::Object(fields),
            _ => Value::Null,
        });
        let key = conflict.request.key.iter().filter_map(|name| {
            let value = conflict.stored.fields.get(name)?;
            Some((name.clone(), value.clone()))
        });
        Payload {
            new_item: if update {
                Value::Object(conflict.proposed.clone())
            } else {
                Value::Null
            },
            existing_item: item(conflict.stored),
            base_item: conflict.base.map(item),
            key: Value::Object(key.collect()),
            incoming: Value::Object(
                sent.filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            ),
            removed: conflict.removed().map(str::to_owned).collect(),
            intermediate: intermediate(conflict),
            automerge_result,
            condition: conflict.request.arguments.get("condition").cloned(),
            arguments: Value::Object(conflict.request.arguments.clone()),
            identity: conflict.request.identity.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let documents = [
            &self.new_item,
            &self.existing_item,
            &self.incoming,
            &self.arguments,
            &self.identity,
        ];
        let extras = [&self.base_item, &self.automerge_result];
        let documents = documents.into_iter().chain(extras.into_iter().flatten());
        let text: usize = documents.map(|value| value.to_string().len()).sum();
        text + self.intermediate.len() * 128
    }

    /// The event as JSON: AppSync's five keys, the rest under `sync`.
    #[must_use]
    pub fn event(&self, conflict: &Conflict<'_>, deadline_ms: u64) -> Value {
        let request = conflict.request;
        let intermediate = self.intermediate.iter().map(|step| {
            json!({
                "version": step.version,
                "changedAt": step.changed_at,
                "changedFields": step.changed_fields,
                "actor": step.actor,
            })
        });
        json!({
            "newItem": self.new_item,
            "existingItem": self.existing_item,
            "arguments": self.arguments,
            "resolver": {
                "tableName": conflict.model,
                "awsRegion": REGION,
                "parentType": "Mutation",
                "field": request.field,
            },
            "identity": self.identity,
            "sync": {
                "abi": ABI,
                "operation": operation(conflict.operation),
                "model": conflict.model,
                "key": self.key,
                "incoming": self.incoming,
                "removed": self.removed,
                "clientVersion": conflict.client_version().map_or(0, |version| version.0),
                "existingVersion": conflict.stored.version.0,
                "baseItem": self.base_item,
                "baseAvailable": self.base_item.is_some(),
                "intermediate": intermediate.collect::<Vec<_>>(),
                "condition": self.condition,
                "automergeResult": self.automerge_result,
                "attempt": conflict.attempt,
                "maxAttempts": request.max_attempts,
                "fieldTypes": request.types,
                "deadlineMs": deadline_ms,
            },
        })
    }
}

/// What stands where AppSync names its region.
pub const REGION: &str = "local";

/// The operation's name in events.
#[must_use]
pub fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
    }
}

/// A stored record as AppSync shows it to a handler.
fn item(record: &Record) -> Value {
    let mut fields = record.fields.clone();
    fields.insert("_version".to_owned(), record.version.0.into());
    fields.insert("_lastChangedAt".to_owned(), record.last_changed_at.0.into());
    let deleted = if record.deleted {
        Value::Bool(true)
    } else {
        Value::Null
    };
    fields.insert("_deleted".to_owned(), deleted);
    Value::Object(fields)
}

fn intermediate(conflict: &Conflict<'_>) -> Vec<Intermediate> {
    let steps = conflict.steps;
    let records = steps.iter().map(|step| &step.record);
    let before = conflict.base.into_iter().chain(records);
    before
        .zip(steps)
        .map(|(before, step)| Intermediate {
            version: step.record.version.0,
            changed_at: step.record.last_changed_at.0,
            changed_fields: changed(&before.fields, &step.record.fields),
            actor: step.writer.clone(),
        })
        .collect()
}

fn changed(before: &Fields, after: &Fields) -> Vec<String> {
    let null = &Value::Null;
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    after
        .keys()
        .chain(gone)
        .filter(|name| {
            let of = |fields: &'_ Map<String, Value>| fields.get(*name).unwrap_or(null).clone();
            !same(&of(before), &of(after))
        })
        .cloned()
        .collect()
}
