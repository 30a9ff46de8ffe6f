//! A record's document before and after a write: order, overlays, and what takes part in a merge.

use driftless_conflict_handlers::{Kind, Kinds, Timestamp, Version};
use indexmap::IndexMap;
use serde_json::Value;

use crate::schema::Schema;
use crate::schema::model::{Base, Field, FieldType, Model, Scalar};
use crate::{Fields, Record};

/// How deep the fields of nested types are named; below, values are merged by their shape. Types may contain themselves.
const NESTING: usize = 16;

/// What a condition on a create is tested against: a record without attributes (`transformer.md` 6.1).
pub(super) fn nothing() -> Record {
    Record {
        fields: Fields::new(),
        version: Version(0),
        last_changed_at: Timestamp::default(),
        deleted: false,
    }
}

/// The stored document with a change laid over it; an explicit null removes the attribute (`sync-semantics` MUT-2).
pub(super) fn changed(model: &Model, stored: &Fields, change: &Fields) -> Fields {
    let mut fields = stored.clone();
    for (name, value) in change {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    ordered(model, fields)
}

/// A strategy's document in the stored one's place; a record's key is not the strategy's to change.
pub(super) fn replaced(model: &Model, stored: &Fields, mut fields: Fields) -> Fields {
    for name in model.key.fields() {
        if let Some(value) = stored.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    ordered(model, fields)
}

/// Schema order; attributes the schema does not know (any more) come last.
fn ordered(model: &Model, mut fields: Fields) -> Fields {
    let mut ordered = Fields::new();
    for field in model.stored_fields() {
        if let Some(value) = fields.shift_remove(&field.name) {
            ordered.insert(field.name.clone(), value);
        }
    }
    ordered.append(&mut fields);
    ordered
}

/// How each field of a model takes part in a merge (`sync-semantics` 6.2).
pub(super) fn kinds(schema: &Schema, model: &Model) -> Kinds {
    kinds_of(schema, &model.fields, NESTING)
}

fn kinds_of(schema: &Schema, fields: &IndexMap<String, Field>, depth: usize) -> Kinds {
    fields
        .values()
        .filter(|field| field.relation.is_none())
        .map(|field| (field.name.clone(), kind(schema, &field.ty, depth)))
        .collect()
}

fn kind(schema: &Schema, ty: &FieldType, depth: usize) -> Kind {
    match &ty.base {
        _ if ty.list.is_some() => Kind::List,
        Base::Scalar(Scalar::AwsJson) => Kind::Json,
        Base::Object(name) => Kind::Map(match schema.types.get(name) {
            Some(object) if depth > 0 => kinds_of(schema, &object.fields, depth - 1),
            _ => Kinds::new(),
        }),
        _ => Kind::Scalar,
    }
}

/// Whether two values are the same to a client; null and absent are.
pub(super) fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    let null = &Value::Null;
    crate::filter::Test::Eq(left.unwrap_or(null).clone()).passes(Some(right.unwrap_or(null)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{object, post, schema};

    #[test]
    fn a_change_sets_removes_and_keeps_schema_order() {
        let stored =
            object(json!({"id": "p", "title": "t", "rating": 1, "gone": true, "createdAt": "c"}));
        let change = object(json!({"updatedAt": "u", "score": 1.50, "title": null}));
        let fields = changed(&post(), &stored, &change);
        assert_eq!(
            Value::Object(fields).to_string(),
            r#"{"id":"p","rating":1,"score":1.5,"createdAt":"c","updatedAt":"u","gone":true}"#
        );
    }

    #[test]
    fn a_strategy_cannot_change_the_key() {
        let stored = object(json!({"id": "p", "title": "t"}));
        let fields = replaced(&post(), &stored, object(json!({"title": "x", "id": "q"})));
        assert_eq!(Value::Object(fields), json!({"id": "p", "title": "x"}));
    }

    #[test]
    fn kinds_follow_the_types() {
        let kinds = kinds(&schema(), &post());
        assert_eq!(kinds["title"], Kind::Scalar);
        assert_eq!(kinds["status"], Kind::Scalar);
        assert_eq!(kinds["tags"], Kind::List);
        assert_eq!(kinds["meta"], Kind::Json);
        assert!(!kinds.contains_key("comments"));
        let place = Kinds::from([
            ("city".to_owned(), Kind::Scalar),
            ("lines".to_owned(), Kind::List),
        ]);
        assert_eq!(kinds["place"], Kind::Map(place));
    }

    #[test]
    fn a_type_that_contains_itself_has_kinds() {
        let mut schema = schema();
        let mut inner = post().fields["place"].clone();
        inner.name = "inner".to_owned();
        let place = schema.types.get_mut("Place").unwrap();
        place.fields.insert("inner".to_owned(), inner);
        let mut kind = &kinds(&schema, &post())["place"];
        let mut depth = 0;
        while let Kind::Map(kinds) = kind
            && let Some(inner) = kinds.get("inner")
        {
            kind = inner;
            depth += 1;
        }
        assert_eq!(depth, NESTING);
    }
}
