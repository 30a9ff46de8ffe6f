//! What types are made of: fields, arguments, enum values, directives.

use std::collections::HashSet;

use async_graphql::parser::types as ast;
use async_graphql::{Positioned, Value as ConstValue};

use super::{Reader, span};
use crate::schema::diagnostic::Span;
use crate::schema::document::{Applied, Argument, DeclaredType, FieldNode, Value};
use crate::schema::model::{Deprecation, ElementsRequired, EnumType};

/// Lists in lists deeper than this are a mistake.
const MAX_LISTS: usize = 4;

impl Reader<'_> {
    pub(super) fn object_fields(
        &mut self,
        type_name: &str,
        fields: Vec<Positioned<ast::FieldDefinition>>,
        known: &[String],
    ) -> Vec<FieldNode> {
        let mut seen: HashSet<String> = known.iter().cloned().collect();
        let mut nodes = Vec::new();
        for field in fields {
            let field = field.node;
            let (name, at) = (field.name.node.to_string(), span(&field.name));
            let arguments = self.input_fields(&format!("{type_name}.{name}"), field.arguments, &[]);
            if self.is_new(&mut seen, "duplicate-field", type_name, &name, at)
                && let Some(ty) = self.field_type(&field.ty)
            {
                nodes.push(FieldNode {
                    ty,
                    directives: self.directives(field.directives),
                    description: field.description.map(|d| d.node),
                    arguments,
                    default: None,
                    span: at,
                    name,
                    extends: false,
                });
            }
        }
        nodes
    }

    pub(super) fn input_fields(
        &mut self,
        type_name: &str,
        fields: Vec<Positioned<ast::InputValueDefinition>>,
        known: &[String],
    ) -> Vec<FieldNode> {
        let mut seen: HashSet<String> = known.iter().cloned().collect();
        let mut nodes = Vec::new();
        for field in fields {
            let field = field.node;
            let (name, at) = (field.name.node.to_string(), span(&field.name));
            if self.is_new(&mut seen, "duplicate-field", type_name, &name, at)
                && let Some(ty) = self.field_type(&field.ty)
            {
                nodes.push(FieldNode {
                    ty,
                    directives: self.directives(field.directives),
                    description: field.description.map(|d| d.node),
                    arguments: Vec::new(),
                    default: field.default_value.map(|value| self.value(&value)),
                    span: at,
                    name,
                    extends: false,
                });
            }
        }
        nodes
    }

    /// Adds the values to an enum.
    pub(super) fn enum_values(
        &mut self,
        declared: &mut EnumType,
        values: Vec<Positioned<ast::EnumValueDefinition>>,
    ) {
        let mut seen: HashSet<String> = declared.values.iter().cloned().collect();
        for value in values {
            let (name, at) = (value.node.value.node.to_string(), span(&value.node.value));
            if !self.is_new(&mut seen, "duplicate-enum-value", &declared.name, &name, at) {
                continue;
            }
            self.no_directives_but_deprecated(&value.node.directives, "an enum value");
            let deprecated = value
                .node
                .directives
                .iter()
                .find(|directive| directive.node.name.node == "deprecated");
            if let Some(directive) = deprecated {
                let reason = directive.node.get_argument("reason");
                let reason = reason.and_then(|reason| match &reason.node {
                    ConstValue::String(text) => Some(text.clone()),
                    _ => None,
                });
                declared
                    .deprecated
                    .insert(name.clone(), Deprecation { reason });
            }
            declared.values.push(name);
        }
    }

    fn is_new(
        &mut self,
        seen: &mut HashSet<String>,
        code: &'static str,
        owner: &str,
        name: &str,
        at: Span,
    ) -> bool {
        let new = seen.insert(name.to_owned());
        if !new {
            self.problems.error(
                code,
                at,
                format!("`{owner}.{name}` is declared twice."),
                "Remove one of the two.",
            );
        }
        new
    }

    fn field_type(&mut self, ty: &Positioned<ast::Type>) -> Option<DeclaredType> {
        let mut levels = Vec::new();
        let mut at = &ty.node.base;
        let base = loop {
            match at {
                ast::BaseType::Named(name) => break name.to_string(),
                ast::BaseType::List(inner) => {
                    levels.push(ElementsRequired(!inner.nullable));
                    at = &inner.base;
                }
            }
        };
        if levels.len() > MAX_LISTS {
            self.problems.error(
                "nested-list",
                span(ty),
                format!(
                    "`{}` has more than {MAX_LISTS} lists in each other.",
                    ty.node
                ),
                "Use a list of a type that has a list field, or `AWSJSON`.",
            );
            return None;
        }
        let mut levels = levels.into_iter();
        Some(DeclaredType {
            span: span(ty),
            base,
            list: levels.next(),
            inner: levels.collect(),
            required: !ty.node.nullable,
        })
    }

    pub(super) fn no_directives(
        &mut self,
        directives: &[Positioned<ast::ConstDirective>],
        on: &str,
    ) {
        for directive in directives {
            self.problems.error(
                "directive-misplaced",
                span(directive),
                format!("`@{}` may not stand on {on}.", directive.node.name.node),
                "Remove it.",
            );
        }
    }

    pub(super) fn no_directives_but_deprecated(
        &mut self,
        directives: &[Positioned<ast::ConstDirective>],
        on: &str,
    ) {
        for directive in directives {
            if directive.node.name.node != "deprecated" {
                self.no_directives(std::slice::from_ref(directive), on);
            }
        }
    }

    pub(super) fn directives(
        &mut self,
        directives: Vec<Positioned<ast::ConstDirective>>,
    ) -> Vec<Applied> {
        directives
            .into_iter()
            .map(|directive| Applied {
                span: span(&directive),
                name: directive.node.name.node.to_string(),
                arguments: directive
                    .node
                    .arguments
                    .iter()
                    .map(|(name, value)| Argument {
                        name: name.node.to_string(),
                        span: span(name),
                        value: self.value(value),
                    })
                    .collect(),
            })
            .collect()
    }

    fn value(&mut self, value: &Positioned<ConstValue>) -> Value {
        let place = self.places.of(span(value));
        for (name, at) in place.repeated() {
            self.problems.error(
                "duplicate-argument",
                *at,
                format!("`{name}` is given twice."),
                "Remove one of the two.",
            );
        }
        Value::located(&value.node, &place)
    }
}
