//! Mutations of any model that has a key of one field and a required text or number.

use serde_json::Value;
use uuid::Uuid;

use crate::{
    document::Operation,
    outbox::Mutation,
    record::{Fields, RecordId},
    schema::{Kind, Model},
};

/// The id of a record that nobody has made yet.
pub fn fresh(model: &Model) -> RecordId {
    RecordId {
        model: model.name.clone(),
        key: vec![Uuid::new_v4().to_string()],
    }
}

/// A mutation of a record at a version; its content depends on a number.
pub fn mutation(
    model: &Model,
    id: &RecordId,
    operation: Operation,
    version: Option<u64>,
    number: u64,
) -> Mutation {
    Mutation {
        input: input(model, id, operation, number),
        id: id.clone(),
        operation,
        version,
    }
}

/// Required fields for a create, one changed field for an update, the key for a delete.
fn input(model: &Model, id: &RecordId, operation: Operation, number: u64) -> Fields {
    let mut input = id.key_fields(model);
    let required = model.editable().filter(|field| field.required);
    let values = required.filter_map(|field| {
        let value = match &field.kind {
            Kind::Text => Value::from(format!("{number}")),
            Kind::Int | Kind::Timestamp => Value::from(number),
            Kind::Json => Value::from(format!("{{\"number\":{number}}}")),
            Kind::Boolean => Value::from(number.is_multiple_of(2)),
            Kind::Enum(names) => Value::from(names.first()?.as_str()),
            Kind::List | Kind::Object(_) | Kind::Reference(_) => return None,
        };
        Some((field, value))
    });
    match operation {
        Operation::Create => input.extend(values.map(|(field, value)| (field.name.clone(), value))),
        Operation::Update => {
            let mut plain =
                values.filter(|(field, _)| matches!(field.kind, Kind::Text | Kind::Int));
            input.extend(plain.next().map(|(field, value)| {
                let changed = match value {
                    Value::String(text) => Value::from(format!("{text} changed")),
                    _ => Value::from(number + 1),
                };
                (field.name.clone(), changed)
            }));
        }
        Operation::Delete => {}
    }
    input
}
