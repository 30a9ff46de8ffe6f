//! `getX`, `listXs` and index queries (`transformer.md` 5).

mod sort;

use std::sync::Arc;

use driftless_conflict_handlers::Timestamp;
use serde_json::{Value, json};

use crate::api::error::{ErrorType, FieldError};
use crate::api::outcome::{Arguments, Connection, Outcome, Resolved};
use crate::authz::{Found, Permit, Reading};
use crate::engine::Engine;
use crate::feed::Seq;
use crate::filter::Filter;
use crate::identity::Caller;
use crate::page;
use crate::schema::model::{Index, Model, ModelOperation};
use crate::storage::{Horizon, Key, Page, Place, Position, Query, Scope};
use crate::tombstone;

pub(crate) use sort::{SortKey, given};

/// The `limit` of a list when the caller gives none.
const DEFAULT_LIMIT: usize = 100;

/// `getX`: one record by key, tombstones included (`sync-semantics` Q-1); null if there is none.
pub async fn get(engine: &Engine, caller: &Caller, model: &Model, args: &Arguments) -> Outcome {
    let field = model.operations.get.as_deref().unwrap_or("get");
    let named = named(model.key.fields(), args);
    let reading = Reading::Operation(ModelOperation::Get, &named);
    let permit = Permit::request(engine, caller, model, reading, field, "Query")?;
    // DataStore asks for `id` without a value on models with a custom key (`errata.md` row 55).
    let Ok(key) = Key::of(model, args) else {
        return Ok(Resolved::Null);
    };
    let found = permit.get(&[key]).await?.pop();
    let record = permit.got(found.unwrap_or(Found::Nothing))?;
    Ok(record.map_or(Resolved::Null, |record| Resolved::Record(Arc::new(record))))
}

/// `listXs`: a page of the table, or of one partition of it.
pub async fn list(engine: &Engine, caller: &Caller, model: &Model, args: &Arguments) -> Outcome {
    let field = model.operations.list.as_deref().unwrap_or("list");
    let named = match model.custom_key {
        true => named(model.key.fields(), args),
        false => Vec::new(),
    };
    let reading = Reading::Operation(ModelOperation::List, &named);
    let permit = Permit::request(engine, caller, model, reading, field, "Query")?;
    let scope = list_scope(model, args)?;
    let permit = match scope {
        Scope::Index { .. } => permit.by_fields(model.key.fields())?,
        Scope::Table => permit,
    };
    page(&permit, field, &Value::Null, scope, args, DEFAULT_LIMIT).await
}

/// The query field of an index: a page of one partition, tombstones included (`sync-semantics` Q-3).
pub async fn index(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    index: &Index,
    args: &Arguments,
) -> Outcome {
    let field = index.query_field.as_deref().unwrap_or(&index.name);
    let named = named(index.key.fields(), args);
    let reading = Reading::Operation(ModelOperation::List, &named);
    let permit = Permit::request(engine, caller, model, reading, field, "Query")?;
    // The order of a page tells of the fields it is sorted by, whether or not there is a condition on them.
    let permit = permit.by_fields(index.key.fields())?;
    let partition = given(args, &index.key.partition).ok_or_else(|| {
        FieldError::new(
            ErrorType::InvalidArguments,
            format!("Argument '{}' must not be null.", index.key.partition),
        )
    })?;
    let scope = Scope::Index {
        index: Some(index.name.clone()),
        partition: partition.clone(),
        sort: SortKey::new(&index.key.sort, &[]).tests(args)?,
        descending: descending(args),
    };
    page(
        &permit,
        field,
        &Value::Null,
        scope,
        args,
        index.default_limit,
    )
    .await
}

/// A page of records for a field; `anchor` is what else the page token belongs to.
async fn page(
    permit: &Permit<'_>,
    field: &str,
    anchor: &Value,
    scope: Scope,
    args: &Arguments,
    default_limit: usize,
) -> Outcome {
    let Asked { query, purpose } = ask(permit, field, anchor, scope, args, default_limit)?;
    let found = permit.query(query).await?;
    Ok(answer(permit, &purpose, found))
}

/// A page that is to be read.
pub(crate) struct Asked {
    /// How.
    pub(crate) query: Query,
    /// What its token belongs to.
    pub(crate) purpose: String,
}

