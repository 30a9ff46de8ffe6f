//! A record as a client reads it from an answer, an event or a sync page, and what makes an item unacceptable.

use serde_json::{Map, Value};

use crate::schema::{Field, Kind, Model};

/// Field values by name, in the order the server sent them; absent means null.
pub type Fields = Map<String, Value>;

/// Which record: model name and key values in key order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Model name.
    pub model: String,
    /// Key values as text; what they are in JSON the model knows.
    pub key: Vec<String>,
}

/// One version of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Everything selected but metadata; nulls are left out.
    pub fields: Fields,
    /// `_version`.
    pub version: u64,
    /// `_lastChangedAt` in milliseconds.
    pub last_changed: u64,
    /// `_deleted`.
    pub deleted: bool,
}

/// Fields the server sets on its own.
pub const STAMPS: [&str; 2] = ["createdAt", "updatedAt"];

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.model, self.key.join(", "))
    }
}

impl RecordId {
    /// The id in an input or an item, if all key fields are there.
    pub fn of(model: &Model, item: &Fields) -> Option<Self> {
        let key = model.key.iter().map(|name| match item.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Some(Self {
            model: model.name.clone(),
            key: key.collect::<Option<_>>()?,
        })
    }

    /// The key fields as an input holds them.
    pub fn key_fields(&self, model: &Model) -> Fields {
        let value = |(name, text): (&String, &String)| {
            let is_number = model
                .field(name)
                .is_some_and(|field| matches!(field.kind, Kind::Int));
            let number = text.parse::<i64>().ok().filter(|_| is_number);
            let value = number.map_or_else(|| text.as_str().into(), Value::from);
            (name.clone(), value)
        };
        model.key.iter().zip(&self.key).map(value).collect()
    }

    /// The key fields with every value as text, as iOS sends them to delete a record (`client-native` R25).
    pub fn key_texts(&self, model: &Model) -> Fields {
        let texts = self.key.iter().map(|text| Value::from(text.as_str()));
        model.key.iter().cloned().zip(texts).collect()
    }
}

impl Record {
    /// The value of a field, null when absent.
    pub fn get(&self, field: &str) -> &Value {
        self.fields.get(field).unwrap_or(&Value::Null)
    }

    /// Field values that clients set, without key and server stamps.
    pub fn written<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = (&'a str, &'a Value)> {
        model
            .editable()
            .map(|field| (field.name.as_str(), self.get(&field.name)))
    }
}

/// Reads an item as strictly as the real clients do (`client-js` 9.4): an unacceptable item stops their engine.
pub fn read(model: &Model, item: &Value) -> Result<(RecordId, Record), String> {
    let object = item
        .as_object()
        .ok_or_else(|| format!("{} item is {item}, not an object", model.name))?;
    let id = RecordId::of(model, object)
        .ok_or_else(|| format!("{} item without its key: {item}", model.name))?;
    check_fields(&model.fields, object).map_err(|problem| format!("{id}: {problem} in {item}"))?;
    check_parents(model, object).map_err(|problem| format!("{id}: {problem} in {item}"))?;
    let record = Record {
        version: positive(object, "_version").map_err(|problem| format!("{id}: {problem}"))?,
        last_changed: positive(object, "_lastChangedAt")
            .map_err(|problem| format!("{id}: {problem}"))?,
        deleted: deleted(object).map_err(|problem| format!("{id}: {problem}"))?,
        fields: content(model, object),
    };
    Ok((id, record))
}

/// The value without null members, recursively, so that absent and null compare equal.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn content(model: &Model, object: &Fields) -> Fields {
    let names = model
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .chain(STAMPS);
    names
        .filter_map(|name| Some((name.to_owned(), object.get(name)?)))
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name, without_nulls(value)))
        .collect()
}

fn positive(object: &Fields, name: &str) -> Result<u64, String> {
    object
        .get(name)
        .and_then(Value::as_u64)
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{name} is {:?}, not a positive number", object.get(name)))
}

