//! The directives a schema may use: one file each and one line in [`KNOWN`].
//!
//! Before any directive is read for its meaning, [`check`] makes sure that it exists, stands where it may stand and has
//! the arguments it takes; readers then take what they need and never report shapes again.

pub(crate) mod auth;
pub(crate) mod belongs_to;
pub(crate) mod default_value;
pub(crate) mod has_many;
pub(crate) mod has_one;
pub(crate) mod index;
pub(crate) mod many_to_many;
pub(crate) mod model;
pub(crate) mod primary_key;
mod refused;
mod shape;

use std::collections::HashSet;

use super::diagnostic::Problems;
use super::document::{Applied, Document, FieldNode, TypeNode};
use super::suggestion::nearest;
pub(crate) use shape::{Parameter, Shape};

/// A directive that is understood.
pub(crate) struct Directive {
    /// Its name, without `@`.
    pub(crate) name: &'static str,
    /// Where it may stand.
    pub(crate) site: Site,
    /// Whether it may stand there several times.
    pub(crate) repeatable: bool,
    /// What it takes.
    pub(crate) parameters: &'static [Parameter],
}

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// On an object type.
    Type,
    /// On a field of a `@model` type.
    ModelField,
}

/// Every directive that is understood, by name. What is known but not served yet is in [`refused`].
const KNOWN: [&Directive; 9] = [
    &auth::AUTH,
    &belongs_to::BELONGS_TO,
    &default_value::DEFAULT,
    &has_many::HAS_MANY,
    &has_one::HAS_ONE,
    &index::INDEX,
    &many_to_many::MANY_TO_MANY,
    &model::MODEL,
    &primary_key::PRIMARY_KEY,
];

/// The directives that make a field a relation; a field takes one of them.
pub(crate) const RELATIONS: [&str; 4] = ["belongsTo", "hasMany", "hasOne", "manyToMany"];

/// Reports every directive that is unknown, not served, misplaced, repeated or given wrong arguments.
pub(crate) fn check(document: &Document, problems: &mut Problems) {
    for node in document.types.values() {
        check_all(&node.directives, Position::Type, problems);
        if node.directive("auth").is_some() && !node.is_model() {
            auth_without_model(node, problems);
        }
        for field in &node.fields {
            let position = if node.is_model() {
                Position::ModelField
            } else {
                Position::PlainField
            };
            check_all(&field.directives, position, problems);
            one_relation(node, field, problems);
        }
    }
    for node in document.inputs.values() {
        check_all(&node.directives, Position::Input, problems);
        for field in &node.fields {
            check_all(&field.directives, Position::Input, problems);
        }
    }
}

/// Where a directive does stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Type,
    ModelField,
    PlainField,
    Input,
}

fn check_all(applied: &[Applied], position: Position, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for directive in applied {
        match KNOWN.iter().find(|known| known.name == directive.name) {
            Some(known) => {
                let again = !seen.insert(known.name) && !known.repeatable;
                check_one(known, directive, position, again, problems);
            }
            None => unknown(directive, problems),
        }
    }
}

fn check_one(
    known: &Directive,
    applied: &Applied,
    position: Position,
    again: bool,
    problems: &mut Problems,
) {
    let name = known.name;
    if again {
        problems.error(
            "directive-repeated",
            applied.span,
            format!("`@{name}` may stand here only once."),
            "Merge the two into one.",
        );
    }
    if let Some((message, help)) = misplaced(known, position) {
        problems.error("directive-misplaced", applied.span, message, help);
        return;
    }
    let mut given = HashSet::new();
    for argument in &applied.arguments {
        if !given.insert(&argument.name) {
            problems.error(
                "duplicate-argument",
                argument.span,
                format!("`@{name}` has two arguments `{}`.", argument.name),
                "Remove one of the two.",
            );
        }
    }
    let what = format!("`@{name}`");
    shape::check_arguments(
        known.parameters,
        &applied.arguments,
        applied.span,
        &what,
        problems,
    );
}

fn misplaced(known: &Directive, position: Position) -> Option<(String, String)> {
    let name = known.name;
    match (known.site, position) {
        (Site::Type, Position::Type) | (Site::ModelField, Position::ModelField) => None,
        (Site::Type, _) if name == "auth" => Some((
            "`@auth` on a field is not served yet.".to_owned(),
            "Put the rules on the type.".to_owned(),
        )),
        (Site::Type, _) => Some((
            format!("`@{name}` stands on types, not on fields or inputs."),
            "Move it behind the name of the type.".to_owned(),
        )),
        (Site::ModelField, Position::PlainField) => Some((
            format!("`@{name}` may only stand on fields of `@model` types."),
            format!("Add `@model` to the type, or remove `@{name}`."),
        )),
        (Site::ModelField, _) => Some((
            format!("`@{name}` stands on fields of `@model` types."),
            "Move it behind the type of the field it is meant for.".to_owned(),
        )),
    }
}

fn unknown(applied: &Applied, problems: &mut Problems) {
    let name = &applied.name;
    if let Some(refused) = refused::find(name) {
        problems.error(
            refused.code,
            applied.span,
            format!("`@{name}` {}.", refused.why),
            refused.help,
        );
        return;
    }
    let names = KNOWN.iter().map(|known| known.name);
    let help = match nearest(name, names) {
        Some(known) => format!("Did you mean `@{known}`?"),
        None => "Remove it, or look for the right name.".to_owned(),
    };
    problems.error(
        "unknown-directive",
        applied.span,
        format!("There is no directive `@{name}`."),
        help,
    );
}

fn auth_without_model(node: &TypeNode, problems: &mut Problems) {
    let span = node.directive("auth").map_or(node.span, |auth| auth.span);
    problems.error(
        "auth-without-model",
        span,
        format!("`{}` has `@auth` but no `@model`.", node.name),
        "Types without `@model` are read and written with the model that holds them; put the rules there.",
    );
}

fn one_relation(node: &TypeNode, field: &FieldNode, problems: &mut Problems) {
    let mut relations = field
        .directives
        .iter()
        .filter(|applied| RELATIONS.contains(&applied.name.as_str()));
    if let (Some(first), Some(second)) = (relations.next(), relations.next())
        && first.name != second.name
    {
        problems.error(
            "relation-repeated",
            second.span,
            format!("`{}.{}` is two relations at once.", node.name, field.name),
            "Keep one of the two directives.",
        );
    }
}
