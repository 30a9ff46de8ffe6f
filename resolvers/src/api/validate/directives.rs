//! `@include` and `@skip`; there are no other directives in documents.

use std::collections::HashSet;

use async_graphql::Positioned;
use async_graphql::parser::types::Directive;

use super::super::coerce::Leniency;
use super::super::types::{InputField, TypeRef};
use super::{Rule, Validator};

/// Where a directive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Operation,
    FragmentDefinition,
    Selection,
}

impl<'a> Validator<'a> {
    pub(super) fn directives(&mut self, directives: &'a [Positioned<Directive>], place: Place) {
        let mut seen = HashSet::new();
        for directive in directives {
            let name = directive.node.name.node.as_str();
            if !matches!(name, "include" | "skip") {
                self.report(
                    Rule::UnknownDirective,
                    format!("Unknown directive {name}"),
                    directive.pos,
                );
            } else if place != Place::Selection {
                self.report(
                    Rule::MisplacedDirective,
                    format!("Directive {name} not allowed here"),
                    directive.pos,
                );
            } else if !seen.insert(name) {
                let detail = format!("Non repeatable directive {name} used more than once");
                self.report(Rule::DuplicateDirectiveName, detail, directive.pos);
            } else {
                self.switch(directive);
            }
        }
    }

    /// The argument of `@include` or `@skip`.
    fn switch(&mut self, directive: &'a Positioned<Directive>) {
        let argument = InputField {
            name: "if".to_owned(),
            ty: TypeRef::NonNull(Box::new(TypeRef::Named("Boolean".to_owned()))),
            default: None,
        };
        let mut given = false;
        for (name, value) in &directive.node.arguments {
            if name.node == "if" {
                given = true;
                self.argument(&argument, value, Leniency::default());
            } else {
                let detail = format!("Unknown directive argument {}", name.node);
                self.report(Rule::UnknownArgument, detail, name.pos);
            }
        }
        if !given {
            self.report(
                Rule::MissingDirectiveArgument,
                "Missing directive argument if",
                directive.pos,
            );
        }
    }
}
