//! Relations: which model a field leads to and how its records are found (`transformer` 4.3). Foreign keys and indexes
//! that nobody declared are added on the way.

mod references;

use super::diagnostic::{Problems, Span};
use super::directives::{RELATIONS, belongs_to, has_many, has_one};
use super::document::{Applied, FieldNode, TypeNode};
use super::draft::{DEFAULT_LIMIT, Draft};
use super::model::{Base, Field, Model, Relation, RelationKind, Via};
use super::suggestion::did_you_mean;
pub(crate) use references::{References, matched_references};

/// Connects the relation fields of all declared models. Those of `@manyToMany` are connected with their join models.
pub(crate) fn connect(draft: &mut Draft<'_>, problems: &mut Problems) {
    let models: Vec<&TypeNode> = draft.declared().collect();
    for owner in models {
        for field in &owner.fields {
            match relation_of(field) {
                Some(applied) => connect_field(draft, owner, field, applied, problems),
                None if field.directives.is_empty() => unconnected(draft, owner, field, problems),
                None => {}
            }
        }
    }
}

/// The directive that makes a field a relation.
pub(crate) fn relation_of(field: &FieldNode) -> Option<&Applied> {
    field
        .directives
        .iter()
        .find(|applied| RELATIONS.contains(&applied.name.as_str()))
}

fn connect_field(
    draft: &mut Draft<'_>,
    owner: &TypeNode,
    field: &FieldNode,
    applied: &Applied,
    problems: &mut Problems,
) {
    let document = draft.document;
    let Some(target) = target(draft, owner, field, applied, problems) else {
        return;
    };
    let edge = Edge {
        owner,
        field,
        applied,
        target: &document.types[target.as_str()],
    };
    let connected = match applied.name.as_str() {
        "hasOne" => has_one::connect(draft, &edge, problems),
        "hasMany" => has_many::connect(draft, &edge, problems),
        "belongsTo" => belongs_to::connect(draft, &edge, problems),
        _ => None,
    };
    if let Some(relation) = connected {
        set(draft, &owner.name, &field.name, relation);
    }
}

/// Makes a field of a model the relation.
pub(crate) fn set(draft: &mut Draft<'_>, model: &str, field: &str, relation: Relation) {
    let field = draft
        .models
        .get_mut(model)
        .and_then(|model| model.fields.get_mut(field));
    if let Some(field) = field {
        if relation.kind == RelationKind::HasMany {
            // Connections are nullable whatever was declared.
            field.ty.required = false;
        }
        field.relation = Some(relation);
    }
}

/// A field with a model's type but no relation: served, always null.
fn unconnected(draft: &Draft<'_>, owner: &TypeNode, field: &FieldNode, problems: &mut Problems) {
    let made = draft
        .models
        .get(&owner.name)
        .and_then(|model| model.fields.get(&field.name));
    if let Some(Field {
        ty:
            super::model::FieldType {
                base: Base::Model(target),
                list,
                ..
            },
        ..
    }) = made
    {
        let directive = if list.is_some() {
            "@hasMany"
        } else {
            "@hasOne"
        };
        problems.warning(
            "relation-missing",
            field.span,
            format!(
                "`{}.{}` is always null: nothing says how it finds its `{target}`.",
                owner.name, field.name
            ),
            format!("Add `{directive}` or `@belongsTo`."),
        );
    }
}

/// A relation field with both of its ends.
pub(crate) struct Edge<'a> {
    /// The model that has the field.
    pub(crate) owner: &'a TypeNode,
    /// The field.
    pub(crate) field: &'a FieldNode,
    /// The directive.
    pub(crate) applied: &'a Applied,
    /// The model the field leads to.
    pub(crate) target: &'a TypeNode,
}

