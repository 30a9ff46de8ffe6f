//! The IR as text, for snapshots: everything but places and descriptions.

use std::fmt::Write as _;

use crate::schema::load;
use crate::schema::model::{
    AuthRule, Field, FieldType, KeyFields, Model, ObjectType, Operations, Relation, Schema, Via,
};

/// A schema that loads, as text; warnings first.
pub(super) fn shown(source: &str) -> String {
    let loaded = match load(source) {
        Ok(loaded) => loaded,
        Err(problems) => panic!(
            "{}",
            crate::schema::diagnostic::render(&problems, "schema.graphql", source)
        ),
    };
    let mut text = crate::schema::diagnostic::render(&loaded.warnings, "schema.graphql", source);
    schema(&mut text, &loaded.schema).expect("writing to a string");
    text
}

fn schema(text: &mut String, schema: &Schema) -> std::fmt::Result {
    if schema.sandbox {
        writeln!(text, "sandbox")?;
    }
    for model in schema.models.values() {
        show_model(text, model)?;
    }
    for (kind, types) in [("type", &schema.types), ("input", &schema.inputs)] {
        for ty in types.values() {
            show_type(text, kind, ty)?;
        }
    }
    for declared in schema.enums.values() {
        writeln!(
            text,
            "enum {}: {}",
            declared.name,
            declared.values.join(" ")
        )?;
    }
    Ok(())
}

fn show_model(text: &mut String, model: &Model) -> std::fmt::Result {
    let custom = if model.custom_key { "custom " } else { "" };
    writeln!(text, "model {} by {custom}{}", model.name, key(&model.key))?;
    for field in model.fields.values() {
        show_field(text, field)?;
    }
    for index in &model.indexes {
        let query = index.query_field.as_deref().unwrap_or("-");
        writeln!(
            text,
            "  index {} by {}, query {query}",
            index.name,
            key(&index.key)
        )?;
    }
    for rule in &model.auth {
        let AuthRule {
            allow,
            provider,
            operations,
            ..
        } = rule;
        writeln!(text, "  allow {allow:?} by {provider:?}: {operations:?}")?;
    }
    let Operations {
        get,
        list,
        sync,
        create,
        update,
        delete,
        ..
    } = &model.operations;
    let one = [get, list, sync, create, update, delete]
        .map(|name| name.as_deref().unwrap_or("-"))
        .join(" ");
    let Operations {
        on_create,
        on_update,
        on_delete,
        open_subscriptions,
        ..
    } = &model.operations;
    let many = [on_create, on_update, on_delete]
        .map(|names| names.join("+"))
        .join(" ");
    let open = if *open_subscriptions { " (open)" } else { "" };
    writeln!(text, "  operations {one} {many}{open}")?;
    let stamp = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    let (created, updated) = (
        stamp(&model.timestamps.created),
        stamp(&model.timestamps.updated),
    );
    writeln!(text, "  timestamps {created} {updated}")
}

fn show_type(text: &mut String, kind: &str, ty: &ObjectType) -> std::fmt::Result {
    writeln!(text, "{kind} {}", ty.name)?;
    for field in ty.fields.values() {
        show_field(text, field)?;
    }
    Ok(())
}

fn show_field(text: &mut String, field: &Field) -> std::fmt::Result {
    write!(text, "  {}: {}", field.name, type_text(&field.ty))?;
    if field.origin != crate::schema::model::Origin::Declared {
        write!(text, " ({:?})", field.origin)?;
    }
    if let Some(default) = &field.default {
        write!(text, " = {default}")?;
    }
    if let Some(relation) = &field.relation {
        write!(text, " -> {}", relation_text(relation))?;
    }
    for rule in field.auth.iter().flatten() {
        let AuthRule {
            allow,
            provider,
            operations,
            ..
        } = rule;
        write!(text, " allow {allow:?} by {provider:?}: {operations:?}")?;
    }
    writeln!(text)
}

fn type_text(ty: &FieldType) -> String {
    ty.written(ty.base.name())
}

fn relation_text(relation: &Relation) -> String {
    let via = match &relation.via {
        Via::Key(fields) => format!("by key ({})", fields.join(", ")),
        Via::Index(index, fields) => format!("by index {index} ({})", fields.join(", ")),
    };
    format!(
        "{:?} {} {via}, limit {}",
        relation.kind, relation.target, relation.default_limit
    )
}

fn key(key: &KeyFields) -> String {
    key.fields().collect::<Vec<_>>().join("#")
}
