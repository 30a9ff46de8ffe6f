//! The directives a schema may use: one file each and one line in [`KNOWN`].
//!
//! Before any directive is read for its meaning, [`check`] makes sure that it exists, stands where it may stand and has
//! the arguments it takes; readers then take what they need and never report shapes again.

pub(crate) mod appsync;
pub(crate) mod auth;
pub(crate) mod belongs_to;
pub(crate) mod default_value;
pub(crate) mod first_generation;
pub(crate) mod function;
pub(crate) mod has_many;
pub(crate) mod has_one;
pub(crate) mod http;
pub(crate) mod index;
pub(crate) mod many_to_many;
pub(crate) mod maps_to;
pub(crate) mod model;
pub(crate) mod primary_key;
mod refused;
pub(crate) mod searchable;
mod shape;
pub(crate) mod validate;

use std::collections::HashSet;

use super::diagnostic::Problems;
use super::document::{Applied, Document, FieldNode, TypeNode};
use super::suggestion::nearest;
use default_value::DEFAULT;
pub(crate) use shape::{Parameter, Shape};

/// A directive that is understood.
pub(crate) struct Directive {
    /// Its name, without `@`.
    pub(crate) name: &'static str,
    /// Where it may stand.
    pub(crate) sites: &'static [Site],
    /// Whether it may stand there several times.
    pub(crate) repeatable: bool,
    /// What it takes.
    pub(crate) parameters: &'static [Parameter],
}

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// On a `@model` type.
    Model,
    /// On an object type that is none.
    Type,
    /// On a field of a `@model` type.
    ModelField,
    /// On a field of another object type.
    TypeField,
    /// On a field of an interface.
    InterfaceField,
    /// On `Query`, `Mutation` or `Subscription`.
    Root,
    /// On a field of one of these.
    RootField,
    /// On an input type.
    Input,
    /// On a field of an input type.
    InputField,
    /// On an argument of a field.
    Argument,
}

impl Site {
    /// The place, for messages: "`@x` may only stand on …".
    fn name(self) -> &'static str {
        match self {
            Site::Model => "`@model` types",
            Site::Type => "object types",
            Site::ModelField => "fields of `@model` types",
            Site::TypeField => "fields of other types",
            Site::InterfaceField => "fields of interfaces",
            Site::Root => "root types",
            Site::RootField => "operations",
            Site::Input => "inputs",
            Site::InputField => "fields of inputs",
            Site::Argument => "arguments",
        }
    }

    fn is_field(self) -> bool {
        matches!(
            self,
            Site::ModelField | Site::TypeField | Site::InterfaceField | Site::RootField
        )
    }
}

/// Every directive that is understood, by name. What is known but not served yet is in [`refused`].
const KNOWN: [&Directive; 22] = [
    &appsync::AWS_API_KEY,
    &appsync::AWS_AUTH,
    &appsync::AWS_COGNITO_USER_POOLS,
    &appsync::AWS_IAM,
    &appsync::AWS_LAMBDA,
    &appsync::AWS_OIDC,
    &appsync::AWS_SUBSCRIBE,
    &appsync::DEPRECATED,
    &auth::AUTH,
    &belongs_to::BELONGS_TO,
    &default_value::DEFAULT,
    &function::FUNCTION,
    &has_many::HAS_MANY,
    &has_one::HAS_ONE,
    &http::HTTP,
    &index::INDEX,
    &many_to_many::MANY_TO_MANY,
    &maps_to::MAPS_TO,
    &model::MODEL,
    &primary_key::PRIMARY_KEY,
    &searchable::SEARCHABLE,
    &validate::VALIDATE,
];

/// Whether a directive of that name is built in.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name) || refused::find(name).is_some()
}

/// The directives that make a field a relation; a field takes one of them.
pub(crate) const RELATIONS: [&str; 4] = ["belongsTo", "hasMany", "hasOne", "manyToMany"];

/// Reports every directive that is unknown, not served, misplaced, repeated or given wrong arguments.
pub(crate) fn check(document: &Document, problems: &mut Problems) {
    for node in document.types.values() {
        let (on_type, on_fields) = if node.is_root() {
            (Site::Root, Site::RootField)
        } else if node.is_model() {
            (Site::Model, Site::ModelField)
        } else {
            (Site::Type, Site::TypeField)
        };
        check_all(&node.directives, on_type, problems);
        check_fields(node, on_fields, problems);
    }
    for node in document.interfaces.values() {
        check_fields(node, Site::InterfaceField, problems);
    }
    for node in document.inputs.values() {
        check_all(&node.directives, Site::Input, problems);
        check_fields(node, Site::InputField, problems);
    }
}

fn check_fields(node: &TypeNode, site: Site, problems: &mut Problems) {
    for field in &node.fields {
        check_all(&field.directives, site, problems);
        for argument in &field.arguments {
            check_all(&argument.directives, Site::Argument, problems);
        }
        one_relation(node, field, problems);
    }
}

fn check_all(applied: &[Applied], site: Site, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for directive in applied {
        match KNOWN.iter().find(|known| known.name == directive.name) {
            Some(known) => {
                let again = !seen.insert(known.name) && !known.repeatable;
                check_one(known, directive, site, again, problems);
            }
            None => unknown(directive, problems),
        }
    }
}

fn check_one(
    known: &Directive,
    applied: &Applied,
    site: Site,
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
    if let Some((message, help)) = misplaced(known, site) {
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

fn misplaced(known: &Directive, site: Site) -> Option<(String, String)> {
    if known.sites.contains(&site) {
        return None;
    }
    let name = known.name;
    let places: Vec<&str> = known.sites.iter().map(|site| site.name()).collect();
    let places = match places.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => places.concat(),
    };
    let message = format!("`@{name}` may only stand on {places}.");
    let help = if name == model::MODEL.name && site == Site::Root {
        "Give the type another name: this one is for operations.".to_owned()
    } else if name == auth::AUTH.name && site == Site::Type {
        "Put the rules on its fields, or on the models that hold it.".to_owned()
    } else if site == Site::TypeField && known.sites.contains(&Site::ModelField)
        || site == Site::Type && known.sites.contains(&Site::Model)
    {
        format!("Add `@model` to the type, or remove `@{name}`.")
    } else if known.sites.iter().any(|site| site.is_field()) {
        "Move it behind the type of the field it is meant for.".to_owned()
    } else {
        "Move it behind the name of the type.".to_owned()
    };
    Some((message, help))
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
