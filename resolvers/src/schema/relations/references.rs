//! Relations by `references` (Gen 2): the child's fields that hold the parent's key, named alike on both sides.

use super::{Edge, hold_key, relation_of, wrong_count};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{TypeNode, Value};
use crate::schema::draft::Draft;
use crate::schema::model::{Base, Model, Scalar};

/// Which side of a relation by `references` is which.
pub(crate) struct References<'a> {
    /// The model whose key is referred to.
    pub(crate) parent: &'a TypeNode,
    /// The model that has the fields.
    pub(crate) child: &'a TypeNode,
    /// The directives the other side may have.
    pub(crate) counterpart: &'static [&'static str],
}

/// The child's fields that hold the parent's key, checked from either side.
pub(crate) fn matched_references(
    draft: &Draft<'_>,
    edge: &Edge<'_>,
    sides: &References<'_>,
    references: &[(&str, Span)],
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let key = draft.referred_key(&sides.parent.name);
    let child = draft.models.get(&sides.child.name)?;
    let mut fine = hold_key(child, references, &key, same_reference, problems);
    if references.len() != key.len() {
        wrong_count(edge, references, &key, problems);
        fine = false;
    }
    let names: Vec<String> = references
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    fine &= nullable(edge, problems);
    fine &= alike(child, edge, &names, problems);
    (fine && has_counterpart(edge, sides, &names, problems)).then_some(names)
}

/// `ID` and `String` may refer to each other.
fn same_reference(one: &Base, other: &Base) -> bool {
    let text = |base: &Base| matches!(base, Base::Scalar(Scalar::Id | Scalar::String));
    one == other || (text(one) && text(other))
}

/// Relations by references may not be required: nothing makes sure that the other record exists.
fn nullable(edge: &Edge<'_>, problems: &mut Problems) -> bool {
    let ty = &edge.field.ty;
    let required = ty.required || ty.list.is_some_and(|elements| elements.0);
    if required {
        problems.error(
            "relation-required",
            ty.span,
            format!(
                "`{}` has `references`, so it may not be required.",
                edge.name()
            ),
            "Remove the `!`.",
        );
    }
    !required
}

/// The fields of a reference are all there or all missing, so all are required or none is.
fn alike(child: &Model, edge: &Edge<'_>, names: &[String], problems: &mut Problems) -> bool {
    let fields = names.iter().filter_map(|name| child.fields.get(name));
    let (required, nullable): (Vec<_>, Vec<_>) = fields.partition(|field| field.ty.required);
    let (Some(_), Some(field)) = (required.first(), nullable.first()) else {
        return true;
    };
    problems.error(
        "relation-mixed-references",
        edge.applied.span,
        format!(
            "Of the `references` of `{}` some are required and some are not.",
            edge.name()
        ),
        format!(
            "Make all of them required, such as `{}.{}`, or none.",
            child.name, field.name
        ),
    );
    false
}

fn has_counterpart(
    edge: &Edge<'_>,
    sides: &References<'_>,
    names: &[String],
    problems: &mut Problems,
) -> bool {
    let found = edge.target.fields.iter().any(|field| {
        field.ty.base == edge.owner.name
            && relation_of(field).is_some_and(|applied| {
                let theirs = applied.argument("references").and_then(Value::texts);
                sides.counterpart.contains(&applied.name.as_str())
                    && theirs.is_some_and(|theirs| theirs.iter().map(|(name, _)| *name).eq(names))
            })
    });
    if !found {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let directives: Vec<String> = sides
            .counterpart
            .iter()
            .map(|name| format!("`@{name}`"))
            .collect();
        problems.error(
            "relation-one-sided",
            edge.applied.span,
            format!(
                "`{}` has no {} with the same `references` back to `{}`.",
                edge.target.name,
                directives.join(" or "),
                edge.owner.name
            ),
            format!(
                "Add a field of type `{}` with `@{}(references: [{}])` to `{}`.",
                edge.owner.name,
                sides.counterpart[0],
                quoted.join(", "),
                edge.target.name
            ),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::codes;

    fn pair(many: &str, fields: &str, one: &str) -> Vec<&'static str> {
        codes(&format!(
            "type A @model {{ id: ID! bs: {many} }} type B @model {{ {fields} a: {one} }}"
        ))
    }

    #[test]
    fn references_are_the_same_fields_on_both_sides() {
        let many = "[B] @hasMany(references: \"aID\")";
        let one = "A @belongsTo(references: [\"aID\"])";
        assert_eq!(pair(many, "aID: ID", one), [""; 0]);
        assert_eq!(pair(many, "aID: String", one), [""; 0]);
        assert_eq!(pair(many, "aID: Int", one), ["relation-field-type"; 2]);
        assert_eq!(pair(many, "aID: [ID]", one), ["relation-field-type"; 2]);
        assert_eq!(pair(many, "", one), ["relation-unknown-field"; 2]);
        assert_eq!(
            pair(
                many,
                "aID: ID xID: ID",
                "A @belongsTo(references: [\"xID\"])"
            ),
            ["relation-one-sided"; 2]
        );
        assert_eq!(
            pair(many, "aID: ID", "A @belongsTo"),
            ["relation-one-sided", "relation-fields-missing"]
        );
    }

    #[test]
    fn relations_by_references_are_never_required() {
        let one = "A @belongsTo(references: [\"aID\"])";
        for many in ["[B!]", "[B]!"] {
            let many = format!("{many} @hasMany(references: [\"aID\"])");
            assert_eq!(pair(&many, "aID: ID", one), ["relation-required"]);
        }
    }

    #[test]
    fn references_stand_alone_and_cover_the_key() {
        let one = "A @belongsTo(references: [\"aID\"])";
        let with = |arguments: &str| {
            pair(
                &format!("[B] @hasMany({arguments})"),
                "aID: ID @index(name: \"byA\")",
                one,
            )
        };
        assert_eq!(
            with("references: [\"aID\"], fields: [\"id\"]"),
            ["relation-fields-and-references"]
        );
        assert_eq!(
            with("references: [\"aID\"], indexName: \"byA\""),
            ["relation-index-and-references"]
        );
        assert_eq!(
            with("references: []"),
            ["relation-no-fields", "relation-one-sided"]
        );
        assert_eq!(
            with("references: [\"aID\", \"aID\"]"),
            ["relation-field-count", "relation-one-sided"]
        );
    }
}
