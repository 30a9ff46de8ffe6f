//! `@searchable(queries: { search: "…" })`: a search query for the model's records.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{TypeNode, Value};
use crate::schema::model::Model;
use crate::schema::overrides::{self, Overrides};
use crate::schema::source::is_name;
use crate::schema::{naming, plural};

/// See the module.
pub(crate) const SEARCHABLE: Directive = Directive {
    name: "searchable",
    sites: &[Site::Model],
    repeatable: false,
    parameters: &[Parameter::optional(
        "queries",
        Shape::Object(&[Parameter::optional("search", Shape::Text)]),
    )],
};

/// Names the model's search query. Switching it off is nothing the original can do either.
pub(crate) fn apply(
    node: &TypeNode,
    overrides: &Overrides,
    model: &mut Model,
    problems: &mut Problems,
) {
    let Some(applied) = node.directive(SEARCHABLE.name) else {
        return;
    };
    let queries = applied.argument("queries");
    let given = queries.and_then(|queries| queries.get("search"));
    let off =
        queries.is_some() && given.is_none_or(|name| name.is_null() || name.text() == Some(""));
    let name = given.and_then(Value::text);
    if off {
        problems.error(
            "searchable-off",
            applied.span,
            format!("`{}` is searchable, but without a query.", node.name),
            "Remove `@searchable`, or name the query.",
        );
        return;
    }
    if let (Some(name), Some(value)) = (name, given)
        && !is_name(name)
    {
        problems.error(
            "operation-name",
            value.span,
            format!("`{name}` cannot be the name of a query."),
            "Use letters, digits and `_`, not beginning with a digit.",
        );
        return;
    }
    let automatic = || {
        // Unlike for lists, the plural is that of the name in upper case.
        let plural = overrides::given(overrides, &node.name).map(str::to_owned);
        let plural = plural.unwrap_or_else(|| plural::plural(&naming::upper_first(&node.name)));
        naming::search_query(&plural)
    };
    let name = name.map_or_else(automatic, str::to_owned);
    model.operations.search = Some(name);
}