/// What to read for a page of records for a field.
pub(crate) fn ask(
    permit: &Permit<'_>,
    field: &str,
    anchor: &Value,
    scope: Scope,
    args: &Arguments,
    default_limit: usize,
) -> Result<Asked, FieldError> {
    let engine = permit.engine();
    let purpose = page::purpose(field, anchor, args, &permit.principal());
    let after = match page::resume(&engine.sealer, &purpose, args)? {
        None => None,
        Some(content) => Some(position(&content).ok_or_else(page::invalid_token)?),
    };
    let query = Query {
        scope,
        rows: Filter::everything(),
        filter: shown(permit, args)?,
        limit: page::limit(args, default_limit, engine.settings.page_limit)?,
        after,
    };
    Ok(Asked { query, purpose })
}

/// What a page that was read is to its client.
pub(crate) fn answer(permit: &Permit<'_>, purpose: &str, found: Page) -> Resolved {
    let sealer = &permit.engine().sealer;
    Resolved::Connection(Connection {
        records: found.records.into_iter().map(Arc::new).collect(),
        next_token: found.next.map(|next| sealer.seal(purpose, &content(&next))),
        started_at: None,
    })
}

/// The caller's filter; where tombstones are hidden they are left to whoever asks for them.
fn shown(permit: &Permit<'_>, args: &Arguments) -> Result<Filter, FieldError> {
    let filter = permit.filter(args)?;
    if permit.engine().settings.hide_tombstones && !filter.mentions("_deleted") {
        return Ok(filter.and(tombstone::live()));
    }
    Ok(filter)
}

/// A position as a token carries it.
fn content(position: &Position) -> Value {
    let Horizon { seq, changed } = position.horizon;
    let horizon = [seq.0, changed.0];
    match &position.place {
        Place::Standing { sort, key } => json!({"sort": sort, "key": key.0, "horizon": horizon}),
        Place::Moved(key) => json!({"moved": key.0, "horizon": horizon}),
    }
}

/// The position that a token carries; `None` if it is of another form.
fn position(content: &Value) -> Option<Position> {
    let key = |name: &str| Some(Key(content.get(name)?.as_str()?.to_owned()));
    let place = match key("moved") {
        Some(key) => Place::Moved(key),
        None => Place::Standing {
            sort: content.get("sort")?.clone(),
            key: key("key")?,
        },
    };
    let horizon = content.get("horizon")?;
    let horizon = Horizon {
        seq: Seq(horizon.get(0)?.as_i64()?),
        changed: Timestamp(horizon.get(1)?.as_i64()?),
    };
    Some(Position { place, horizon })
}

/// The values by which a request names key fields: arguments of their own, or conditions that name one value.
fn named<'a>(fields: impl Iterator<Item = &'a str>, args: &Arguments) -> Vec<(String, Value)> {
    let value = |field: &str| match given(args, field)? {
        Value::Object(condition) => condition.get("eq").cloned(),
        value => Some(value.clone()),
    };
    fields
        .filter_map(|field| Some((field.to_owned(), value(field)?)))
        .collect()
}

/// `DESC` is descending, anything else ascending.
pub(crate) fn descending(args: &Arguments) -> bool {
    given(args, "sortDirection").and_then(Value::as_str) == Some("DESC")
}

/// What `listXs` walks over: the table, or with the key's partition argument one partition of it.
fn list_scope(model: &Model, args: &Arguments) -> Result<Scope, FieldError> {
    let key = &model.key;
    if !model.custom_key {
        return Ok(Scope::Table);
    }
    if key.sort.is_empty() && given(args, "sortDirection").is_some() {
        return Err(invalid(
            "sortDirection is not supported for List operations without a Sort key defined.".into(),
        ));
    }
    let sort = SortKey::new(&key.sort, &[]);
    let Some(partition) = given(args, &key.partition) else {
        return without_partition(&key.partition, &sort, args);
    };
    Ok(Scope::Index {
        index: None,
        partition: partition.clone(),
        sort: sort.tests(args)?,
        descending: descending(args),
    })
}

fn without_partition(
    partition: &str,
    sort: &SortKey<'_>,
    args: &Arguments,
) -> Result<Scope, FieldError> {
    if given(args, "sortDirection").is_some() {
        return Err(invalid(format!(
            "When providing argument 'sortDirection' you must also provide argument '{partition}'."
        )));
    }
    match sort.argument() {
        Some(argument) if given(args, &argument).is_some() => {
            Err(invalid(if sort.is_composite() {
                format!("When providing argument '{argument}' you must also provide '{partition}'.")
            } else {
                format!(
                    "When providing argument '{argument}' you must also provide arguments {partition}"
                )
            }))
        }
        _ => Ok(Scope::Table),
    }
}

fn invalid(message: String) -> FieldError {
    FieldError::new(ErrorType::InvalidArguments, message)
}

#[cfg(test)]
mod tests;
