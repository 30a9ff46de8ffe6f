//! What a mutation's arguments ask for (`transformer.md` 6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driftless_conflict_handlers::{Change, Version};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{validation, validity};
use crate::api::error::FieldError;
use crate::api::outcome::Arguments;
use crate::authz::WritePermit;
use crate::engine::Engine;
use crate::feed::Operation;
use crate::filter::Filter;
use crate::page::canonical;
use crate::schema::model::{Base, Field, Model, Scalar};
use crate::storage::{Expected, Key, Write};
use crate::{Fields, Timestamp};

/// A create, composed.
pub(super) struct Create {
    pub(super) key: Key,
    /// The document in schema order.
    pub(super) fields: Fields,
    /// The names of the fields the client sent.
    pub(super) sent: Vec<String>,
    pub(super) condition: Filter,
    /// Recognises the request when it comes again.
    pub(super) digest: String,
    /// What the client sent, and the defaults it gets: what rules are asked about.
    pub(super) asked: Fields,
}

/// An update or a delete.
pub(super) struct Request {
    pub(super) key: Key,
    pub(super) intent: Intent,
    pub(super) condition: Filter,
    /// The mutation's field.
    pub(super) field: String,
    /// Its arguments.
    pub(super) arguments: Arguments,
    /// The fields that the server set, not the client.
    pub(super) stamps: Vec<String>,
    /// Recognises the request when it comes again.
    pub(super) digest: String,
    /// Why its values cannot be stored, if they cannot; the answer shows the stored record (`errata.md` row 16).
    pub(super) fault: Option<FieldError>,
    /// What the client sent.
    pub(super) input: Fields,
}

/// What to do with the record.
pub(super) enum Intent {
    /// Change it.
    Update(Change),
    /// Delete it, based on this version.
    Delete(Option<Version>),
}

impl Create {
    /// Lays the client's values over the server's: ids, timestamps and defaults (`transformer.md` 6.1, 6.4).
    pub(super) fn read(permit: &WritePermit<'_>, args: &Arguments) -> Result<Self, FieldError> {
        let (engine, model) = (permit.engine(), permit.model());
        let sent_input = permit.in_whole(input(args));
        let asked = with_defaults(model, &sent_input);
        let (_, owners) = permit.may_create(&asked)?;
        validation::check(model, &sent_input)?;
        let mut input = sent_input;
        let sent = sent(model, &input);
        input.extend(owners);
        let now = date_time(engine.clock.now());
        let mut fields = Fields::new();
        for field in model.stored_fields() {
            if let Some(value) = initial(engine, model, field, input.get(&field.name), &now) {
                fields.insert(field.name.clone(), value);
            }
        }
        check_composites(model, "creating", |name| {
            fields.contains_key(name) || input.contains_key(name)
        })?;
        validity::check(&engine.schema, model, &fields)?;
        let key = key(model, &fields)?;
        validity::check_sizes(model, &key, None, &fields)?;
        Ok(Create {
            key,
            sent,
            fields,
            condition: permit.condition(args)?,
            asked,
            digest: request_digest(args),
        })
    }

    pub(super) fn write(&self, permit: &WritePermit<'_>, expected: Expected) -> Write {
        Write {
            key: self.key.clone(),
            expected,
            operation: Operation::Create,
            fields: self.fields.clone(),
            deleted: false,
            actor: Some(permit.identity().actor()),
            request: Some(permit.asked(&self.digest)),
        }
    }
}

impl Request {
    /// Only what the client sent, plus `updatedAt` (`transformer.md` 6.2).
    pub(super) fn update(permit: &WritePermit<'_>, args: &Arguments) -> Result<Self, FieldError> {
        let (engine, model) = (permit.engine(), permit.model());
        let input = permit.in_whole(input(args));
        // AppSync also counts the `updatedAt` it sets itself, so that an index sorted by it and another field refuses
        // every update that does not repeat the other field. No client can want that.
        check_composites(model, "updating", |name| input.contains_key(name))?;
        let mut fields = Fields::new();
        for name in sent(model, &input) {
            if !model.key.fields().any(|key| key == name) {
                fields.insert(name.clone(), input[&name].clone());
            }
        }
        let mut stamps = Vec::new();
        if let Some(updated) = stamped(model, model.timestamps.updated.as_deref())
            && fields.get(&updated.name).is_none_or(Value::is_null)
        {
            stamps.push(updated.name.clone());
            let now = date_time(engine.clock.now());
            fields.insert(updated.name.clone(), Value::String(now));
        }
        let base = base(&input);
        let fault = validation::check(model, &input)
            .and_then(|()| validity::check(&engine.schema, model, &fields))
            .err();
        let intent = Intent::Update(Change { fields, base });
        let request = Request::new(permit, args, input, intent)?;
        Ok(Request {
            fault,
            stamps,
            ..request
        })
    }

    /// The key and the version it is based on (`transformer.md` 6.3).
    pub(super) fn delete(permit: &WritePermit<'_>, args: &Arguments) -> Result<Self, FieldError> {
        let input = input(args);
        let intent = Intent::Delete(base(&input));
        Request::new(permit, args, input, intent)
    }

    fn new(
        permit: &WritePermit<'_>,
        args: &Arguments,
        input: Fields,
        intent: Intent,
    ) -> Result<Self, FieldError> {
        let operations = &permit.model().operations;
        let field = match &intent {
            Intent::Update(_) => operations.update.clone(),
            Intent::Delete(_) => operations.delete.clone(),
        };
        Ok(Request {
            key: key(permit.model(), &input)?,
            intent,
            condition: permit.condition(args)?,
            field: field.unwrap_or_default(),
            arguments: args.clone(),
            stamps: Vec::new(),
            digest: request_digest(args),
            fault: None,
            input,
        })
    }

