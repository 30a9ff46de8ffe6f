//! `@index(name: "…", sortKeyFields: […], queryField: "…")`: another way to find records, ordered by its sort fields.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::TypeNode;
use crate::schema::document::{Applied, FieldNode, Value};
use crate::schema::draft::DEFAULT_LIMIT;
use crate::schema::model::{Index, Model};
use crate::schema::overrides::{Overrides, plural_of};
use crate::schema::source::is_name;
use crate::schema::{keys, naming};

/// See the module.
pub(crate) const INDEX: Directive = Directive {
    name: "index",
    sites: &[Site::ModelField],
    repeatable: true,
    parameters: &[
        Parameter::optional("name", Shape::Text),
        Parameter::optional("sortKeyFields", Shape::Texts),
        Parameter::optional("queryField", Shape::Text),
        Parameter::optional(
            "projection",
            Shape::Object(&[
                Parameter::optional("type", Shape::Word(&["ALL", "KEYS_ONLY", "INCLUDE"])),
                Parameter::optional("nonKeyAttributes", Shape::Texts),
            ]),
        ),
    ],
};

/// Adds the indexes its fields name to the model.
pub(crate) fn apply(
    node: &TypeNode,
    overrides: &Overrides,
    model: &mut Model,
    problems: &mut Problems,
) {
    let plural = plural_of(overrides, &node.name);
    for field in &node.fields {
        for applied in field.directives.iter().filter(|d| d.name == INDEX.name) {
            if let Some(index) = read(model, &plural, field, applied, problems) {
                model.indexes.push(index);
            }
        }
    }
}

fn read(
    model: &Model,
    plural: &str,
    field: &FieldNode,
    applied: &Applied,
    problems: &mut Problems,
) -> Option<Index> {
    let sort = applied.texts("sortKeyFields").unwrap_or_default();
    let key = keys::checked(
        model,
        (&field.name, field.span),
        &sort,
        "The index",
        problems,
    )?;
    let automatic = naming::index_query(plural, &key);
    let name = name(model, applied, &automatic, problems)?;
    projection(applied, problems);
    if key.sort.len() > 1 && !is_name(&format!("_{name}")) {
        problems.error(
            "index-name",
            applied.span,
            format!("The index `{name}` has several sort fields, whose types are named after it."),
            "Use letters, digits and `_` only.",
        );
        return None;
    }
    if model.custom_key && key.partition == model.key.partition && model.key.sort.is_empty() {
        problems.error(
            "index-same-as-key",
            applied.span,
            format!("The index `{name}` begins with the primary key `{}`, which already finds a single record.", key.partition),
            "Remove it, or give the primary key sort fields.",
        );
        return None;
    }
    Some(Index {
        name,
        query_field: query_field(applied, automatic, problems),
        key,
        default_limit: DEFAULT_LIMIT,
        declared: true,
    })
}

/// What an index holds changes nothing here, as every index leads to the whole record.
fn projection(applied: &Applied, problems: &mut Problems) {
    let Some(given) = applied.argument("projection") else {
        return;
    };
    let include = given.get("type").and_then(Value::word) == Some("INCLUDE");
    let attributes = given.get("nonKeyAttributes").and_then(Value::items);
    if include && attributes.is_none_or(<[_]>::is_empty) {
        problems.error(
            "index-projection",
            given.span,
            "The projection INCLUDE does not say which fields.",
            "Add `nonKeyAttributes: [\"…\"]`, or use ALL.",
        );
    }
}

/// The name: given, or else (also if an empty one is) the one of the query.
fn name(
    model: &Model,
    applied: &Applied,
    automatic: &str,
    problems: &mut Problems,
) -> Option<String> {
    let given = applied
        .argument("name")
        .filter(|name| name.text() != Some(""));
    let span = given.map_or(applied.span, |value| value.span);
    let name = match given {
        None => automatic,
        Some(value) => match value.text() {
            Some(text) if well_formed(text) => text,
            Some(_) => {
                problems.error(
                    "index-name",
                    span,
                    "An index cannot have this name.",
                    "Use 3 to 255 letters, digits, `_`, `-` and `.`.",
                );
                return None;
            }
            None if value.is_null() => {
                problems.error(
                    "index-name",
                    span,
                    "The name of an index cannot be null.",
                    "Leave `name` out, and the index is named after its query.",
                );
                return None;
            }
            None => return None,
        },
    };
    if model.index(name).is_some() {
        problems.error(
            "index-duplicate",
            span,
            format!("`{}` has an index `{name}` already.", model.name),
            "Give one of them another name.",
        );
        return None;
    }
    Some(name.to_owned())
}

fn well_formed(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The query: given, switched off with `null`, or named after the fields, also if the name is empty.
fn query_field(applied: &Applied, automatic: String, problems: &mut Problems) -> Option<String> {
    let Some(given) = applied.argument("queryField") else {
        return Some(automatic);
    };
    let name = given.text()?;
    if name.is_empty() {
        return Some(automatic);
    }
    if !is_name(name) {
        problems.error(
            "operation-name",
            given.span,
            format!("`{name}` cannot be the name of a query."),
            "Use letters, digits and `_`, not beginning with a digit.",
        );
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::{codes, model};

    #[test]
    fn an_index_is_named_and_queried_as_told_or_after_its_fields() {
        let person = model(
            r#"type Person @model {
                last: String! @index(sortKeyFields: ["first"])
                first: String!
                team: ID @index(name: "", queryField: null)
                nick: String @index(queryField: "")
                city: String @index(name: "byCity", queryField: "peopleIn") @index(name: "byCityAndTeam", sortKeyFields: "team")
            }"#,
            "Person",
        );
        let found: Vec<_> = person
            .indexes
            .iter()
            .map(|index| {
                let fields: Vec<&str> = index.key.fields().collect();
                (
                    index.name.as_str(),
                    fields.join(","),
                    index.query_field.as_deref(),
                )
            })
            .collect();
        let expected = [
            (
                "peopleByLastAndFirst",
                "last,first",
                Some("peopleByLastAndFirst"),
            ),
            ("peopleByTeam", "team", None),
            ("peopleByNick", "nick", Some("peopleByNick")),
            ("byCity", "city", Some("peopleIn")),
            ("byCityAndTeam", "city,team", Some("peopleByCityAndTeam")),
        ]
        .map(|(name, fields, query)| (name, fields.to_owned(), query));
        assert_eq!(found, expected);
    }

    #[test]
    fn indexes_that_cannot_be_are_refused() {
        for (fields, code) in [
            (
                "a: ID @index(name: \"byA\", sortKeyFields: [\"zz\"])",
                "key-unknown-field",
            ),
            (
                "a: ID @index(name: \"byA\") b: ID @index(name: \"byA\")",
                "index-duplicate",
            ),
            ("a: Boolean @index(name: \"byA\")", "key-boolean"),
            ("a: ID @index(name: \"x\")", "index-name"),
            ("a: ID @index(name: null)", "index-name"),
            ("a: ID @index(name: \"by A!\")", "index-name"),
            (
                "a: ID! @primaryKey @index(name: \"byA\")",
                "index-same-as-key",
            ),
            (
                "a: ID @index(name: \"byA\", queryField: \"1st\")",
                "operation-name",
            ),
            (
                "a: ID @index(name: \"byA\", queryField: \"listAS\")",
                "duplicate-operation",
            ),
        ] {
            assert_eq!(
                codes(&format!("type A @model {{ {fields} }}")),
                [code],
                "{fields}"
            );
        }
    }
}
