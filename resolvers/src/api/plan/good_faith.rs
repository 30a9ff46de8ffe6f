//! Introspection in good faith: types lead to their fields, and fields to their types; asked for in turns, the answer
//! grows without bound.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

use super::super::document::{Rejection, location, too_deep, too_many_fields};
use super::super::error::GraphqlError;
use crate::engine::Settings;

/// The fields with many answers; in good faith none is asked for below itself.
const FAN_OUT: [&str; 5] = [
    "types",
    "fields",
    "inputFields",
    "interfaces",
    "possibleTypes",
];

/// Refuses selections on introspection types that fan out twice. `left` is what the document may still select.
pub(super) fn check<'a>(
    document: &'a ExecutableDocument,
    limits: &'a Settings,
    left: &'a mut usize,
    set: &'a SelectionSet,
) -> Result<(), Rejection> {
    let mut walk = Walk {
        document,
        limits,
        left,
        above: Vec::new(),
    };
    walk.selections(set, 0)
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Settings,
    left: &'a mut usize,
    above: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet, depth: usize) -> Result<(), Rejection> {
        if depth > self.limits.depth_limit {
            return Err(too_deep(self.limits));
        }
        for item in &set.items {
            *self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| too_many_fields(self.limits))?;
            match &item.node {
                Selection::Field(field) => self.field(field, depth + 1)?,
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, depth + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        self.selections(&fragment.node.selection_set.node, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Positioned<Field>, depth: usize) -> Result<(), Rejection> {
        let name = field.node.name.node.as_str();
        let inner = &field.node.selection_set.node;
        if !FAN_OUT.contains(&name) {
            return self.selections(inner, depth);
        }
        if self.above.contains(&name) {
            return Err(bad_faith(field));
        }
        self.above.push(name);
        self.selections(inner, depth)?;
        self.above.pop();
        Ok(())
    }
}

fn bad_faith(field: &Positioned<Field>) -> Rejection {
    Rejection::from(GraphqlError {
        path: None,
        data: None,
        error_type: None,
        custom: None,
        locations: Some(vec![location(field.pos)]),
        message: format!(
            "This request is not asking for introspection in good faith: '{}' is selected below itself.",
            field.node.name.node
        ),
    })
}
