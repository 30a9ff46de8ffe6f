//! Records shown without reading anything else: in events, and inside rejections.

use std::sync::Arc;

use driftless_conflict_handlers::Record;
use serde_json::Value;

use super::outcome::{Connection, Resolved};
use super::plan::{Selection, Source};
use super::project::Projection;
use super::resolved::{Column, Layer};
use super::variables::Variables;
use super::viewer::Viewer;
use crate::authz::Sight;
use crate::identity::{Caller, Family};
use crate::relation;
use crate::schema::Schema;
use crate::schema::model::{Field, RelationKind};

/// What relations show of a record alone: the key its foreign key holds where only that is selected, an empty page for
/// has-many, else null (`errata.md` row 6).
pub(crate) fn references(
    viewer: Viewer<'_>,
    selection: &Selection,
    record: &Record,
    variables: &Variables,
) -> Layer {
    let sight = selection.model.as_ref().map(|model| viewer.sight(model));
    let sight = sight.unwrap_or_default();
    let fields = selection.fields.iter().enumerate();
    let columns = fields.filter_map(|(index, field)| {
        let Source::Relation { key_only } = field.source else {
            return None;
        };
        if !field.selected(variables) {
            return None;
        }
        let definition = selection.model.as_ref()?.fields.get(&field.name)?;
        let schema = &viewer.engine.schema;
        let shown = reference(schema, definition, record, &sight, key_only)?;
        Some((index, Column::of([Ok(shown)]).ok()?))
    });
    Layer {
        columns: columns.collect(),
    }
}

/// What one relation shows of a record alone.
pub(crate) fn reference(
    schema: &Schema,
    definition: &Field,
    record: &Record,
    sight: &Sight,
    key_only: bool,
) -> Option<Resolved> {
    let many = definition.relation.as_ref()?.kind == RelationKind::HasMany;
    let key = || relation::reference(schema, definition, record, sight);
    Some(match (key_only, many) {
        (_, true) => Resolved::Connection(Connection::default()),
        (true, false) => key().map_or(Resolved::Null, |key| Resolved::Reference(Arc::new(key))),
        (false, false) => Resolved::Null,
    })
}

/// The `data` of a rejection: the stored record in the mutation's selection, its key and metadata in any case
/// (`errata.md` row 16). `None` if it violates its type, which no client could use.
pub(crate) fn stored_record(
    viewer: Viewer<'_>,
    selection: &Selection,
    record: &Record,
    variables: &Variables,
) -> Option<Value> {
    let layer = references(viewer, selection, record, variables);
    let caller = Caller {
        family: Family::default(),
        ..viewer.caller.clone()
    };
    let plain = Viewer {
        caller: &caller,
        ..viewer
    };
    let mut projection = Projection::new(plain, variables);
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
