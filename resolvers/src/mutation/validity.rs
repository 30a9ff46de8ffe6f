//! Whether what a mutation writes can be read again. A record that violates its type stops every JavaScript client that
//! syncs it (`client-js` 9.4), and the inputs of updates are nullable, so coercion alone does not see to it.

use serde_json::Value;

use crate::Fields;
use crate::api::error::FieldError;
use crate::api::generate::nested_input;
use crate::api::scalars;
use crate::schema::Schema;
use crate::schema::model::{
    Base, ElementsRequired, Field, FieldType, Model, Origin, Relation, RelationKind, Via,
};
use crate::schema::suggestion::did_you_mean;
use crate::storage::Key;
use crate::storage::attributes::{Attribute, Attributes, LONGEST, longest};

/// Checks the fields a mutation sets: an explicit null erases, which a required field does not bear.
pub(super) fn check(schema: &Schema, model: &Model, set: &Fields) -> Result<(), FieldError> {
    for (name, value) in set {
        if let Some(field) = model.fields.get(name)
            && !(value.is_null() && leads_to_an_optional_parent(model, field))
        {
            field_of(schema, field, Some(value))?;
        }
    }
    Ok(())
}

/// Whether a field is the foreign key that the server made for a parent that a record may be without. Native clients take
/// a record from its parent by nulls for such keys (`client-native` 1.3), also where `[Child]!` makes them required.
fn leads_to_an_optional_parent(model: &Model, field: &Field) -> bool {
    let mut others = model.fields.values().filter(|other| !other.ty.required);
    field.origin == Origin::ForeignKey
        && others.any(|other| match &other.relation {
            Some(Relation {
                kind: RelationKind::BelongsTo,
                via: Via::Key(ours),
                ..
            }) => ours.contains(&field.name),
            _ => false,
        })
}

/// Checks a whole document that the user's code made in place of the stored one: what it changes must be fit to be
/// stored, as if a client had sent it, and what is required must be there.
pub(super) fn check_document(
    schema: &Schema,
    model: &Model,
    stored: &Fields,
    made: &Fields,
) -> Result<(), FieldError> {
    let known: Vec<&str> = model
        .stored_fields()
        .map(|field| field.name.as_str())
        .collect();
    for (name, value) in made {
        if !known.contains(&name.as_str()) && stored.get(name) != Some(value) {
            let hint = did_you_mean(name, known.iter().copied(), "It has no such field.");
            let model = &model.name;
            return Err(FieldError::untyped(format!(
                "'{name}' is no field of {model}. {hint}"
            )));
        }
    }
    for field in model.stored_fields() {
        let value = made.get(&field.name);
        if value != stored.get(&field.name) {
            field_of(schema, field, value)?;
            strict(schema, field, value.unwrap_or(&Value::Null))?;
        }
    }
    Ok(())
}

/// The grammar of scalars and the words of enums, as for a client's input.
fn strict(schema: &Schema, field: &Field, value: &Value) -> Result<(), FieldError> {
    match (&field.ty.base, value) {
        (_, Value::Null) => Ok(()),
        (_, Value::Array(elements)) if field.ty.list.is_some() => {
            let mut elements = elements.iter().collect::<Vec<_>>();
            for _ in &field.ty.inner {
                elements = elements.into_iter().flat_map(inner_elements).collect();
            }
            elements
                .into_iter()
                .try_for_each(|element| strict_element(schema, field, element))
        }
        _ => strict_element(schema, field, value),
    }
}

/// The elements of a list in a list; anything else is left for its own check.
fn inner_elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        other => vec![other],
    }
}

fn strict_element(schema: &Schema, field: &Field, value: &Value) -> Result<(), FieldError> {
    if value.is_null() {
        return Ok(());
    }
    match &field.ty.base {
        Base::Scalar(scalar) => scalars::coerce(*scalar, value)
            .map(|_| ())
            .map_err(|reason| FieldError::untyped(format!("'{}': {reason}", field.name))),
        Base::Enum(name) => {
            let words = schema.enums.get(name).map(|words| &words.values);
            match (words, value.as_str()) {
                (Some(words), Some(word)) if words.iter().any(|known| known == word) => Ok(()),
                _ => Err(misfit(field)),
            }
        }
        Base::Object(name) => {
            let nested = schema.types.get(name).ok_or_else(|| misfit(field))?;
            let null = &Value::Null;
            let members = value.as_object().ok_or_else(|| misfit(field))?;
            nested.fields.values().try_for_each(|inner| {
                strict(schema, inner, members.get(&inner.name).unwrap_or(null))
            })
        }
        Base::Model(_) | Base::Abstract(_) => Ok(()),
    }
}

/// Checks that every store can hold a record's key and its entries in indexes: the fields of one together have as many
/// bytes as an attribute may have. What is `stored` already may be longer, and stay: it is older than its index.
pub(super) fn check_sizes(
    model: &Model,
    key: &Key,
    stored: Option<&Fields>,
    fields: &Fields,
) -> Result<(), FieldError> {
    if key.0.len() > LONGEST {
        return Err(oversized(&format!("key of '{}'", model.name), LONGEST));
    }
    let longest = longest(key);
    let is_new = |name: &str| stored.is_none_or(|stored| stored.get(name) != fields.get(name));
    for index in &model.indexes {
        let Attributes { partition, sort } = Attributes::of(model, &index.key);
        let sort = sort.map_or(0, |sort| sort.bytes(fields));
        if partition.bytes(fields) + sort > longest && index.key.fields().any(is_new) {
            return Err(oversized(&format!("index '{}'", index.name), longest));
        }
    }
    for name in model.dividing_fields() {
        if Attribute::of_field(model, name).bytes(fields) > longest && is_new(name) {
            return Err(oversized(&format!("rule about '{name}'"), longest));
        }
    }
    Ok(())
}

fn oversized(what: &str, longest: usize) -> FieldError {
    FieldError::untyped(format!(
        "The fields of the {what} hold more than {longest} bytes."
    ))
}

fn field_of(schema: &Schema, field: &Field, value: Option<&Value>) -> Result<(), FieldError> {
    let lists: Vec<ElementsRequired> = field.ty.lists().collect();
    let value = value.unwrap_or(&Value::Null);
    value_of(schema, field, field.ty.required, &lists, value)
}

fn value_of(
    schema: &Schema,
    field: &Field,
    required: bool,
    lists: &[ElementsRequired],
    value: &Value,
) -> Result<(), FieldError> {
    match (value, lists) {
        (Value::Null, _) if required => Err(null(field)),
        (Value::Null, _) => Ok(()),
        (Value::Array(elements), [elements_required, inner @ ..]) => elements
            .iter()
            .try_for_each(|element| value_of(schema, field, elements_required.0, inner, element)),
        (_, [_, ..]) => Err(misfit(field)),
        (value, []) => element_of(schema, field, &field.ty.base, value),
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
        (Base::Object(_) | Base::Model(_) | Base::Abstract(_), _) => false,
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

/// A type as the schema writes it.
pub(super) fn stored_type(ty: &FieldType) -> String {
    ty.written(ty.base.name())
}

/// A type as the input of a create writes it.
fn type_text(ty: &FieldType) -> String {
    match &ty.base {
        Base::Object(name) => ty.written(&nested_input(name)),
        base => ty.written(base.name()),
    }
}
