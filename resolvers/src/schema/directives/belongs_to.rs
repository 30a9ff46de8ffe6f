//! `@belongsTo`: the other side of `@hasOne` or `@hasMany`.

use super::{Directive, Parameter, Shape, Site, has_one};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, FieldNode};
use crate::schema::draft::Draft;
use crate::schema::model::{Relation, RelationKind, Via};
use crate::schema::naming;
use crate::schema::relations::{self, By, Edge, References};

/// See the module.
pub(crate) const BELONGS_TO: Directive = Directive {
    name: "belongsTo",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[
        Parameter::optional("fields", Shape::Texts),
        Parameter::optional("references", Shape::Texts),
    ],
};

/// Makes the relation. Without fields it goes by the foreign key of the `@hasMany` that leads here, or else by its own.
pub(crate) fn connect(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    problems: &mut Problems,
) -> Option<Relation> {
    let Some((other, their)) = counterpart(edge) else {
        problems.error(
            "relation-one-sided",
            edge.applied.span,
            format!(
                "`{}` has no `@hasOne` or `@hasMany` back to `{}`.",
                edge.target.name, edge.owner.name
            ),
            format!(
                "Add a field of type `[{}]` with `@hasMany` to `{}`, or use `@hasOne` here.",
                edge.owner.name, edge.target.name
            ),
        );
        return None;
    };
    let fields = match relations::by(edge, problems)? {
        By::Fields(fields) => {
            let key = draft.key(&edge.target.name);
            relations::matched_fields(draft, edge, &fields, &key, problems)?
        }
        By::References(references) => {
            let sides = References {
                parent: edge.target,
                child: edge.owner,
                counterpart: &["hasMany", "hasOne"],
            };
            relations::matched_references(draft, edge, &sides, &references, problems)?
        }
        By::Implicit => implicit(draft, edge, other, their, problems)?,
    };
    partial_key(draft, edge, &fields, problems);
    Some(edge.relation(RelationKind::BelongsTo, Via::Key(fields)))
}

/// The first field of the target that leads here.
fn counterpart<'a>(edge: &Edge<'a>) -> Option<(&'a FieldNode, &'a Applied)> {
    edge.target.fields.iter().find_map(|field| {
        let applied = relations::relation_of(field)?;
        let leads_here = field.ty.base == edge.owner.name;
        let forward = matches!(applied.name.as_str(), "hasOne" | "hasMany");
        (leads_here && forward).then_some((field, applied))
    })
}

fn implicit(
    draft: &mut Draft<'_>,
    edge: &Edge<'_>,
    other: &FieldNode,
    their: &Applied,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    for word in ["references", "fields"] {
        let explicit = their.argument(word).is_some_and(|value| !value.is_null());
        if !explicit || (word == "fields" && their.name != "hasMany") {
            continue;
        }
        let message = format!(
            "`{}.{}` names its `{word}`, but `{}` does not",
            edge.target.name,
            other.name,
            edge.name()
        );
        let help = format!(
            "Name the fields of `{}` that hold the key of `{}` with `{word}`.",
            edge.owner.name, edge.target.name
        );
        let (code, span) = ("relation-fields-missing", edge.applied.span);
        if word == "references" {
            problems.error(code, span, format!("{message}."), help);
            return None;
        }
        // The original looks for a foreign key that nobody makes.
        problems.warning(code, span, format!("{message}: it is always null."), help);
    }
    if their.name == "hasOne" {
        return Some(has_one::own_foreign_key(draft, edge));
    }
    let key = draft.key(&edge.target.name);
    Some(
        key.iter()
            .map(|(name, _)| naming::foreign_key(&edge.target.name, &other.name, name))
            .collect(),
    )
}

/// One field for a key of several finds the first record only; say so.
fn partial_key(draft: &Draft<'_>, edge: &Edge<'_>, fields: &[String], problems: &mut Problems) {
    let key = draft.key(&edge.target.name);
    if fields.len() < key.len() {
        let names: Vec<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
        problems.warning(
            "relation-partial-key",
            edge.applied.span,
            format!(
                "`{}` names only a part of the key of `{}`.",
                edge.name(),
                edge.target.name
            ),
            format!("Name one field for each of {}.", names.join(", ")),
        );
    }
}
