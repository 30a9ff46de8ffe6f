//! Values written in a document: checked against their type once, turned into JSON for every request.

use async_graphql::parser::types::{BaseType, Type};
use async_graphql_value::{Name, Value as Literal, indexmap::IndexMap};
use serde_json::{Map, Value};

use super::coerce::{Inputs, Leniency, leaf, leniency_of};
use super::types::{InputDef, InputField, TypeDef, TypeRef};

/// A variable inside a literal, and what its place expects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Usage {
    /// The variable.
    pub(crate) variable: String,
    /// The type of its place.
    pub(crate) expected: TypeRef,
    /// Whether the place has a default, so that null may stand for it.
    pub(crate) defaulted: bool,
    /// What the place accepts beyond its type.
    pub(crate) leniency: Leniency,
}

/// What is wrong with a literal: the path within the argument, and the rest of AppSync's sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Field names below the argument.
    pub(crate) path: Vec<String>,
    /// The value as graphql-java prints it.
    pub(crate) value: String,
    /// What is wrong with it.
    pub(crate) complaint: String,
}

/// Checks a literal against the type of its place; variables are noted, not checked.
pub(crate) fn check(
    inputs: Inputs<'_>,
    place: &InputField,
    literal: &Literal,
    leniency: Leniency,
    usages: &mut Vec<Usage>,
) -> Result<(), Misfit> {
    let defaulted = place.default.is_some();
    Check { inputs, usages }.value(&place.ty, defaulted, literal, leniency)
}

struct Check<'a, 'u> {
    inputs: Inputs<'a>,
    usages: &'u mut Vec<Usage>,
}

impl Check<'_, '_> {
    fn value(
        &mut self,
        ty: &TypeRef,
        defaulted: bool,
        literal: &Literal,
        leniency: Leniency,
    ) -> Result<(), Misfit> {
        match (ty, literal) {
            (_, Literal::Variable(name)) => {
                self.usages.push(Usage {
                    variable: name.to_string(),
                    expected: ty.clone(),
                    defaulted,
                    leniency,
                });
                Ok(())
            }
            (TypeRef::NonNull(_), Literal::Null) => misfit(literal, "must not be null"),
            (_, Literal::Null) => Ok(()),
            (TypeRef::NonNull(inner), _) => self.value(inner, defaulted, literal, leniency),
            (TypeRef::List(inner), Literal::List(items)) => items
                .iter()
                .try_for_each(|item| self.value(inner, false, item, leniency)),
            (TypeRef::List(inner), single) => self.value(inner, false, single, leniency),
            (TypeRef::Named(name), _) => self.named(name, literal, leniency),
        }
    }

    fn named(&mut self, name: &str, literal: &Literal, leniency: Leniency) -> Result<(), Misfit> {
        let invalid = || misfit(literal, format!("is not a valid '{name}'"));
        match (self.inputs.types.types.get(name), literal) {
            (Some(TypeDef::Input(def)), Literal::Object(fields)) => {
                self.object(def, fields, literal, leniency)
            }
            (Some(TypeDef::Enum(def)), Literal::Enum(value)) => {
                let known = def.values.iter().any(|known| known == value.as_str());
                if known { Ok(()) } else { invalid() }
            }
            (Some(TypeDef::Scalar(_)), Literal::Enum(_)) => invalid(),
            (Some(TypeDef::Scalar(scalar)), _) => match json(literal, &Map::new()) {
                Some(value) if leaf(*scalar, &value, leniency).is_ok() => Ok(()),
                _ => invalid(),
            },
            _ => invalid(),
        }
    }

    fn object(
        &mut self,
        def: &InputDef,
        fields: &IndexMap<Name, Literal>,
        literal: &Literal,
        leniency: Leniency,
    ) -> Result<(), Misfit> {
        let inputs = self.inputs;
        let required = |(name, field): &(&String, &InputField)| {
            field.ty.is_non_null() && field.default.is_none() && !fields.contains_key(name.as_str())
        };
        let missing: Vec<&str> = def
            .fields
            .iter()
            .filter(required)
            .map(|(name, _)| name.as_str())
            .collect();
        if !missing.is_empty() {
            let names = missing.join(", ");
            return misfit(literal, format!("is missing required fields '[{names}]'"));
        }
        let leniency = leniency_of(&def.role, leniency);
        for (name, value) in fields {
            let Some(field) = inputs.field(def, name) else {
                let complaint = format!("contains a field not in '{}': '{name}'", def.name);
                return misfit(literal, complaint);
            };
            self.value(&field.ty, field.default.is_some(), value, leniency)
                .map_err(|misfit| misfit.below(name))?;
        }
        Ok(())
    }
}

impl Misfit {
    fn below(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}

fn misfit(literal: &Literal, complaint: impl Into<String>) -> Result<(), Misfit> {
    Err(Misfit {
        path: Vec::new(),
        value: print(literal),
        complaint: complaint.into(),
    })
}

/// A literal as graphql-java prints its syntax tree in messages.
fn print(literal: &Literal) -> String {
    match literal {
        Literal::Variable(name) => format!("VariableReference{{name='{name}'}}"),
        Literal::Null => "NullValue{}".to_owned(),
        Literal::Number(number) if number.as_i64().is_some() => {
            format!("IntValue{{value={number}}}")
        }
        Literal::Number(number) => format!("FloatValue{{value={number}}}"),
        Literal::String(text) => format!("StringValue{{value='{text}'}}"),
        Literal::Boolean(value) => format!("BooleanValue{{value={value}}}"),
        Literal::Binary(_) => "StringValue{}".to_owned(),
        Literal::Enum(name) => format!("EnumValue{{name='{name}'}}"),
        Literal::List(items) => {
            let items: Vec<String> = items.iter().map(print).collect();
            format!("ArrayValue{{values=[{}]}}", items.join(", "))
        }
        Literal::Object(fields) => {
            let field = |(name, value): (&Name, &Literal)| {
                format!("ObjectField{{name='{name}', value={}}}", print(value))
            };
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("ObjectValue{{objectFields=[{}]}}", fields.join(", "))
        }
    }
}

/// The JSON of a literal. A variable without a value makes its place absent: `None` on its own, left out of an object,
/// `null` in a list (October 2021, 3.10 and 3.11).
pub(crate) fn json(literal: &Literal, variables: &Map<String, Value>) -> Option<Value> {
    Some(match literal {
        Literal::Variable(name) => return variables.get(name.as_str()).cloned(),
        Literal::Null | Literal::Binary(_) => Value::Null,
        Literal::Number(number) => Value::Number(number.clone()),
        Literal::String(text) => Value::String(text.clone()),
        Literal::Boolean(value) => Value::Bool(*value),
        Literal::Enum(name) => Value::String(name.to_string()),
        Literal::List(items) => items
            .iter()
            .map(|item| json(item, variables).unwrap_or(Value::Null))
            .collect(),
        Literal::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), json(value, variables)?)))
            .collect(),
    })
}

/// A type as written in a variable definition.
pub(crate) fn type_ref(ty: &Type) -> TypeRef {
    let nullable = match &ty.base {
        BaseType::Named(name) => TypeRef::Named(name.to_string()),
        BaseType::List(inner) => TypeRef::List(Box::new(type_ref(inner))),
    };
    if ty.nullable {
        nullable
    } else {
        TypeRef::NonNull(Box::new(nullable))
    }
}
