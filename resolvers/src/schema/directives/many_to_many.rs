//! `@manyToMany(relationName: "…")`: two lists of each other, through a join model that nobody declares.

use indexmap::IndexMap;

use super::{Directive, Parameter, Shape, Site, auth, has_many};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{Applied, FieldNode, TypeNode};
use crate::schema::draft::{DEFAULT_LIMIT, Draft};
use crate::schema::model::{
    Base, Field, FieldType, Index, KeyFields, Model, Origin, Relation, RelationKind, Scalar, Via,
};
use crate::schema::overrides::plural_of;
use crate::schema::source::is_name;
use crate::schema::{naming, relations};

/// See the module.
pub(crate) const MANY_TO_MANY: Directive = Directive {
    name: "manyToMany",
    sites: &[Site::ModelField],
    repeatable: false,
    parameters: &[
        Parameter::required("relationName", Shape::Text),
        Parameter::optional("limit", Shape::Whole),
    ],
};

/// One side of a relation: the model, its list, and the directive.
type Side<'a> = (&'a TypeNode, &'a FieldNode, &'a Applied);

/// Makes the join models and connects both sides with them.
pub(crate) fn apply(draft: &mut Draft<'_>, problems: &mut Problems) {
    for (name, sides) in relations(draft) {
        if let Some((one, other)) = pair(draft, name, &sides, problems)
            && free(draft, name, one, problems)
        {
            let join = naming::upper_first(name);
            let model = join_model(draft, &join, [one.0, other.0], one.2.span);
            draft.models.insert(join.clone(), model);
            connect(draft, &join, one, problems);
            connect(draft, &join, other, problems);
        }
    }
}

/// The sides of each relation name, in source order.
fn relations<'a>(draft: &Draft<'a>) -> IndexMap<&'a str, Vec<Side<'a>>> {
    let mut relations: IndexMap<&str, Vec<Side<'_>>> = IndexMap::new();
    for node in draft.declared() {
        for field in &node.fields {
            if let Some(applied) = field.directive(MANY_TO_MANY.name)
                && let Some(name) = applied.text("relationName")
            {
                relations
                    .entry(name)
                    .or_default()
                    .push((node, field, applied));
            }
        }
    }
    relations
}

/// Both sides, if there are two and they lead to each other.
fn pair<'a>(
    draft: &Draft<'_>,
    name: &str,
    sides: &[Side<'a>],
    problems: &mut Problems,
) -> Option<(Side<'a>, Side<'a>)> {
    let mut fine = true;
    for (node, field, applied) in sides {
        fine &= relations::target(draft, node, field, applied, problems).is_some();
    }
    let [one, other] = sides else {
        let (_, _, applied) = sides.last()?;
        let count = match sides.len() {
            1 => "only one".to_owned(),
            several => several.to_string(),
        };
        problems.error(
            "many-to-many-pair",
            applied.span,
            format!("The relation \"{name}\" stands on {count} instead of two fields."),
            "Put it on one list of each of the two models.",
        );
        return None;
    };
    if one.0.name == other.0.name {
        problems.error(
            "many-to-many-self",
            other.2.span,
            format!(
                "The relation \"{name}\" joins `{}` with itself.",
                one.0.name
            ),
            "Declare the join model yourself, with two `@belongsTo`.",
        );
        return None;
    }
    fine = fine
        && [(one, other), (other, one)]
            .iter()
            .all(|(from, to)| leads(name, from, to, problems));
    fine.then_some((*one, *other))
}

/// Whether one side's list is of the other side's model.
fn leads(name: &str, from: &Side<'_>, to: &Side<'_>, problems: &mut Problems) -> bool {
    let ty = &from.1.ty;
    if ty.base == to.0.name {
        return true;
    }
    problems.error(
        "many-to-many-type",
        ty.span,
        format!(
            "The relation \"{name}\" leads from `{}` to `{}`, not to `{}`.",
            from.0.name, to.0.name, ty.base
        ),
        format!("Write `[{}]`.", to.0.name),
    );
    false
}

/// Whether the join model may have the relation's name.
fn free(draft: &Draft<'_>, name: &str, side: Side<'_>, problems: &mut Problems) -> bool {
    let join = naming::upper_first(name);
    let span = side
        .2
        .argument("relationName")
        .map_or(side.2.span, |value| value.span);
    if !is_name(name) || name.starts_with("__") {
        problems.error(
            "many-to-many-name",
            span,
            format!("`{name}` cannot be the name of a model."),
            "Use letters, digits and `_`, not beginning with a digit.",
        );
        return false;
    }
    let taken = draft.document.places.contains_key(&join)
        || draft.models.contains_key(&join)
        || Scalar::named(&join).is_some();
    if taken {
        problems.error(
            "many-to-many-name",
            span,
            format!("There is a type `{join}` already, so the join model cannot have this name."),
            "Choose another `relationName` on both sides.",
        );
    }
    !taken
}

