//! One sync query over all its pages, read as critically as the real clients read it (`client-js` 9).

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    document,
    http::{Failure, Http},
    record::{self, Record, RecordId},
    schema::Model,
};

/// `startedAt` may lag by the server's idle tick (`sync-semantics` CL-1).
const MOST_LAG_MS: u64 = 15_000;
/// Client and server share a clock here; this much later than the answer is "in the future".
pub const MOST_LEAD_MS: u64 = 1_000;
/// Pause before asking again after a transient refusal.
const PAUSE: Duration = Duration::from_millis(50);

/// Everything a sync returned.
#[derive(Debug)]
pub struct Synced {
    /// Items of all pages in order.
    pub items: Vec<(RecordId, Record)>,
    /// `startedAt`, the same on every page.
    pub started_at: u64,
    /// How many pages it took.
    pub pages: u64,
}

/// Why a sync brought nothing.
#[derive(Debug)]
pub enum SyncError {
    /// The connection broke; try again later.
    Lost(String),
    /// The answer would stop or mislead a real client.
    Wrong(String),
}

/// Fetches all pages of one model since `last_sync`.
pub async fn fetch(
    http: &Http,
    model: &Model,
    last_sync: Option<u64>,
    limit: u32,
) -> Result<Synced, SyncError> {
    fetch_ahead(http, model, last_sync, limit, MOST_LEAD_MS).await
}

/// The same from a server whose `startedAt` may be so many milliseconds ahead: after it lost writes, it begins anew later
/// than any time that it may have given before.
pub async fn fetch_ahead(
    http: &Http,
    model: &Model,
    last_sync: Option<u64>,
    limit: u32,
    most_lead: u64,
) -> Result<Synced, SyncError> {
    let mut synced = Synced {
        items: Vec::new(),
        started_at: 0,
        pages: 0,
    };
    let mut token = Value::Null;
    let document = document::sync(model);
    loop {
        let mut variables = Map::new();
        variables.insert("limit".into(), limit.into());
        variables.insert("nextToken".into(), token);
        variables.insert("filter".into(), Value::Null);
        if let Some(last_sync) = last_sync {
            variables.insert("lastSync".into(), last_sync.into());
        }
        let page = page(http, model, &document, variables).await?;
        token = take(&mut synced, model, &page, limit, most_lead).map_err(SyncError::Wrong)?;
        if token.is_null() {
            check_order(&synced.items).map_err(SyncError::Wrong)?;
            return Ok(synced);
        }
    }
}

async fn page(
    http: &Http,
    model: &Model,
    document: &str,
    variables: Map<String, Value>,
) -> Result<Value, SyncError> {
    let field = document::sync_field(model);
    let answer = loop {
        match http.execute(document, variables.clone()).await {
            Ok(answer) => break answer,
            Err(Failure::Unavailable) => tokio::time::sleep(PAUSE).await,
            Err(Failure::Lost(why)) => return Err(SyncError::Lost(why)),
            Err(Failure::Unusable(why)) => return Err(SyncError::Wrong(format!("{field}: {why}"))),
        }
    };
    if let Some(error) = answer.errors.first() {
        return Err(SyncError::Wrong(format!("{field}: {error:?}")));
    }
    Ok(answer.data[&field].clone())
}

/// Adds a page and returns the next token.
fn take(
    synced: &mut Synced,
    model: &Model,
    page: &Value,
    limit: u32,
    most_lead: u64,
) -> Result<Value, String> {
    let name = document::sync_field(model);
    let items = page["items"]
        .as_array()
        .ok_or_else(|| format!("{name}: items is {}", page["items"]))?;
    if items.len() > limit as usize {
        return Err(format!(
            "{name}: {} items on a page of {limit}",
            items.len()
        ));
    }
    let started_at = page["startedAt"]
        .as_u64()
        .ok_or_else(|| format!("{name}: startedAt is {}", page["startedAt"]))?;
    check_started_at(started_at, most_lead).map_err(|problem| format!("{name}: {problem}"))?;
    if synced.pages > 0 && started_at != synced.started_at {
        return Err(format!(
            "{name}: startedAt changed between pages from {} to {started_at}",
            synced.started_at
        ));
    }
    for item in items {
        synced.items.push(record::read(model, item)?);
    }
    synced.started_at = started_at;
    synced.pages += 1;
    match page.get("nextToken") {
        Some(token) if token.is_null() || token.as_str().is_some_and(|text| !text.is_empty()) => {
            Ok(token.clone())
        }
        token => Err(format!(
            "{name}: nextToken is {token:?}, which loops clients"
        )),
    }
}

fn check_started_at(started_at: u64, most_lead: u64) -> Result<(), String> {
    let now = now_ms();
    if started_at > now + most_lead || started_at + MOST_LAG_MS < now {
        return Err(format!("startedAt {started_at} is not near the time {now}"));
    }
    Ok(())
}

/// JS keeps the last copy it sees, so copies of one record must not go backwards (`sync-semantics` SYNC-7).
fn check_order(items: &[(RecordId, Record)]) -> Result<(), String> {
    let mut newest: HashMap<&RecordId, u64> = HashMap::new();
    for (id, record) in items {
        if let Some(before) = newest.insert(id, record.version)
            && before > record.version
        {
            return Err(format!(
                "{id} goes back from version {before} to {} within one sync",
                record.version
            ));
        }
    }
    Ok(())
}

/// The wall clock in milliseconds.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Fetches one record by `getX`, as JS does after giving up on a conflict.
pub async fn get(http: &Http, model: &Model, id: &RecordId) -> Result<Option<Record>, SyncError> {
    let variables = json!({"id": id.key[0]});
    let variables = variables.as_object().cloned().unwrap_or_default();
    match http.execute(&document::get(model), variables).await {
        Ok(answer) if answer.errors.is_empty() => match &answer.data[document::get_field(model)] {
            Value::Null => Ok(None),
            item => record::read(model, item)
                .map(|(_, record)| Some(record))
                .map_err(SyncError::Wrong),
        },
        Ok(answer) => Err(SyncError::Wrong(format!("get {id}: {:?}", answer.errors))),
        Err(Failure::Unusable(why)) => Err(SyncError::Wrong(format!("get {id}: {why}"))),
        Err(Failure::Lost(why)) => Err(SyncError::Lost(why)),
        Err(Failure::Unavailable) => Err(SyncError::Lost("unavailable".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    fn taken(page: &Value) -> Result<Value, String> {
        let schema = Schema::whitepaper();
        let mut synced = Synced {
            items: Vec::new(),
            started_at: 0,
            pages: 0,
        };
        let model = schema.model("User").unwrap();
        take(&mut synced, model, page, 10, MOST_LEAD_MS)
    }

    #[test]
    fn a_last_page_says_null_and_nothing_else() {
        let now = now_ms();
        assert!(taken(&json!({"items": [], "nextToken": null, "startedAt": now})).is_ok());
        assert!(taken(&json!({"items": [], "startedAt": now})).is_err());
        assert!(taken(&json!({"items": [], "nextToken": "", "startedAt": now})).is_err());
    }

    #[test]
    fn started_at_is_milliseconds_near_now() {
        for wrong in [
            json!(now_ms() / 1000),
            json!("x"),
            json!(now_ms() + 60_000),
            Value::Null,
        ] {
            let page = json!({"items": [], "nextToken": null, "startedAt": wrong});
            assert!(taken(&page).is_err(), "{page} was accepted");
        }
    }

    #[test]
    fn a_null_item_is_refused() {
        assert!(
            taken(&json!({"items": [null], "nextToken": null, "startedAt": now_ms()})).is_err()
        );
    }
}