    /// The version the client based its request on.
    pub(super) fn base(&self) -> Option<Version> {
        match &self.intent {
            Intent::Update(change) => change.base,
            Intent::Delete(base) => *base,
        }
    }

    /// Whether the record has moved on since the client saw it.
    pub(super) fn trails(&self, stored: &crate::Record) -> bool {
        self.base().is_some_and(|base| base < stored.version)
    }
}

fn input(args: &Arguments) -> Fields {
    match args.get("input") {
        Some(Value::Object(input)) => input.clone(),
        _ => Fields::new(),
    }
}

fn key(model: &Model, fields: &Fields) -> Result<Key, FieldError> {
    Key::of(model, fields)
        .map_err(|name| FieldError::untyped(format!("The key field '{name}' must not be null.")))
}

/// The input, with the defaults of what it leaves out or sets to null (`transformer.md` 6.4).
fn with_defaults(model: &Model, input: &Fields) -> Fields {
    let mut asked = input.clone();
    for field in model.stored_fields() {
        if let Some(default) = &field.default
            && asked.get(&field.name).is_none_or(Value::is_null)
        {
            asked.insert(field.name.clone(), default.clone());
        }
    }
    asked
}

/// Absent counts as 0 and a version out of range as what it is: never the stored one (`sync-semantics` 2.1).
fn base(input: &Fields) -> Option<Version> {
    let version = input.get("_version")?.as_i64()?;
    u32::try_from(version).ok().map(Version)
}

/// The client's input, hashed before anything is added to it (`errata.md` 2.11).
fn request_digest(args: &Arguments) -> String {
    let asked = canonical(&json!([args.get("input"), args.get("condition")]));
    URL_SAFE_NO_PAD.encode(digest(&SHA256, asked.as_bytes()))
}

/// The names of the stored fields a client sent, in schema order.
fn sent(model: &Model, input: &Fields) -> Vec<String> {
    model
        .stored_fields()
        .filter(|field| input.contains_key(&field.name))
        .map(|field| field.name.clone())
        .collect()
}

/// The value a created record has in a field; `None` leaves it out.
fn initial(
    engine: &Engine,
    model: &Model,
    field: &Field,
    sent: Option<&Value>,
    now: &str,
) -> Option<Value> {
    match sent {
        Some(value) if !value.is_null() => Some(value.clone()),
        // A null the field cannot hold would make the record unreadable, so it asks for the server's value.
        Some(_) if !field.ty.required && field.default.is_none() => {
            (!is_indexed(model, &field.name)).then_some(Value::Null)
        }
        _ => field
            .default
            .clone()
            .or_else(|| made_by_server(engine, model, field, now)),
    }
}

fn made_by_server(engine: &Engine, model: &Model, field: &Field, now: &str) -> Option<Value> {
    let timestamps = &model.timestamps;
    let is_stamp = [&timestamps.created, &timestamps.updated]
        .into_iter()
        .any(|name| stamped(model, name.as_deref()).is_some_and(|stamp| stamp.name == field.name));
    if is_stamp {
        Some(Value::String(now.to_owned()))
    } else if field.name == "id" && is_text(field, &[Scalar::Id, Scalar::String]) {
        Some(Value::String(engine.ids.fresh_id()))
    } else {
        None
    }
}

/// A timestamp field the server fills: one of another type than text is left to the client (`transformer.md` 4.1, 12).
fn stamped<'a>(model: &'a Model, name: Option<&str>) -> Option<&'a Field> {
    model
        .fields
        .get(name?)
        .filter(|field| is_text(field, &[Scalar::String, Scalar::AwsDateTime]))
}

fn is_text(field: &Field, scalars: &[Scalar]) -> bool {
    field.ty.list.is_none()
        && matches!(field.ty.base, Base::Scalar(scalar) if scalars.contains(&scalar))
}

/// Explicit nulls of index attributes are dropped on create (`sync-semantics` MUT-3).
fn is_indexed(model: &Model, name: &str) -> bool {
    model
        .indexes
        .iter()
        .any(|index| index.key.fields().any(|field| field == name))
}

/// Of an index with several sort fields either none is given or all are (`transformer.md` 6.1).
fn check_composites(
    model: &Model,
    doing: &str,
    given: impl Fn(&str) -> bool,
) -> Result<(), FieldError> {
    for index in model
        .indexes
        .iter()
        .filter(|index| index.key.sort.len() > 1)
    {
        let sort = &index.key.sort;
        if let Some(missing) = sort.iter().find(|name| !given(name))
            && sort.iter().any(|name| given(name))
        {
            return Err(FieldError::untyped(format!(
                "When {doing} any part of the composite sort key for @index '{}', you must provide all fields for the key. Missing key: '{missing}'.",
                index.name
            )));
        }
    }
    Ok(())
}

/// `YYYY-MM-DDTHH:mm:ss.SSSZ`, as AppSync's `util.time.nowISO8601()` writes it.
fn date_time(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_appsync_writes_them() {
        assert_eq!(date_time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            date_time(Timestamp(1_700_000_000_120)),
            "2023-11-14T22:13:20.120Z"
        );
        assert_eq!(date_time(Timestamp(i64::MAX)), "1970-01-01T00:00:00.000Z");
    }
}
