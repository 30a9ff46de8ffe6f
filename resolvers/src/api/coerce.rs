//! Input coercion: JSON in, JSON out, checked against the type system.
//!
//! What was not given stays absent: `null` in an update erases a value, so nothing here may make a `null` up.
//! Number literals keep their text.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::outcome::Arguments;
use super::types::{InputDef, InputField, InputRole, Operand, TypeDef, TypeRef, TypeSystem};
use super::{predicate_input, scalars};
use crate::schema::Schema;
use crate::schema::model::Scalar;

/// Input values nest at most this deep.
const DEPTH_LIMIT: usize = 100;

/// What coercion looks things up in.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// The generated types.
    pub(crate) types: &'a TypeSystem,
    /// The schema they were generated from, for what predicates accept beyond their declared fields.
    pub(crate) schema: &'a Schema,
}

/// Where coercion accepts more than the type says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Leniency {
    /// Numbers may come as text (`client-native` R25).
    pub(crate) numeric_text: bool,
    /// `Int` takes 64 bits: timestamps are compared with `ModelIntInput` and `ModelIntKeyConditionInput`.
    pub(crate) wide_int: bool,
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Null, or nothing, where the type demands a value.
    Null {
        /// The variable or field.
        name: String,
        /// Its type.
        ty: String,
    },
    /// An input object has a field its type lacks.
    UnknownField {
        /// The field.
        field: String,
        /// The type.
        input: String,
    },
    /// The value is none of its type.
    Invalid {
        /// The variable or field.
        name: String,
        /// What is wrong.
        detail: String,
    },
}

impl Fault {
    /// AppSync's wording (`sync-semantics` 8.3).
    pub(crate) fn message(&self) -> String {
        match self {
            Fault::Null { name, ty } => {
                format!("Variable '{name}' has coerced Null value for NonNull type '{ty}'")
            }
            Fault::UnknownField { field, input } => format!(
                "The variables input contains a field name '{field}' that is not defined for input object type '{input}'"
            ),
            Fault::Invalid { name, detail } => {
                format!("Variable '{name}' has an invalid value. {detail}")
            }
        }
    }
}

/// One value on its way through coercion.
#[derive(Clone, Copy)]
struct Site<'a> {
    name: &'a str,
    leniency: Leniency,
    depth: usize,
}

impl<'a> Inputs<'a> {
    /// Coerces a value that was given for `name`.
    pub(crate) fn coerce(
        &self,
        ty: &TypeRef,
        value: &Value,
        name: &str,
        leniency: Leniency,
    ) -> Result<Value, Fault> {
        let site = Site {
            name,
            leniency,
            depth: 0,
        };
        self.value(ty, value, site)
    }