/// A live record has `_deleted: null`, never `false` (`sync-semantics` META-2).
fn deleted(object: &Fields) -> Result<bool, String> {
    match object.get("_deleted") {
        Some(Value::Null) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        other => Err(format!("_deleted is {other:?}, neither null nor true")),
    }
}

fn check_fields(fields: &[Field], object: &Fields) -> Result<(), String> {
    for field in fields {
        let value = object.get(&field.name);
        match value {
            None => return Err(format!("selected field {} is missing", field.name)),
            Some(Value::Null) if field.required => {
                return Err(format!("required field {} is null", field.name));
            }
            Some(Value::Null) => {}
            Some(value) => check_value(field, value)?,
        }
    }
    Ok(())
}

fn check_value(field: &Field, value: &Value) -> Result<(), String> {
    let fits = match &field.kind {
        Kind::Text | Kind::Reference(_) => value.is_string(),
        Kind::Int => value.as_i64().is_some(),
        Kind::Timestamp => value.as_u64().is_some(),
        Kind::Json => value.as_str().is_some_and(is_json),
        Kind::Boolean => value.is_boolean(),
        Kind::Enum(names) => names.iter().any(|name| value.as_str() == Some(name)),
        Kind::List => value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string)),
        Kind::Object(inner) => match value.as_object() {
            Some(object) => return check_fields(inner, object),
            None => false,
        },
    };
    if fits {
        Ok(())
    } else {
        Err(format!("field {} holds {value}", field.name))
    }
}

/// Whether the real clients take the text of an `AWSJSON` (`client-js` 9.4).
fn is_json(text: &str) -> bool {
    let parsed = serde_json::from_str(text);
    matches!(parsed, Ok(Value::Object(_) | Value::Array(_) | Value::Null))
}

/// A nested null would cut the client's foreign key (`client-js` 8.3), so the relation must repeat it.
fn check_parents(model: &Model, object: &Fields) -> Result<(), String> {
    for parent in &model.parents {
        let foreign = object.get(&parent.foreign_key).unwrap_or(&Value::Null);
        let nested = object.get(&parent.field).unwrap_or(&Value::Null);
        let named = nested.get(&parent.key).unwrap_or(&Value::Null);
        if foreign != named {
            return Err(format!(
                "relation {} is {nested} but {} is {foreign}",
                parent.field, parent.foreign_key
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    fn stock(extra: &Value) -> Value {
        let mut item = json!({"sku": "s", "warehouse": "w", "count": 3, "note": null,
            "_version": 2, "_lastChangedAt": 1_700_000_000_000_u64, "_deleted": null});
        for (name, value) in extra.as_object().unwrap() {
            item[name] = value.clone();
        }
        item
    }

    #[test]
    fn an_item_becomes_an_id_and_a_record_without_nulls() {
        let schema = Schema::whitepaper();
        let (id, record) = read(schema.model("Stock").unwrap(), &stock(&json!({}))).unwrap();
        assert_eq!(id.key, ["s", "w"]);
        assert_eq!(record.version, 2);
        assert!(!record.deleted && !record.fields.contains_key("note"));
    }

    #[test]
    fn items_the_real_clients_choke_on_are_refused() {
        let schema = Schema::whitepaper();
        let model = schema.model("Stock").unwrap();
        for bad in [
            json!({"count": null}),
            json!({"count": "3"}),
            json!({"_deleted": false}),
            json!({"_version": null}),
            json!({"_lastChangedAt": "1700000000000"}),
        ] {
            assert!(read(model, &stock(&bad)).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_relation_must_repeat_its_foreign_key() {
        let schema = Schema::whitepaper();
        let model = schema.model("Comment").unwrap();
        let mut item = json!({"id": "c", "postID": "p", "content": "x", "post": null,
            "_version": 1, "_lastChangedAt": 1, "_deleted": null});
        assert!(read(model, &item).is_err());
        item["post"] = json!({"id": "p", "_deleted": null});
        assert!(read(model, &item).is_ok());
    }
}
