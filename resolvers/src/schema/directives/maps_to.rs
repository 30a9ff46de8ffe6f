//! `@mapsTo(name: "…")`: the name a model had when its records were first stored.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Document, TypeNode};
use crate::schema::model::Model;
use crate::schema::source::is_name;

/// See the module.
pub(crate) const MAPS_TO: Directive = Directive {
    name: "mapsTo",
    sites: &[Site::Model],
    repeatable: false,
    parameters: &[Parameter::required("name", Shape::Text)],
};

/// Takes over the name.
pub(crate) fn apply(
    node: &TypeNode,
    document: &Document,
    model: &mut Model,
    problems: &mut Problems,
) {
    let Some(value) = node
        .directive(MAPS_TO.name)
        .and_then(|applied| applied.argument("name"))
    else {
        return;
    };
    let Some(name) = value.text() else {
        return;
    };
    if document.places.contains_key(name) || !is_name(name) {
        problems.error(
            "maps-to-name",
            value.span,
            format!("`{}` cannot be what was called `{name}`.", node.name),
            "Write the name the model had, which no type of the schema has now.",
        );
        return;
    }
    if let Some(other) = taker(node, name, document) {
        problems.error(
            "maps-to-taken",
            value.span,
            format!(
                "`{}` cannot be what was called `{name}`: `{other}` is.",
                node.name
            ),
            "Records belong to one model. Leave `@mapsTo` to one of the two.",
        );
        return;
    }
    model.maps_to = Some(name.to_owned());
}

/// A model before this one that says it had the same name.
fn taker<'a>(node: &TypeNode, name: &str, document: &'a Document) -> Option<&'a str> {
    let before = document
        .types
        .values()
        .take_while(|other| other.name != node.name);
    before
        .filter(|other| {
            let applied = other.directive(MAPS_TO.name);
            applied
                .and_then(|it| it.argument("name"))
                .and_then(|it| it.text())
                == Some(name)
        })
        .map(|other| other.name.as_str())
        .next()
}
