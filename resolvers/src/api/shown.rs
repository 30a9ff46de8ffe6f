//! Records shown without reading anything else: in events, and inside rejections.

use std::sync::Arc;

use driftless_conflict_handlers::Record;
use serde_json::Value;

use super::plan::{Selection, Source};
use super::project::Projection;
use super::resolved::{Cell, Column, Layer};
use super::variables::Variables;
use crate::identity::Family;
use crate::relation;
use crate::schema::Schema;
use crate::schema::model::RelationKind;

/// What relations show of a record alone: the key its foreign key holds where only that is selected, an empty page for
/// has-many, else null (`errata.md` row 6).
pub(crate) fn references(
    schema: &Schema,
    selection: &Selection,
    record: &Record,
    variables: &Variables,
) -> Layer {
    let fields = selection.fields.iter().enumerate();
    let columns = fields.filter_map(|(index, field)| {
        let Source::Relation { key_only } = field.source else {
            return None;
        };
        if !field.selected(variables) {
            return None;
        }
        let definition = selection.model.as_ref()?.fields.get(&field.name)?;
        let many = definition.relation.as_ref()?.kind == RelationKind::HasMany;
        let key = || relation::reference(schema, definition, record);
        let cell = match (key_only, many) {
            (_, true) => Cell::Page {
                records: 0..0,
                next_token: None,
                started_at: None,
            },
            (true, false) => key().map_or(Cell::Null, |key| Cell::Reference(Arc::new(key))),
            (false, false) => Cell::Null,
        };
        let cells = vec![cell];
        Some((
            index,
            Column {
                cells,
                ..Column::default()
            },
        ))
    });
    Layer {
        columns: columns.collect(),
    }
}

/// The `data` of a rejection: the stored record in the mutation's selection, its key and metadata in any case
/// (`errata.md` row 16). `None` if it violates its type, which no client could use.
pub(crate) fn stored_record(
    schema: &Schema,
    selection: &Selection,
    record: &Record,
    variables: &Variables,
) -> Option<Value> {
    let layer = references(schema, selection, record, variables);
    let mut projection = Projection::new(schema, variables, Family::default());
    projection.rejected(selection, record, &layer).ok()?;
    let Ok(Value::Object(mut shown)) = serde_json::from_slice(&projection.out) else {
        return None;
    };
    for key in selection.model.iter().flat_map(|model| model.key.fields()) {
        if let Some(value) = record.fields.get(key) {
            shown.entry(key).or_insert_with(|| value.clone());
        }
    }
    let deleted = if record.deleted {
        Value::Bool(true)
    } else {
        Value::Null
    };
    shown
        .entry("_version")
        .or_insert_with(|| record.version.0.into());
    shown
        .entry("_lastChangedAt")
        .or_insert_with(|| record.last_changed_at.0.into());
    shown.entry("_deleted").or_insert(deleted);
    Some(Value::Object(shown))
}
