//! The models as Gen 2 writes them down: `data.model_introspection` of `amplify_outputs.json`, from which clients without
//! generated models start.

use serde_json::{Map, Value, json};

use super::draft::{Field, Model, Models};
use super::{describe_field, describe_type};
use crate::schema::document::{Document, FieldNode, TypeNode};

/// The version of the format.
pub(super) const VERSION: u64 = 1;

/// Which field holds the key, and whether the client must send it. An `id` alone is no custom key.
pub(super) fn primary_key(model: &Model) -> Value {
    let declared = model.keys.iter().any(|key| key.name.is_none());
    let (partition, sort) = model
        .key
        .split_first()
        .map_or(("id", &[][..]), |(partition, sort)| {
            (partition.as_str(), sort)
        });
    json!({
        "isCustomPrimaryKey": declared && (partition != "id" || !sort.is_empty()),
        "primaryKeyFieldName": partition,
        "sortKeyFieldNames": sort,
    })
}

/// Hand-written operations by root type, and declared inputs; what there is none of is left out.
pub(super) fn operations(document: &Document, models: &Models) -> Map<String, Value> {
    let mut described = Map::new();
    for (key, root) in [
        ("queries", "Query"),
        ("mutations", "Mutation"),
        ("subscriptions", "Subscription"),
    ] {
        if let Some(root) = document.types.get(root) {
            described.insert(key.to_owned(), root_fields(root, document, models));
        }
    }
    let inputs = document.inputs.values();
    let inputs = inputs.filter(|input| input.name != "AMPLIFY").map(|input| {
        let attributes = arguments(&input.fields, document, models);
        let value = json!({ "name": input.name, "attributes": attributes });
        (input.name.clone(), value)
    });
    described.insert("inputs".to_owned(), Value::Object(inputs.collect()));
    described.retain(|_, value| value.as_object().is_some_and(|members| !members.is_empty()));
    described
}

fn root_fields(root: &TypeNode, document: &Document, models: &Models) -> Value {
    let fields = root
        .fields
        .iter()
        .filter(|field| !is_abstract(field, document))
        .map(|field| {
            let mut value = typed(field, document, models);
            if !field.arguments.is_empty() {
                let arguments = arguments(&field.arguments, document, models);
                value.insert("arguments".to_owned(), Value::Object(arguments));
            }
            (field.name.clone(), Value::Object(value))
        });
    Value::Object(fields.collect())
}

fn arguments(fields: &[FieldNode], document: &Document, models: &Models) -> Map<String, Value> {
    let described = fields.iter().map(|field| {
        let value = Value::Object(typed(field, document, models));
        (field.name.clone(), value)
    });
    described.collect()
}

fn typed(field: &FieldNode, document: &Document, models: &Models) -> Map<String, Value> {
    let mut value = describe_field(&Field::declared(field), |ty| {
        if document.inputs.contains_key(ty) {
            json!({ "input": ty })
        } else {
            describe_type(ty, document, models)
        }
    });
    value.shift_remove("attributes");
    value
}

/// Clients are told of no field that may be of several types.
pub(super) fn is_abstract(field: &FieldNode, document: &Document) -> bool {
    let ty = &field.ty.base;
    document.interfaces.contains_key(ty) || document.unions.contains_key(ty)
}
