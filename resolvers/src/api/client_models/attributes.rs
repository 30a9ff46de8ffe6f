//! A model's directives as the client hears of them.

use serde_json::{Map, Value, json};

use super::draft::{Key, Model};
use crate::schema::document::{Applied, Argument};

/// The `attributes` of a model: its directives, then its keys, then its rules.
pub(super) fn described(model: &Model) -> Vec<Value> {
    let directives = model
        .directives
        .iter()
        .map(|(name, properties)| json!({ "type": name, "properties": properties }));
    let keys = model
        .keys
        .iter()
        .map(|key| json!({ "type": "key", "properties": key_properties(key) }));
    let auth = model
        .auth
        .iter()
        .map(|given| json!({ "type": "auth", "properties": auth_properties(given) }));
    directives.chain(keys).chain(auth).collect()
}

fn key_properties(key: &Key) -> Value {
    let mut properties = Map::new();
    if let Some(name) = &key.name {
        properties.insert("name".to_owned(), json!(name));
    }
    if let Some(query_field) = &key.query_field {
        properties.insert("queryField".to_owned(), query_field.clone());
    }
    properties.insert("fields".to_owned(), json!(key.fields));
    Value::Object(properties)
}

/// The rules with the client's defaults; `read` is not taken apart.
fn auth_properties(given: &Value) -> Value {
    let mut properties = given.clone();
    if let Some(rules) = properties["rules"].as_array_mut() {
        rules.retain(|rule| rule["allow"] != "groups" || rule["groupField"].is_null());
        for rule in rules {
            if let Value::Object(rule) = rule {
                complete_rule(rule);
            }
        }
    }
    properties
}

fn complete_rule(rule: &mut Map<String, Value>) {
    let mut default = |name: &str, value: Value| {
        rule.entry(name.to_owned()).or_insert(value);
    };
    default("operations", json!(["create", "update", "delete", "read"]));
    match rule.get("allow").and_then(Value::as_str) {
        Some("owner") => {
            let mut default = |name: &str, value: &str| {
                rule.entry(name.to_owned()).or_insert_with(|| json!(value));
            };
            default("provider", "userPools");
            default("ownerField", "owner");
            default("identityClaim", "username");
            if rule["identityClaim"] == "username" {
                rule["identityClaim"] = json!("cognito:username");
            }
        }
        Some("groups") => {
            let mut default = |name: &str, value: &str| {
                rule.entry(name.to_owned()).or_insert_with(|| json!(value));
            };
            default("provider", "userPools");
            default("groupClaim", "cognito:groups");
            if !rule.contains_key("groups") {
                rule.insert("groupField".to_owned(), json!("groups"));
            }
        }
        _ => {}
    }
}

/// A directive's arguments as JSON.
pub(super) fn arguments(applied: &Applied) -> Value {
    object(&applied.arguments)
}

/// One argument as JSON, null included.
pub(super) fn argument(applied: &Applied, name: &str) -> Option<Value> {
    applied
        .arguments
        .iter()
        .find(|argument| argument.name == name)
        .map(|argument| argument.value.to_json())
}

/// An argument that is a text.
pub(super) fn text(applied: &Applied, name: &str) -> Option<String> {
    match argument(applied, name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// An argument that is a list of names, or a single one.
pub(super) fn names(applied: &Applied, name: &str) -> Vec<String> {
    match argument(applied, name) {
        Some(Value::String(single)) => vec![single],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

fn object(arguments: &[Argument]) -> Value {
    let members = arguments
        .iter()
        .map(|argument| (argument.name.clone(), argument.value.to_json()));
    Value::Object(members.collect())
}
