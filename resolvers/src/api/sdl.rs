//! The API as a schema document: sorted, without descriptions, in graphql-js's layout.

use std::cmp::Ordering;
use std::fmt::Write;

use indexmap::IndexMap;
use serde_json::Value;

use super::types::{FieldDef, InputField, TypeDef, TypeRef, TypeSystem, is_built_in};
use crate::schema::model::{Deprecation, Gate};

/// The document as a client sees it, without directives but for `@deprecated`. Types, fields, arguments and enum values are in graphql-js's
/// `lexicographicSortSchema` order; of the scalars only AppSync's appear, as GraphQL's own need no definition.
#[must_use]
pub fn sdl(types: &TypeSystem) -> String {
    let writer = Writer {
        types,
        directives: false,
    };
    writer.document()
}

/// The document as AppSync is given it, with the directives that say who may call what, what a subscription listens to
/// and what is deprecated. Everything is in the order of its characters.
#[must_use]
pub fn sdl_with_directives(types: &TypeSystem) -> String {
    let writer = Writer {
        types,
        directives: true,
    };
    writer.document()
}

struct Writer<'a> {
    types: &'a TypeSystem,
    directives: bool,
}

impl Writer<'_> {
    fn document(&self) -> String {
        let mut definitions: Vec<&TypeDef> = self.types.types.values().collect();
        definitions.sort_by(|a, b| self.order(a.name(), b.name()));
        let blocks: Vec<String> = definitions
            .into_iter()
            .filter_map(|definition| self.definition(definition))
            .collect();
        let mut text = blocks.join("\n\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    fn order(&self, a: &str, b: &str) -> Ordering {
        if self.directives {
            a.cmp(b)
        } else {
            natural_order(a, b)
        }
    }

    fn definition(&self, definition: &TypeDef) -> Option<String> {
        match definition {
            TypeDef::Scalar(_) if self.directives => None,
            TypeDef::Scalar(scalar) if is_built_in(*scalar) => None,
            TypeDef::Scalar(scalar) => Some(format!("scalar {}", scalar.name())),
            TypeDef::Enum(declared) => {
                let mut values: Vec<&String> = declared.values.iter().collect();
                values.sort_by(|a, b| self.order(a, b));
                let lines = values.into_iter().map(|value| {
                    let deprecated = self.deprecated(declared.deprecated.get(value));
                    format!("{value}{deprecated}")
                });
                Some(block(&format!("enum {}", declared.name), lines.collect()))
            }
            TypeDef::Input(input) => {
                let fields = self.sorted(&input.fields);
                let lines = fields.into_iter().map(|field| self.input_field(field));
                Some(block(&format!("input {}", input.name), lines.collect()))
            }
            TypeDef::Union(union) => {
                let mut members: Vec<&str> = union.members.iter().map(String::as_str).collect();
                members.sort_by(|a, b| self.order(a, b));
                Some(format!("union {} = {}", union.name, members.join(" | ")))
            }
            TypeDef::Interface(interface) => {
                let implements = self.implements(&interface.interfaces);
                let head = format!("interface {}{implements}", interface.name);
                Some(block(&head, self.fields(&interface.fields)))
            }
            TypeDef::Object(object) => {
                let implements = self.implements(&object.interfaces);
                let gates = self.gates(&object.gates).join("");
                let head = format!("type {}{implements}{gates}", object.name);
                Some(block(&head, self.fields(&object.fields)))
            }
        }
    }

    fn implements(&self, interfaces: &[String]) -> String {
        let mut names: Vec<&str> = interfaces.iter().map(String::as_str).collect();
        names.sort_by(|a, b| self.order(a, b));
        if names.is_empty() {
            String::new()
        } else {
            format!(" implements {}", names.join(" & "))
        }
    }

    fn fields(&self, fields: &IndexMap<String, FieldDef>) -> Vec<String> {
        let fields = self.sorted(fields).into_iter();
        fields.map(|field| self.field(field)).collect()
    }

    fn field(&self, field: &FieldDef) -> String {
        let arguments = self.sorted(&field.arguments).into_iter();
        let arguments: Vec<String> = arguments.map(|field| self.input_field(field)).collect();
        let directives = self.field_directives(field);
        if arguments.is_empty() {
            return format!("{}: {}{directives}", field.name, field.ty);
        }
        let arguments = arguments.join(", ");
        format!("{}({arguments}): {}{directives}", field.name, field.ty)
    }

    /// The directives of a field by name.
    fn field_directives(&self, field: &FieldDef) -> String {
        let mut written = self.gates(&field.gates);
        if self.directives && !field.subscribes.is_empty() {
            let names = Value::from(field.subscribes.clone());
            let mut text = " @aws_subscribe(mutations: ".to_owned();
            self.literal(&names, None, &mut text);
            text.push(')');
            written.push(text);
        }
        written.push(self.deprecated(field.deprecated.as_ref()));
        written.sort();
        written.concat()
    }

    fn gates(&self, gates: &[Gate]) -> Vec<String> {
        if !self.directives {
            return Vec::new();
        }
        let mut written: Vec<String> = gates
            .iter()
            .map(|gate| {
                let mut text = format!(" @{}", gate.directive());
                if !gate.groups.is_empty() {
                    text.push_str("(cognito_groups: ");
                    self.literal(&Value::from(gate.groups.clone()), None, &mut text);
                    text.push(')');
                }
                text
            })
            .collect();
        written.sort();
        written
    }

    fn deprecated(&self, deprecation: Option<&Deprecation>) -> String {
        match deprecation {
            Some(Deprecation {
                reason: Some(reason),
            }) => {
                format!(" @deprecated(reason: {})", Value::from(reason.as_str()))
            }
            Some(_) => " @deprecated".to_owned(),
            None => String::new(),
        }
    }

    fn input_field(&self, field: &InputField) -> String {
        let mut text = format!("{}: {}", field.name, field.ty);
        if let Some(default) = &field.default {
            text.push_str(" = ");
            self.literal(default, Some(&field.ty), &mut text);
        }
        text
    }

    /// A value as GraphQL writes it: keys without quotation marks, and enum values, where the type says that they are.
    fn literal(&self, value: &Value, ty: Option<&TypeRef>, text: &mut String) {
        let definition = ty.and_then(|ty| self.types.types.get(ty.name()));
        match value {
            Value::Array(items) => {
                text.push('[');
                for (position, item) in items.iter().enumerate() {
                    text.push_str(if position == 0 { "" } else { ", " });
                    self.literal(item, ty, text);
                }
                text.push(']');
            }
            Value::Object(fields) => {
                text.push('{');
                let members = self.members(fields, definition);
                for (position, (name, item, ty)) in members.into_iter().enumerate() {
                    text.push_str(if position == 0 { "" } else { ", " });
                    text.push_str(name);
                    text.push_str(": ");
                    self.literal(item, ty, text);
                }
                text.push('}');
            }
            Value::String(word) if matches!(definition, Some(TypeDef::Enum(_))) => {
                text.push_str(word);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                write!(text, "{value}").expect("a String takes every write");
            }
        }
    }

    /// The members of a default. A client sees what the value comes to: in order, with the defaults of what is left out.
    fn members<'v>(
        &self,
        fields: &'v serde_json::Map<String, Value>,
        definition: Option<&'v TypeDef>,
    ) -> Vec<(&'v str, &'v Value, Option<&'v TypeRef>)> {
        let Some(TypeDef::Input(input)) = definition else {
            let members = fields.iter();
            return members
                .map(|(name, item)| (name.as_str(), item, None))
                .collect();
        };
        if self.directives {
            let members = fields.iter().map(|(name, item)| {
                let ty = input.fields.get(name).map(|field| &field.ty);
                (name.as_str(), item, ty)
            });
            return members.collect();
        }
        let members = self.sorted(&input.fields).into_iter().filter_map(|field| {
            let item = fields.get(&field.name).or(field.default.as_ref())?;
            Some((field.name.as_str(), item, Some(&field.ty)))
        });
        members.collect()
    }

    fn sorted<'t, T>(&self, fields: &'t IndexMap<String, T>) -> Vec<&'t T> {
        let mut entries: Vec<(&String, &T)> = fields.iter().collect();
        entries.sort_by(|a, b| self.order(a.0, b.0));
        entries.into_iter().map(|(_, field)| field).collect()
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
        let writer = Writer {
            types: &TypeSystem::default(),
            directives: false,
        };
        let mut text = String::new();
        let value = serde_json::json!({"a": [1, "x\"y", null], "b": {}});
        writer.literal(&value, None, &mut text);
        assert_eq!(text, r#"{a: [1, "x\"y", null], b: {}}"#);
    }
}
