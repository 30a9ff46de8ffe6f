//! Relations: which model a field leads to and how its records are found (`transformer` 4.3). Foreign keys and indexes
//! that nobody declared are added on the way.

use super::diagnostic::{Problems, Span};
use super::directives::{RELATIONS, belongs_to, has_many, has_one};
use super::document::{Applied, FieldNode, TypeNode, Value};
use super::draft::{DEFAULT_LIMIT, Draft, base_of};
use super::model::{Base, Field, Relation, RelationKind, Scalar, Via};
use super::suggestion::did_you_mean;

/// Connects the relation fields of all declared models. Those of `@manyToMany` are connected with their join models.
pub(crate) fn connect(draft: &mut Draft<'_>, problems: &mut Problems) {
    let models: Vec<&TypeNode> = draft.declared().collect();
    for owner in models {
        for field in &owner.fields {
            match relation_of(field) {
                Some(applied) => connect_field(draft, owner, field, applied, problems),
                None => unconnected(draft, owner, field, problems),
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
        problems.error(
            "relation-to-non-model",
            field.ty.span,
            format!(
                "`@{directive}` needs a `@model`, and `{}` is none.",
                field.ty.base
            ),
            format!(
                "Add `@model` to `{}`, or remove `@{directive}`.",
                field.ty.base
            ),
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
pub(crate) fn not_mutual(edge: &Edge<'_>, problems: &mut Problems) {
    if edge.owner.name == edge.target.name {
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
    let mut fine = true;
    for (at, (name, span)) in fields.iter().enumerate() {
        let Some(field) = owner.fields.get(*name) else {
            unknown_field(edge.owner, name, *span, problems);
            fine = false;
            continue;
        };
        let Some((expected, base)) = key.get(at) else {
            break;
        };
        if field.ty.base != *base || field.ty.list.is_some() {
            problems.error(
                "relation-field-type",
                *span,
                format!(
                    "`{}.{name}` does not have the type of `{expected}`, which is {}.",
                    edge.owner.name,
                    type_name(base)
                ),
                format!("Declare it as `{name}: {}`.", type_name(base)),
            );
            fine = false;
        }
    }
    if fields.len() > 1 && fields.len() != key.len() {
        let names: Vec<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
        problems.error(
            "relation-field-count",
            fields[1].1,
            format!(
                "`{}` names {} fields for a key of {}.",
                edge.name(),
                fields.len(),
                key.len()
            ),
            format!("Name one field for each of {}.", names.join(", ")),
        );
        fine = false;
    }
    fine.then(|| fields.iter().map(|(name, _)| (*name).to_owned()).collect())
}

pub(crate) fn unknown_field(node: &TypeNode, name: &str, span: Span, problems: &mut Problems) {
    problems.error(
        "relation-unknown-field",
        span,
        format!("`{}` has no field `{name}`.", node.name),
        did_you_mean(name, node.field_names(), "Declare the field."),
    );
}

/// A type's name for messages.
pub(crate) fn type_name(base: &Base) -> &str {
    match base {
        Base::Scalar(scalar) => scalar.name(),
        Base::Enum(name) | Base::Object(name) | Base::Model(name) => name,
    }
}

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
    let key = draft.key(&sides.parent.name);
    let mut fine = true;
    for (at, (name, span)) in references.iter().enumerate() {
        let child = draft.models.get(&sides.child.name)?;
        if !child.fields.contains_key(*name) {
            unknown_field(sides.child, name, *span, problems);
            fine = false;
        } else if let Some((expected, base)) = key.get(at)
            && !same_reference(base, &base_of(child, name))
        {
            problems.error(
                "relation-field-type",
                *span,
                format!(
                    "`{}.{name}` does not have the type of `{}.{expected}`, which is {}.",
                    sides.child.name,
                    sides.parent.name,
                    type_name(base)
                ),
                format!("Declare it as `{name}: {}`.", type_name(base)),
            );
            fine = false;
        }
    }
    if references.len() != key.len() {
        let names: Vec<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
        problems.error(
            "relation-field-count",
            references[0].1,
            format!(
                "`{}` names {} fields for a key of {}.",
                edge.name(),
                references.len(),
                key.len()
            ),
            format!("Name one field for each of {}.", names.join(", ")),
        );
        fine = false;
    }
    let names: Vec<String> = references
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    fine &= nullable(edge, problems);
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