impl Edge<'_> {
    /// A relation of this edge.
    pub(crate) fn relation(&self, kind: RelationKind, via: Via) -> Relation {
        Relation {
            kind,
            target: self.target.name.clone(),
            via,
            default_limit: DEFAULT_LIMIT,
        }
    }

    /// `Owner.field`, for messages.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.owner.name, self.field.name)
    }
}

/// The model a relation leads to, if its field is of a type that can.
pub(crate) fn target(
    draft: &Draft<'_>,
    owner: &TypeNode,
    field: &FieldNode,
    applied: &Applied,
    problems: &mut Problems,
) -> Option<String> {
    let made = draft.models.get(&owner.name)?.fields.get(&field.name)?;
    let (what, directive) = (format!("{}.{}", owner.name, field.name), &applied.name);
    let Base::Model(target) = &made.ty.base else {
        let help = if draft.document.types.contains_key(&field.ty.base) {
            format!(
                "Add `@model` to `{}`, or remove `@{directive}`.",
                field.ty.base
            )
        } else {
            format!("Write the name of a model, or remove `@{directive}`.")
        };
        problems.error(
            "relation-to-non-model",
            field.ty.span,
            format!(
                "`@{directive}` needs a `@model`, and `{}` is none.",
                field.ty.base
            ),
            help,
        );
        return None;
    };
    let many = matches!(directive.as_str(), "hasMany" | "manyToMany");
    match (many, field.ty.list.is_some()) {
        (true, false) => problems.error(
            "relation-needs-list",
            field.ty.span,
            format!("`@{directive}` leads to many records, and `{what}` holds one."),
            format!("Write `[{target}]`, or use `@hasOne`."),
        ),
        (false, true) => problems.error(
            "relation-needs-single",
            field.ty.span,
            format!("`@{directive}` leads to one record, and `{what}` is a list."),
            format!("Write `{target}`, or use `@hasMany`."),
        ),
        _ => return Some(target.clone()),
    }
    None
}

/// Refuses two models that lead to each other: a synced client could not save either first (`transformer` 4.3).
pub(crate) fn not_mutual(draft: &Draft<'_>, edge: &Edge<'_>, problems: &mut Problems) {
    if edge.owner.name == edge.target.name || draft.document.unsynced {
        return;
    }
    let back = edge.target.fields.iter().find(|field| {
        let relation = relation_of(field).map(|applied| applied.name.as_str());
        field.ty.base == edge.owner.name && matches!(relation, Some("hasOne" | "hasMany"))
    });
    if let Some(back) = back.filter(|back| back.span < edge.field.span) {
        problems.error(
            "relation-mutual",
            edge.applied.span,
            format!(
                "`{}` and `{}` refer to each other by `@hasOne` or `@hasMany`, which cannot be synced.",
                edge.owner.name, edge.target.name
            ),
            format!(
                "Use `@belongsTo` here, or on `{}.{}`.",
                edge.target.name, back.name
            ),
        );
    }
}

