//! A validated operation, ready to run: selections merged, response keys fixed, relations marked.
//!
//! Made once per document and cached; a request only adds its variables.

mod good_faith;
mod planner;
mod weight;

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql_value::Value as Literal;
use serde_json::Value;

use super::coerce::{Fault, Inputs, Leniency, fill};
use super::error::Location;
use super::literal::json;
use super::outcome::Arguments;
use super::types::{InputField, ObjectKind, Resolver, TypeRef};
use super::variables::{Variable, Variables};
use crate::schema::model::{Model, Scalar};

pub(crate) use planner::plan;

/// An operation that can be run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Query, mutation or subscription.
    pub(crate) operation: OperationType,
    /// Its variables.
    pub(crate) variables: Vec<Variable>,
    /// What it selects on the root type.
    pub(crate) root: Selection,
}

/// The merged selections on one object.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The object's type.
    pub(crate) type_name: String,
    /// What its values are.
    pub(crate) kind: ObjectKind,
    /// The model of its records, if it is a model or a page of one.
    pub(crate) model: Option<Arc<Model>>,
    /// The fields in response order.
    pub(crate) fields: Vec<Field>,
}

/// One key of a response object.
#[derive(Debug)]
pub(crate) struct Field {
    /// The response key.
    pub(crate) key: String,
    /// The field's name.
    pub(crate) name: String,
    /// Where it is first selected.
    pub(crate) location: Location,
    /// Its type.
    pub(crate) ty: TypeRef,
    /// What values of the innermost type are.
    pub(crate) shape: Shape,
    /// Where its value comes from.
    pub(crate) source: Source,
    /// Its arguments, given or not.
    pub(crate) arguments: Vec<Argument>,
    /// What its arguments accept beyond their types.
    pub(crate) leniency: Leniency,
    /// It is selected if all switches of one of these hold; always, if there are none.
    conditions: Vec<Vec<Switch>>,
}

/// What values of a type are.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A scalar.
    Scalar(Scalar),
    /// One of these words.
    Enum(Vec<String>),
    /// An object.
    Object(Selection),
    /// Whatever introspection answers.
    Json,
    /// An interface or a union. Nothing that is served yet has values of one.
    Abstract,
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `__typename`.
    TypeName,
    /// The attribute of the same name.
    Attribute,
    /// `_version`.
    Version,
    /// `_lastChangedAt`.
    LastChangedAt,
    /// `_deleted`.
    Deleted,
    /// The records of a page.
    Items,
    /// `nextToken` of a page.
    NextToken,
    /// `startedAt` of a page.
    StartedAt,
    /// A relation; whether only the key of its target is asked for (`errata.md` row 6).
    Relation {
        /// The selection holds nothing but key fields, `_deleted` and `__typename`.
        key_only: bool,
    },
    /// A root field.
    Root(Resolver),
    /// `getX(id: $id)` on a model without `id` in its key (`errata.md` row 55): null while the variable is unset, else
    /// the error it deserves.
    KeylessGet {
        /// The variable that should have no value.
        variable: String,
        /// The message if it has one.
        complaint: String,
    },
    /// `__schema` or `__type`.
    Introspection,
    /// Always null.
    Nothing,
    /// Null, and an error that says what is not served yet.
    Unserved(&'static str),
}

impl Plan {
    /// The variables that decide what is selected.
    pub(crate) fn switches(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.switches(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Selection {
    fn switches<'s>(&'s self, names: &mut Vec<&'s str>) {
        for field in &self.fields {
            let switches = field.conditions.iter().flatten();
            names.extend(switches.map(|switch| switch.variable.as_str()));
            if let Some(below) = field.selection() {
                below.switches(names);
            }
        }
    }
}

/// An argument of a field.
#[derive(Debug)]
pub(crate) struct Argument {
    definition: InputField,
    given: Option<Literal>,
}

/// `@include` or `@skip` with a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Switch {
    variable: String,
    /// The value that lets the field in.
    wanted: bool,
}

impl Field {
    /// Whether the request selects it.
    pub(crate) fn selected(&self, variables: &Variables) -> bool {
        let holds =
            |switch: &Switch| variables.get(&switch.variable) == Some(&Value::Bool(switch.wanted));
        self.conditions.is_empty() || self.conditions.iter().any(|all| all.iter().all(holds))
    }

    /// The selection below it, if its values are objects.
    pub(crate) fn selection(&self) -> Option<&Selection> {
        match &self.shape {
            Shape::Object(selection) => Some(selection),
            Shape::Scalar(_) | Shape::Enum(_) | Shape::Json | Shape::Abstract => None,
        }
    }

    /// Its coerced arguments: only what was given, and defaults.
    pub(crate) fn arguments(
        &self,
        inputs: Inputs<'_>,
        variables: &Variables,
    ) -> Result<Arguments, Fault> {
        let mut coerced = Arguments::new();
        for argument in &self.arguments {
            let given = argument.given.as_ref();
            if let Some(value) = given.and_then(|literal| json(literal, variables)) {
                let InputField { name, ty, .. } = &argument.definition;
                coerced.insert(
                    name.clone(),
                    inputs.coerce(ty, &value, name, self.leniency)?,
                );
            }
        }
        let definitions = self.arguments.iter().map(|argument| &argument.definition);
        fill(definitions.map(|field| (&field.name, field)), &mut coerced)?;
        Ok(coerced)
    }
}
