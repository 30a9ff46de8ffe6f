//! Whether what a mutation writes can be read again. A record that violates its type stops every JavaScript client that
//! syncs it (`client-js` 9.4), and the inputs of updates are nullable, so coercion alone does not see to it.

use serde_json::Value;

use crate::Fields;
use crate::api::error::FieldError;
use crate::api::generate::nested_input;
use crate::api::scalars;
use crate::schema::Schema;
use crate::schema::model::{Base, Field, FieldType, Model};
use crate::storage::Key;
use crate::storage::attributes::Attributes;

/// Checks the fields a mutation sets: an explicit null erases, which a required field does not bear.
pub(super) fn check(schema: &Schema, model: &Model, set: &Fields) -> Result<(), FieldError> {
    for (name, value) in set {
        if let Some(field) = model.fields.get(name) {
            field_of(schema, field, Some(value))?;
        }
    }
    Ok(())
}

/// How many bytes a key, or the fields of an index together, may have. An entry of an index holds both, and Postgres
/// stores none of more than about 2,700 bytes; DynamoDB's limits are of the same order.
const INDEXED_BYTES: usize = 1_024;

/// Checks that every store can hold a record's key and its entries in indexes.
pub(super) fn check_sizes(model: &Model, key: &Key, fields: &Fields) -> Result<(), FieldError> {
    if key.0.len() > INDEXED_BYTES {
        return Err(oversized(&format!("key of '{}'", model.name)));
    }
    for index in &model.indexes {
        let entry = Attributes::of(model, &index.key).entry(fields);
        if entry.is_some_and(|(partition, sort)| bytes(&partition) + bytes(&sort) > INDEXED_BYTES) {
            return Err(oversized(&format!("index '{}'", index.name)));
        }
    }
    Ok(())
}

fn bytes(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

fn oversized(what: &str) -> FieldError {
    FieldError::untyped(format!(
        "The fields of the {what} hold more than {INDEXED_BYTES} bytes."
    ))
}

fn field_of(schema: &Schema, field: &Field, value: Option<&Value>) -> Result<(), FieldError> {
    let FieldType {
        base,
        list,
        required,
    } = &field.ty;
    match (value.unwrap_or(&Value::Null), list) {
        (Value::Null, _) if *required => Err(null(field)),
        (Value::Null, _) => Ok(()),
        (Value::Array(elements), Some(elements_required)) => {
            elements.iter().try_for_each(|element| match element {
                Value::Null if elements_required.0 => Err(null(field)),
                Value::Null => Ok(()),
                element => element_of(schema, field, base, element),
            })
        }
        (_, Some(_)) => Err(misfit(field)),
        (value, None) => element_of(schema, field, base, value),
    }
}

fn element_of(
    schema: &Schema,
    field: &Field,
    base: &Base,
    value: &Value,
) -> Result<(), FieldError> {
    let fits = match (base, value) {
        (Base::Object(name), Value::Object(members)) => {
            return match schema.types.get(name) {
                Some(nested) => nested
                    .fields
                    .values()
                    .try_for_each(|inner| field_of(schema, inner, members.get(&inner.name))),
                None => Err(misfit(field)),
            };
        }
        (Base::Scalar(scalar), value) => scalars::accepts_output(*scalar, value),
        (Base::Enum(_), value) => value.is_string(),
        (Base::Object(_) | Base::Model(_), _) => false,
    };
    if fits { Ok(()) } else { Err(misfit(field)) }
}

/// The text that a create gets for the same mistake.
fn null(field: &Field) -> FieldError {
    FieldError::untyped(format!(
        "Variable '{}' has coerced Null value for NonNull type '{}'",
        field.name,
        type_text(&field.ty)
    ))
}

fn misfit(field: &Field) -> FieldError {
    FieldError::untyped(format!(
        "Variable '{}' has an invalid value. It does not fit the type '{}'.",
        field.name,
        type_text(&field.ty)
    ))
}

/// A type as the input of a create writes it.
fn type_text(ty: &FieldType) -> String {
    let base = match &ty.base {
        Base::Scalar(scalar) => scalar.name().to_owned(),
        Base::Object(name) => nested_input(name),
        Base::Enum(name) | Base::Model(name) => name.clone(),
    };
    let bang = |required: bool| if required { "!" } else { "" };
    match ty.list {
        Some(elements) => format!("[{base}{}]{}", bang(elements.0), bang(ty.required)),
        None => format!("{base}{}", bang(ty.required)),
    }
}