/// How a relation says by which fields it goes.
pub(crate) enum By<'a> {
    /// By nothing: the fields are made.
    Implicit,
    /// By fields of the owner.
    Fields(Vec<(&'a str, Span)>),
    /// By fields of the side that belongs to the other.
    References(Vec<(&'a str, Span)>),
}

/// What the directive's arguments say; `None` if that makes no sense.
pub(crate) fn by<'a>(edge: &Edge<'a>, problems: &mut Problems) -> Option<By<'a>> {
    let fields = edge.applied.texts("fields");
    let references = edge.applied.texts("references");
    let (word, by, empty) = match (fields, references) {
        (None, None) => return Some(By::Implicit),
        (Some(fields), None) => {
            let empty = fields.is_empty();
            ("fields", By::Fields(fields), empty)
        }
        (None, Some(references)) => {
            let empty = references.is_empty();
            ("references", By::References(references), empty)
        }
        (Some(_), Some(_)) => {
            problems.error(
                "relation-fields-and-references",
                edge.applied.span,
                format!("`{}` has both `fields` and `references`.", edge.name()),
                "Keep `references`.",
            );
            return None;
        }
    };
    if empty {
        let span = edge
            .applied
            .argument(word)
            .map_or(edge.applied.span, |value| value.span);
        problems.error(
            "relation-no-fields",
            span,
            format!("`{word}` of `{}` is empty.", edge.name()),
            format!("Name the fields, or leave `{word}` out."),
        );
        return None;
    }
    Some(by)
}

/// The owner's fields that hold (or are) a key, checked against the fields of that key.
pub(crate) fn matched_fields(
    draft: &Draft<'_>,
    edge: &Edge<'_>,
    fields: &[(&str, Span)],
    key: &[(String, Base)],
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let owner = draft.models.get(&edge.owner.name)?;
    let mut fine = hold_key(owner, fields, key, Base::eq, problems);
    if edge.applied.argument("fields").is_some() {
        for (name, span) in fields {
            // A field that is made for something else is none to name.
            if edge.owner.field(name).is_none() && owner.fields.contains_key(*name) {
                unknown_field(owner, name, *span, problems);
                fine = false;
            }
        }
    }
    if fields.len() > 1 && fields.len() != key.len() {
        wrong_count(edge, fields, key, problems);
        fine = false;
    }
    fine.then(|| fields.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// Whether these fields of a model exist and have the types of a key's fields, as far as both go.
fn hold_key(
    model: &Model,
    fields: &[(&str, Span)],
    key: &[(String, Base)],
    same: impl Fn(&Base, &Base) -> bool,
    problems: &mut Problems,
) -> bool {
    let mut fine = true;
    for (at, (name, span)) in fields.iter().enumerate() {
        let Some(field) = model.fields.get(*name) else {
            unknown_field(model, name, *span, problems);
            fine = false;
            continue;
        };
        if let Some((expected, base)) = key.get(at)
            && (!same(base, &field.ty.base) || field.ty.list.is_some())
        {
            problems.error(
                "relation-field-type",
                *span,
                format!(
                    "`{}.{name}` does not have the type of the key field `{expected}`, which is {}.",
                    model.name,
                    base.name()
                ),
                format!("Declare it as `{name}: {}`.", base.name()),
            );
            fine = false;
        }
    }
    fine
}

fn wrong_count(
    edge: &Edge<'_>,
    fields: &[(&str, Span)],
    key: &[(String, Base)],
    problems: &mut Problems,
) {
    let names: Vec<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
    problems.error(
        "relation-field-count",
        fields.last().map_or(edge.applied.span, |(_, span)| *span),
        format!(
            "`{}` names {} fields for a key of {}.",
            edge.name(),
            fields.len(),
            key.len()
        ),
        format!("Name one field for each of {}.", names.join(", ")),
    );
}

fn unknown_field(model: &Model, name: &str, span: Span, problems: &mut Problems) {
    let names = model.fields.keys().map(String::as_str);
    let names = names.filter(|known| *known != name);
    problems.error(
        "relation-unknown-field",
        span,
        format!("`{}` has no field `{name}`.", model.name),
        did_you_mean(name, names, "Declare the field."),
    );
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::codes;

    /// Two models with these fields.
    fn pair(a: &str, b: &str) -> Vec<&'static str> {
        codes(&format!(
            "type A @model {{ id: ID! {a} }} type B @model {{ id: ID! {b} }} type T {{ t: Int }}"
        ))
    }

    #[test]
    fn a_relation_leads_to_a_model() {
        assert_eq!(pair("t: [T] @hasMany", ""), ["relation-to-non-model"]);
        assert_eq!(pair("t: String @hasOne", ""), ["relation-to-non-model"]);
        assert_eq!(pair("b: B @hasMany", ""), ["relation-needs-list"]);
        assert_eq!(pair("b: [B] @hasOne", ""), ["relation-needs-single"]);
        assert_eq!(
            pair("b: B @hasOne @belongsTo", "a: A @belongsTo"),
            ["relation-repeated"]
        );
    }

    #[test]
    fn models_do_not_lead_to_each_other_both_ways() {
        assert_eq!(pair("b: B @hasOne", "a: A @hasOne"), ["relation-mutual"]);
        assert_eq!(
            pair("b: [B] @hasMany", "a: [A] @hasMany"),
            ["relation-mutual"]
        );
        assert_eq!(pair("a: A @hasOne as: [A] @hasMany", ""), [""; 0]);
    }

    #[test]
    fn the_fields_of_a_relation_fit_the_key() {
        assert_eq!(
            pair("b: B @hasOne(fields: [\"x\"])", ""),
            ["relation-unknown-field"]
        );
        assert_eq!(
            pair("x: Int b: B @hasOne(fields: [\"x\"])", ""),
            ["relation-field-type"]
        );
        assert_eq!(
            pair("x: ID y: ID b: B @hasOne(fields: [\"x\", \"y\"])", ""),
            ["relation-field-count"]
        );
        assert_eq!(pair("b: B @hasOne(fields: [])", ""), ["relation-no-fields"]);
    }

    #[test]
    fn a_has_many_by_an_index_names_one_that_exists_and_fits() {
        let by = |index: &str| {
            pair(
                "n: Int bs: [B] @hasMany(indexName: \"byA\", fields: [\"id\"])",
                &format!("aID: ID k: Int @index(name: \"byK\") {index}"),
            )
        };
        assert_eq!(by(""), ["relation-unknown-index"]);
        assert_eq!(by("x: Int @index(name: \"byA\")"), ["relation-field-type"]);
        assert_eq!(
            by("x: ID @index(name: \"byA\", sortKeyFields: \"k\")"),
            [""; 0]
        );
        assert_eq!(pair("bs: [B] @hasMany(limit: 0)", ""), ["relation-limit"]);
    }

    #[test]
    fn a_belongs_to_has_another_side() {
        assert_eq!(pair("", "a: A @belongsTo"), ["relation-one-sided"]);
        assert_eq!(
            pair(
                "bs: [B] @hasMany(indexName: \"byA\", fields: \"id\")",
                "aID: ID @index(name: \"byA\") a: A @belongsTo"
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_belongs_to_that_names_no_fields_beside_a_has_many_that_does_is_pointed_out() {
        let text = "type A @model @auth(rules: [{allow: public}]) { id: ID! bs: [B] @hasMany(indexName: \"byA\", fields: [\"id\"]) }
            type B @model @auth(rules: [{allow: public}]) { id: ID! aID: ID @index(name: \"byA\") a: A @belongsTo }";
        assert_eq!(
            crate::schema::testing::warnings(text),
            ["relation-fields-missing"]
        );
        let b = crate::schema::testing::model(text, "B");
        assert!(!b.fields.contains_key("aBsId"), "nobody makes the key");
    }

    #[test]
    fn a_hand_made_foreign_key_is_used_as_it_is() {
        let text =
            "type A @model { bs: [B]! @hasMany } type B @model { aBsId: ID a: A @belongsTo }";
        let b = crate::schema::testing::model(text, "B");
        let names: Vec<&str> = b.fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["id", "aBsId", "a", "createdAt", "updatedAt"]);
        assert!(!b.fields["aBsId"].ty.required);
    }

    #[test]
    fn a_belongs_to_follows_the_first_of_several_has_many() {
        let text = "type A @model { one: [B] @hasMany two: [B] @hasMany } type B @model { a: A @belongsTo }";
        let b = crate::schema::testing::model(text, "B");
        let relation = b.fields["a"].relation.as_ref().expect("it is a relation");
        let expected = crate::schema::model::Via::Key(vec!["aOneId".to_owned()]);
        assert_eq!(relation.via, expected);
    }
}
