//! `@hasOne`: one record of another model, by its key or, with `references`, by the fields that refer back.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::draft::Draft;
use crate::schema::model::{Relation, RelationKind, Via};
use crate::schema::naming;
use crate::schema::relations::{self, By, Edge, References};

/// See the module.
pub(crate) const HAS_ONE: Directive = Directive {
    name: "hasOne",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[
        Parameter::optional("fields", Shape::Texts),
        Parameter::optional("references", Shape::Texts),
    ],
};

/// Makes the relation, and its foreign key on the owner if no fields are named.
pub(crate) fn connect(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    problems: &mut Problems,
) -> Option<Relation> {
    relations::not_mutual(draft, edge, problems);
    let via = match relations::by(edge, problems)? {
        By::Implicit => Via::Key(own_foreign_key(draft, edge)),
        By::Fields(fields) => {
            let key = draft.key(&edge.target.name);
            Via::Key(relations::matched_fields(
                draft, edge, &fields, &key, problems,
            )?)
        }
        By::References(references) => by_references(draft, edge, &references, problems)?,
    };
    Some(edge.relation(RelationKind::HasOne, via))
}

/// The foreign key on the owner's side: one field for each field of the target's key.
pub(crate) fn own_foreign_key(draft: &mut Draft<'_>, edge: &Edge<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (key_field, base) in draft.referred_key(&edge.target.name) {
        let name = naming::foreign_key(&edge.owner.name, &edge.field.name, &key_field);
        draft.add_foreign_key(
            &edge.owner.name,
            &name,
            base,
            edge.field.ty.required,
            edge.field.span,
        );
        names.push(name);
    }
    names
}

/// Through an index of the target over the fields that refer to our key.
pub(crate) fn by_references(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    references: &[(&str, Span)],
    problems: &mut Problems,
) -> Option<Via> {
    let sides = References {
        parent: edge.owner,
        child: edge.target,
        counterpart: &["belongsTo"],
    };
    let names = relations::matched_references(draft, edge, &sides, references, problems)?;
    let index = naming::relation_index(&edge.owner.name, &edge.field.name);
    let target = draft.models.get(&edge.target.name)?;
    if target.index(&index).is_some() {
        problems.error(
            "relation-index-taken",
            edge.applied.span,
            format!(
                "`{}` has an index `{index}` already, which is the one of this relation.",
                target.name
            ),
            "Give that index another name.",
        );
        return None;
    }
    draft.add_index(&edge.target.name, &index, &names);
    let key = draft.key(&edge.owner.name);
    Some(Via::Index(
        index,
        key.into_iter().map(|(name, _)| name).collect(),
    ))
}
