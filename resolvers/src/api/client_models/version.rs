//! The version of a description: a client whose stored one differs clears its store and syncs anew.
//!
//! It is the generator's own digest, so that an app may take its models from here or from there. It covers the names and
//! types of fields and the relations; keys, indexes, enum values and rules are not in it.

use std::collections::HashSet;

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::draft::{Directive, Field, Model, Models};
use super::nested;
use crate::schema::document::Document;

/// The version, 32 hexadecimal digits.
pub(super) fn version(document: &Document, models: &Models) -> String {
    let marked = marked(models);
    let mut types: Vec<(&str, Value)> = Vec::new();
    for model in models.values() {
        let fields = model.fields.iter();
        let described = described(&model.name, fields, marked.contains(model.name.as_str()));
        types.push((&model.name, described));
    }
    for node in nested(document) {
        let fields: Vec<Field> = node.fields.iter().map(Field::declared).collect();
        types.push((&node.name, described(&node.name, fields.iter(), false)));
    }
    types.sort_by_key(|(name, _)| *name);
    let types: Vec<Value> = types.into_iter().map(|(_, described)| described).collect();
    let digest = Md5::digest(Value::from(types).to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn described<'a>(name: &str, fields: impl Iterator<Item = &'a Field>, marked: bool) -> Value {
    let mut fields: Vec<&Field> = fields.collect();
    fields.sort_by_key(|field| &field.name);
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| field_described(field, marked))
        .collect();
    json!({ "name": name, "directives": [], "fields": fields })
}

fn field_described(field: &Field, marked: bool) -> Value {
    let relation = field.relation.iter().map(|directive| {
        let mut described = Map::new();
        described.insert("name".to_owned(), json!(directive.name));
        described.insert("arguments".to_owned(), directive.arguments.clone());
        if marked {
            described.insert("fieldName".to_owned(), json!(field.name));
        }
        Value::Object(described)
    });
    let mut described = json!({
        "name": field.name,
        "directives": relation.collect::<Vec<_>>(),
        "type": field.ty,
        "isNullable": !field.required,
        "isList": field.is_list(),
    });
    if let Some(nullable) = field.nullable_list {
        described["isListNullable"] = json!(nullable);
    }
    described
}

/// The models whose relations carry the name of their field: those with a key of their own, and those that a relation
/// of another model was looked up in.
fn marked(models: &Models) -> HashSet<&str> {
    let own_key = |model: &&Model| model.keys.iter().any(|key| key.name.is_none());
    let mut marked: HashSet<&str> = models
        .values()
        .filter(own_key)
        .map(|model| model.name.as_str())
        .collect();
    for field in models.values().flat_map(|model| &model.fields) {
        if field.relation.as_ref().is_some_and(looks_up) {
            marked.insert(&field.ty);
        }
    }
    marked
}

fn looks_up(directive: &Directive) -> bool {
    match directive.name.as_str() {
        "belongsTo" => true,
        "hasMany" => !directive.references.is_empty() || !directive.fields.is_empty(),
        _ => !directive.references.is_empty(),
    }
}
