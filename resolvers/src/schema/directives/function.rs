//! `@function(name: "…")`: a function of the user's answers the field (`transformer` 9).

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, Document, TypeNode, Value};
use crate::schema::model::{Function, Scalar};

/// See the module.
pub(crate) const FUNCTION: Directive = Directive {
    name: "function",
    sites: &[Site::ModelField, Site::TypeField, Site::RootField],
    repeatable: true,
    parameters: &[
        Parameter::required("name", Shape::Text),
        Parameter::optional("region", Shape::Text),
        Parameter::optional("accountId", Shape::Text),
        Parameter::optional("invocationType", Shape::Word(&["RequestResponse", "Event"])),
    ],
};

/// What a field whose function is only told has to answer.
const RESPONSE: &str = "EventInvocationResponse";

/// The function of a directive.
pub(crate) fn read(applied: &Applied) -> Option<Function> {
    Some(Function {
        name: applied.text("name")?.to_owned(),
        region: applied.text("region").map(str::to_owned),
        account: applied.text("accountId").map(str::to_owned),
        event: is_event(applied),
    })
}

fn is_event(applied: &Applied) -> bool {
    applied.argument("invocationType").and_then(Value::word) == Some("Event")
}

/// Functions that are told and not waited for answer one thing only.
pub(crate) fn check(document: &Document, problems: &mut Problems) {
    for node in document.types.values() {
        for field in &node.fields {
            let mut functions = field.directives.iter().filter(|d| d.name == FUNCTION.name);
            let Some(applied) = functions.find(|applied| is_event(applied)) else {
                continue;
            };
            if !matches!(node.name.as_str(), "Query" | "Mutation") {
                problems.error(
                    "function-event",
                    applied.span,
                    format!(
                        "`{}.{}` cannot have `invocationType: Event`.",
                        node.name, field.name
                    ),
                    "Use it on fields of `Query` and `Mutation`, or remove the argument.",
                );
            }
            // What the last function says is what the field answers.
            let last = field
                .directives
                .iter()
                .rev()
                .find(|d| d.name == FUNCTION.name);
            if last.is_some_and(is_event) {
                let ty = &field.ty;
                let fits = ty.base == RESPONSE && ty.list.is_none() && !ty.required;
                if !fits || !document.types.get(RESPONSE).is_some_and(is_response) {
                    problems.error(
                        "function-event-response",
                        ty.span,
                        format!("`{}.{}` is told and not waited for, so it has no other answer than `{RESPONSE}`.", node.name, field.name),
                        format!("Write `{}: {RESPONSE}`, and add `type {RESPONSE} {{ success: Boolean! }}`.", field.name),
                    );
                }
            }
        }
    }
}

fn is_response(node: &TypeNode) -> bool {
    matches!(node.fields.as_slice(), [field] if field.name == "success"
        && field.ty.base == Scalar::Boolean.name() && field.ty.required && field.ty.list.is_none())
}