    /// The declared field of an input type, or one that its role adds to it.
    pub(crate) fn field(&self, def: &'a InputDef, name: &str) -> Option<Cow<'a, InputField>> {
        match def.fields.get(name) {
            Some(field) => Some(Cow::Borrowed(field)),
            None => predicate_input::extra_field(*self, def, name).map(Cow::Owned),
        }
    }

    fn value(&self, ty: &TypeRef, value: &Value, site: Site<'_>) -> Result<Value, Fault> {
        if site.depth > DEPTH_LIMIT {
            return Err(site.invalid("The value nests too deep.".to_owned()));
        }
        match (ty, value) {
            (TypeRef::NonNull(_), Value::Null) => Err(site.null(ty)),
            (TypeRef::NonNull(inner), _) => self.value(inner, value, site),
            (_, Value::Null) => Ok(Value::Null),
            (TypeRef::List(inner), Value::Array(items)) => items
                .iter()
                .map(|item| self.value(inner, item, site.deeper(site.name)))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            (TypeRef::List(inner), single) => {
                Ok(Value::Array(vec![self.value(inner, single, site)?]))
            }
            (TypeRef::Named(name), _) => self.named(name, value, site),
        }
    }

    fn named(&self, name: &str, value: &Value, site: Site<'_>) -> Result<Value, Fault> {
        match self.types.types.get(name) {
            Some(TypeDef::Scalar(scalar)) => {
                leaf(*scalar, value, site.leniency).map_err(|detail| site.invalid(detail))
            }
            Some(TypeDef::Enum(def)) => match value {
                Value::String(text) if def.values.contains(text) => Ok(value.clone()),
                _ => Err(site.invalid(format!(
                    "Invalid input for Enum '{name}'. No value found for name '{}'",
                    plain(value)
                ))),
            },
            Some(TypeDef::Input(def)) => self.object(def, value, site),
            Some(TypeDef::Object(_) | TypeDef::Interface(_) | TypeDef::Union(_)) | None => {
                Err(site.invalid(format!("'{name}' is not an input type.")))
            }
        }
    }

    fn object(&self, def: &'a InputDef, value: &Value, site: Site<'_>) -> Result<Value, Fault> {
        let Value::Object(given) = value else {
            return Err(site.invalid(format!(
                "Expected type 'Map' but was '{}'. Variables for input objects must be an instance of type 'Map'.",
                kind(value)
            )));
        };
        let leniency = leniency_of(&def.role, site.leniency);
        let mut coerced = Map::with_capacity(given.len());
        for (name, value) in given {
            let field = self.field(def, name).ok_or_else(|| Fault::UnknownField {
                field: name.clone(),
                input: def.name.clone(),
            })?;
            let below = Site {
                leniency,
                ..site.deeper(name)
            };
            coerced.insert(name.clone(), self.value(&field.ty, value, below)?);
        }
        fill(&def.fields, &mut coerced)?;
        Ok(Value::Object(coerced))
    }
}

impl<'a> Site<'a> {
    fn deeper(self, name: &'a str) -> Self {
        Site {
            name,
            depth: self.depth + 1,
            ..self
        }
    }

    fn invalid(self, detail: String) -> Fault {
        Fault::Invalid {
            name: self.name.to_owned(),
            detail,
        }
    }

    fn null(self, ty: &TypeRef) -> Fault {
        Fault::Null {
            name: self.name.to_owned(),
            ty: ty.to_string(),
        }
    }
}

/// What the role of an input type adds to the leniency around it.
pub(crate) fn leniency_of(role: &InputRole, around: Leniency) -> Leniency {
    match role {
        InputRole::Delete(_) => Leniency {
            numeric_text: true,
            ..around
        },
        InputRole::Operators(Operand::Int) | InputRole::Key => Leniency {
            wide_int: true,
            ..around
        },
        InputRole::Plain | InputRole::Predicate(_) | InputRole::Operators(_) => around,
    }
}

/// Adds the defaults of fields that are absent, and refuses the absence of required ones.
pub(crate) fn fill<'f>(
    fields: impl IntoIterator<Item = (&'f String, &'f InputField)>,
    given: &mut Arguments,
) -> Result<(), Fault> {
    for (name, field) in fields {
        if given.contains_key(name) {
            continue;
        }
        match &field.default {
            Some(default) => {
                given.insert(name.clone(), default.clone());
            }
            None if field.ty.is_non_null() => {
                return Err(Fault::Null {
                    name: name.clone(),
                    ty: field.ty.to_string(),
                });
            }
            None => {}
        }
    }
    Ok(())
}

/// Coerces a scalar, with what leniency allows beyond its grammar.
pub(crate) fn leaf(scalar: Scalar, value: &Value, leniency: Leniency) -> Result<Value, String> {
    if let Value::String(text) = value {
        if text.contains('\0') {
            return Err("A string must not contain the character U+0000, nor half of one (a lone surrogate).".to_owned());
        }
        if leniency.numeric_text
            && scalar.is_number()
            && let Ok(number) = text.parse::<Number>()
        {
            return leaf(scalar, &Value::Number(number), Leniency::default());
        }
    }
    if leniency.wide_int && scalar == Scalar::Int && value.as_i64().is_some() {
        return Ok(value.clone());
    }
    scalars::coerce(scalar, value)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a JSON value is, in the words of AppSync's messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.as_i64().is_some() => "Integer",
        Value::Number(_) => "BigDecimal",
        Value::String(_) => "String",
        Value::Array(_) => "ArrayList",
        Value::Object(_) => "LinkedHashMap",
    }
}