/// The model that holds the pairs: an id, both keys, both records, an index for each side.
fn join_model(draft: &Draft<'_>, name: &str, sides: [&TypeNode; 2], span: Span) -> Model {
    let mut model = Model::new(name, span);
    let id = Field::new(
        "id",
        FieldType::required(Scalar::Id),
        Origin::GeneratedId,
        span,
    );
    model.fields.insert("id".to_owned(), id);
    for side in sides {
        add_key(draft, &mut model, side);
    }
    for side in sides {
        add_record(draft, &mut model, side);
    }
    let [one, other] = sides.map(|side| &draft.models[side.name.as_str()].auth);
    model.auth = auth::merged(one, other);
    model
}

fn add_key(draft: &Draft<'_>, model: &mut Model, side: &TypeNode) {
    let key = &draft.models[side.name.as_str()].key;
    let names = naming::join_key(&side.name, key);
    for (name, (_, base)) in names.iter().zip(draft.key(&side.name)) {
        let ty = FieldType::single(base, true);
        let field = Field::new(name, ty, Origin::ForeignKey, model.span);
        model.fields.insert(name.clone(), field);
    }
    let key = KeyFields {
        partition: names[0].clone(),
        sort: names[1..].to_vec(),
    };
    model.indexes.push(Index {
        name: naming::join_index(&side.name),
        query_field: Some(naming::index_query(
            &plural_of(&draft.document.overrides, &model.name),
            &key,
        )),
        key,
        default_limit: DEFAULT_LIMIT,
        declared: true,
    });
}

fn add_record(draft: &Draft<'_>, model: &mut Model, side: &TypeNode) {
    let key = &draft.models[side.name.as_str()].key;
    let ty = FieldType::single(Base::Model(side.name.clone()), true);
    let name = naming::join_field(&side.name);
    let mut field = Field::new(&name, ty, Origin::Declared, model.span);
    field.relation = Some(Relation {
        kind: RelationKind::BelongsTo,
        target: side.name.clone(),
        via: Via::Key(naming::join_key(&side.name, key)),
        default_limit: DEFAULT_LIMIT,
    });
    model.fields.insert(name, field);
}

/// Makes a side's list the connection of its join records.
fn connect(
    draft: &mut Draft<'_>,
    join: &str,
    (node, field, applied): Side<'_>,
    problems: &mut Problems,
) {
    let key = draft
        .key(&node.name)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let relation = Relation {
        kind: RelationKind::HasMany,
        target: join.to_owned(),
        via: Via::Index(naming::join_index(&node.name), key),
        default_limit: has_many::limit(applied, problems),
    };
    relations::set(draft, &node.name, &field.name, relation);
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::codes;

    fn three(a: &str, b: &str, c: &str) -> Vec<&'static str> {
        codes(&format!(
            "type A @model {{ {a} }} type B @model {{ {b} }} type C @model {{ {c} }}"
        ))
    }

    #[test]
    fn a_relation_stands_on_one_list_of_each_of_two_models() {
        let m2m = "@manyToMany(relationName: \"AB\")";
        let (bs, as_, id) = (
            format!("bs: [B] {m2m}"),
            format!("as: [A] {m2m}"),
            "id: ID!",
        );
        assert_eq!(three(&bs, &as_, id), [""; 0]);
        assert_eq!(three(&bs, id, id), ["many-to-many-pair"]);
        assert_eq!(three(&bs, &as_, &as_), ["many-to-many-pair"]);
        assert_eq!(three(&bs, id, &as_), ["many-to-many-type"]);
        assert_eq!(
            three(&format!("b: B {m2m}"), &as_, id),
            ["relation-needs-list"]
        );
        assert_eq!(
            three(&format!("x: [A] {m2m} y: [A] {m2m}"), id, id),
            ["many-to-many-self"]
        );
        assert_eq!(
            three("bs: [B] @manyToMany", &as_, id),
            ["missing-argument", "many-to-many-pair"]
        );
    }

    #[test]
    fn the_join_model_has_a_name_of_its_own() {
        let named = |name: &str| {
            let m2m = format!("@manyToMany(relationName: \"{name}\")");
            three(
                &format!("bs: [B] {m2m}"),
                &format!("as: [A] {m2m}"),
                "id: ID!",
            )
        };
        assert_eq!(named("c"), ["many-to-many-name"]);
        assert_eq!(named("String"), ["many-to-many-name"]);
        assert_eq!(named("a b"), ["many-to-many-name"]);
        assert_eq!(named(""), ["many-to-many-name"]);
    }
}
