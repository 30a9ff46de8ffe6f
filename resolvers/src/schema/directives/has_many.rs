//! `@hasMany`: a connection to the records of another model that hold our key.

use super::{Directive, Parameter, Shape, Site, has_one};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::Applied;
use crate::schema::draft::{DEFAULT_LIMIT, Draft, base_of};
use crate::schema::model::{Relation, RelationKind, Via};
use crate::schema::naming;
use crate::schema::relations::{self, By, Edge};
use crate::schema::suggestion::did_you_mean;

/// See the module.
pub(crate) const HAS_MANY: Directive = Directive {
    name: "hasMany",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[
        Parameter::optional("indexName", Shape::Text),
        Parameter::optional("fields", Shape::Texts),
        Parameter::optional("references", Shape::Texts),
        Parameter::optional("limit", Shape::Whole),
    ],
};

/// Makes the relation, with its foreign key and index on the target if no fields are named.
pub(crate) fn connect(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    problems: &mut Problems,
) -> Option<Relation> {
    relations::not_mutual(draft, edge, problems);
    let by = relations::by(edge, problems)?;
    let index = edge.applied.text("indexName");
    let via = match (by, index) {
        (By::References(_), Some(_)) => {
            problems.error(
                "relation-index-and-references",
                edge.applied.span,
                format!("`{}` has both `indexName` and `references`.", edge.name()),
                "Remove `indexName`: the index is made.",
            );
            return None;
        }
        (By::References(references), None) => {
            has_one::by_references(draft, edge, &references, problems)?
        }
        (By::Fields(fields), Some(index)) => by_index(draft, edge, index, &fields, problems)?,
        (By::Fields(fields), None) => {
            let key = draft.key(&edge.target.name);
            Via::Key(relations::matched_fields(
                draft, edge, &fields, &key, problems,
            )?)
        }
        (By::Implicit, Some(index)) => by_our_key(draft, edge, index, problems)?,
        (By::Implicit, None) => implicit(draft, edge),
    };
    let limit = limit(edge.applied, problems);
    Some(Relation {
        default_limit: limit,
        ..edge.relation(RelationKind::HasMany, via)
    })
}

/// The page size a connection has unless the client names one.
pub(crate) fn limit(applied: &Applied, problems: &mut Problems) -> usize {
    let Some((value, number)) = applied
        .argument("limit")
        .and_then(|value| Some((value, value.whole()?)))
    else {
        return DEFAULT_LIMIT;
    };
    match usize::try_from(number) {
        Ok(limit) if limit > 0 => limit,
        _ => {
            problems.error(
                "relation-limit",
                value.span,
                format!("A page of {number} records holds nothing."),
                "Write a number of at least 1, or leave `limit` out.",
            );
            DEFAULT_LIMIT
        }
    }
}

fn by_index(
    draft: &Draft<'_>,
    edge: &Edge<'_>,
    name: &str,
    fields: &[(&str, Span)],
    problems: &mut Problems,
) -> Option<Via> {
    let target = draft.models.get(&edge.target.name)?;
    let Some(index) = target.index(name) else {
        let names = target.indexes.iter().map(|index| index.name.as_str());
        let span = edge
            .applied
            .argument("indexName")
            .map_or(edge.applied.span, |value| value.span);
        problems.error(
            "relation-unknown-index",
            span,
            format!("`{}` has no index `{name}`.", target.name),
            did_you_mean(name, names, "Add `@index` to the field that holds our key."),
        );
        return None;
    };
    let key: Vec<_> = index
        .key
        .fields()
        .map(|field| (field.to_owned(), base_of(target, field)))
        .collect();
    let fields = relations::matched_fields(draft, edge, fields, &key, problems)?;
    Some(Via::Index(name.to_owned(), fields))
}

/// An index without fields: our key is looked up in it. The foreign key is made all the same, and nothing reads it.
fn by_our_key(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    index: &str,
    problems: &mut Problems,
) -> Option<Via> {
    let key: Vec<String> = draft
        .key(&edge.owner.name)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let fields: Vec<(&str, Span)> = key
        .iter()
        .map(|name| (name.as_str(), edge.applied.span))
        .collect();
    let via = by_index(draft, edge, index, &fields, problems)?;
    target_foreign_key(draft, edge);
    let quoted: Vec<String> = key.iter().map(|name| format!("\"{name}\"")).collect();
    problems.warning(
        "relation-index-without-fields",
        edge.applied.span,
        format!(
            "`{}` names an index but no fields, so `{}` gets a foreign key that nothing reads.",
            edge.name(),
            edge.target.name
        ),
        format!("Add `fields: [{}]`.", quoted.join(", ")),
    );
    Some(via)
}

fn implicit(draft: &mut Draft<'_>, edge: &Edge<'_>) -> Via {
    let names = target_foreign_key(draft, edge);
    let index = naming::relation_index(&edge.owner.name, &edge.field.name);
    draft.add_index(&edge.target.name, &index, &names);
    let key = draft.key(&edge.owner.name);
    Via::Index(index, key.into_iter().map(|(name, _)| name).collect())
}

/// The foreign key on the target's side, required if the list itself is.
fn target_foreign_key(draft: &mut Draft<'_>, edge: &Edge<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (key_field, base) in draft.referred_key(&edge.owner.name) {
        let name = naming::foreign_key(&edge.owner.name, &edge.field.name, &key_field);
        draft.add_foreign_key(
            &edge.target.name,
            &name,
            base,
            edge.field.ty.required,
            edge.target.span,
        );
        names.push(name);
    }
    names
}
