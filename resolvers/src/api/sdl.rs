//! The API as a schema document: sorted, without descriptions and directives, in graphql-js's layout.

use std::cmp::Ordering;
use std::fmt::Write;

use indexmap::IndexMap;
use serde_json::Value;

use super::types::{FieldDef, InputField, TypeDef, TypeSystem, is_built_in};

/// The document. Types, fields, arguments and enum values are in graphql-js's `lexicographicSortSchema` order; of the
/// scalars only AppSync's appear, as GraphQL's own need no definition.
#[must_use]
pub fn sdl(types: &TypeSystem) -> String {
    let mut definitions: Vec<&TypeDef> = types.types.values().collect();
    definitions.sort_by(|a, b| natural_order(a.name(), b.name()));
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
            values.sort_by(|a, b| natural_order(a, b));
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
    entries.sort_by(|a, b| natural_order(a.0, b.0));
    entries.into_iter().map(|(_, field)| field)
}

/// graphql-js's order of names: digits compare as numbers (`Post4` before `Post10`), everything else by character.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let ([x, ..], [y, ..]) = (left, right) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            number(&mut left).cmp(&number(&mut right))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Reads the number a text begins with; a leading zero is a number of its own.
fn number(text: &mut &[u8]) -> u64 {
    let mut number: u64 = 0;
    while let [digit, rest @ ..] = text
        && digit.is_ascii_digit()
    {
        number = number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
        *text = rest;
        if number == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_natural_order() {
        let mut names = [
            "Post10", "post1", "Post4V2", "Post4", "Post", "Post04", "Posts", "_x", "Post10A",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            [
                "Post", "Post04", "Post4", "Post4V2", "Post10", "Post10A", "Posts", "_x", "post1"
            ]
        );
    }

    #[test]
    fn defaults_are_written_as_graphql_values() {
        let mut text = String::new();
        literal(
            &serde_json::json!({"a": [1, "x\"y", null], "b": {}}),
            &mut text,
        );
        assert_eq!(text, r#"{a: [1, "x\"y", null], b: {}}"#);
    }
}
