//! The API as a schema document: sorted, without descriptions and directives, in graphql-js's layout.

use std::fmt::Write;

use indexmap::IndexMap;
use serde_json::Value;

use super::types::{FieldDef, InputField, TypeDef, TypeSystem, is_built_in};

/// The document. Types, fields, arguments and enum values are in graphql-js's `lexicographicSortSchema` order; of the
/// scalars only AppSync's appear, as GraphQL's own need no definition.
#[must_use]
pub fn sdl(types: &TypeSystem) -> String {
    let mut definitions: Vec<&TypeDef> = types.types.values().collect();
    definitions.sort_by_key(|definition| definition.name());
    let blocks: Vec<String> = definitions.into_iter().filter_map(definition).collect();
    let mut text = blocks.join("\n\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn definition(definition: &TypeDef) -> Option<String> {
    match definition {
        TypeDef::Scalar(scalar) if is_built_in(*scalar) => None,
        TypeDef::Scalar(scalar) => Some(format!("scalar {}", scalar.name())),
        TypeDef::Enum(declared) => {
            let mut values: Vec<&String> = declared.values.iter().collect();
            values.sort();
            let lines = values.into_iter().cloned().collect();
            Some(block(&format!("enum {}", declared.name), lines))
        }
        TypeDef::Input(input) => {
            let lines = sorted(&input.fields).map(input_field).collect();
            Some(block(&format!("input {}", input.name), lines))
        }
        TypeDef::Object(object) => {
            let lines = sorted(&object.fields).map(field).collect();
            Some(block(&format!("type {}", object.name), lines))
        }
    }
}

fn block(head: &str, lines: Vec<String>) -> String {
    let mut text = format!("{head} {{\n");
    for line in lines {
        text.push_str("  ");
        text.push_str(&line);
        text.push('\n');
    }
    text.push('}');
    text
}

fn field(field: &FieldDef) -> String {
    let arguments: Vec<String> = sorted(&field.arguments).map(input_field).collect();
    if arguments.is_empty() {
        return format!("{}: {}", field.name, field.ty);
    }
    format!("{}({}): {}", field.name, arguments.join(", "), field.ty)
}

fn input_field(field: &InputField) -> String {
    let mut text = format!("{}: {}", field.name, field.ty);
    if let Some(default) = &field.default {
        text.push_str(" = ");
        literal(default, &mut text);
    }
    text
}

/// A value as GraphQL writes it: keys without quotes. Enum values cannot be told from strings here; no generated type
/// has a default that is one.
fn literal(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                literal(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (position, (name, item)) in fields.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                text.push_str(name);
                text.push_str(": ");
                literal(item, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write!(text, "{value}").expect("a String takes every write");
        }
    }
}

fn sorted<T>(fields: &IndexMap<String, T>) -> impl Iterator<Item = &T> {
    let mut entries: Vec<(&String, &T)> = fields.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.into_iter().map(|(_, field)| field)
}
