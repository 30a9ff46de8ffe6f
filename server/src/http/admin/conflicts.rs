//! `/admin/v1/conflicts`: what conflicts came to and why, and what another strategy would make of one.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State as From};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use driftless_conflict_handlers::Recorded;
use driftless_resolvers::journal::{Journal, JournalEntry, JournalQuery};
use driftless_resolvers::storage::StorageError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::State;
use super::super::error::{Refusal, json as answer};
use crate::config::{Choice, Strategy};
use crate::conflict::Maker;
use crate::conflict::replay::replayed;

/// The longest list.
const MOST: usize = 1_000;
/// A list whose length is not asked for.
const USUAL: usize = 20;

/// Which conflicts are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    model: Option<String>,
    key: Option<String>,
    before: Option<i64>,
    limit: Option<usize>,
}

/// What is to be decided again: a recorded conflict by its number or one written by hand, by the strategy of this name or
/// by whatever the model's conflicts are decided by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    id: Option<i64>,
    conflict: Option<Recorded>,
    strategy: Option<String>,
}

/// The newest conflicts, all of them or those of a model or record: `?model=…&key=…&before=…&limit=…`.
pub(super) async fn list(
    From(state): From<Arc<State>>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(rejection) => return wrong(&rejection.body_text()),
    };
    let query = JournalQuery {
        model: wanted.model,
        key: wanted.key,
        before: wanted.before,
        limit: wanted.limit.unwrap_or(USUAL).min(MOST),
    };
    let found = match journal(&state) {
        Some(journal) => journal.conflicts(&query).await,
        None => return Refusal::Unavailable.into_response(),
    };
    match found {
        Ok(entries) => {
            let conflicts: Vec<Value> = entries.iter().map(shown).collect();
            said(&json!({ "conflicts": conflicts }))
        }
        Err(error) => failed(&error),
    }
}

/// One conflict with everything that is known about it.
pub(super) async fn show(From(state): From<Arc<State>>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse() else {
        return Refusal::NotFound.into_response();
    };
    match entry(&state, id).await {
        Ok(entry) => said(&shown(&entry)),
        Err(response) => response,
    }
}

/// Decides again and stores nothing: `{"id": 17, "strategy": "automerge_3way"}`, or `{"conflict": {…}}`.
pub(super) async fn replay(From(state): From<Arc<State>>, body: Bytes) -> Response {
    let again: Again = match serde_json::from_slice(&body) {
        Ok(again) => again,
        Err(error) => return wrong(&error.to_string()),
    };
    let recorded = match (again.id, again.conflict) {
        (Some(id), None) => match entry(&state, id).await {
            Ok(entry) => entry.conflict,
            Err(response) => return response,
        },
        (None, Some(conflict)) => conflict,
        _ => return wrong("say which conflict: \"id\" of a recorded one, or a whole \"conflict\""),
    };
    let handler = match again.strategy {
        Some(name) => match Strategy::named(&name) {
            Ok(strategy) => Maker::default().handler(&Choice::from(strategy)).await.ok(),
            Err(reason) => return wrong(&reason),
        },
        None => {
            let api = state.api.borrow().clone();
            api.map(|api| api.engine.strategies.of(&recorded.model).clone())
        }
    };
    let Some(handler) = handler else {
        return Refusal::Unavailable.into_response();
    };
    match replayed(recorded, &handler).await {
        Ok(decided) => said(&json!(decided)),
        Err(fault) => said(
            &json!({"strategy": handler.name(), "outcome": "fault", "reason": fault.to_string()}),
        ),
    }
}

fn journal(state: &State) -> Option<Arc<dyn Journal>> {
    let parts = state.parts.borrow();
    parts.as_ref().map(|parts| Arc::clone(&parts.journal))
}

async fn entry(state: &State, id: i64) -> Result<JournalEntry, Response> {
    let journal = journal(state).ok_or_else(|| Refusal::Unavailable.into_response())?;
    let entry = journal.conflict(id).await.map_err(|error| failed(&error))?;
    entry.ok_or_else(|| Refusal::NotFound.into_response())
}

fn shown(entry: &JournalEntry) -> Value {
    let mut whole = json!({ "id": entry.id });
    if let (Value::Object(whole), Value::Object(conflict)) = (&mut whole, json!(&entry.conflict)) {
        whole.extend(conflict);
    }
    whole
}

fn said(value: &Value) -> Response {
    answer(StatusCode::OK, value.to_string())
}

fn wrong(message: &str) -> Response {
    answer(
        StatusCode::BAD_REQUEST,
        json!({ "message": message }).to_string(),
    )
}

fn failed(error: &StorageError) -> Response {
    match error {
        StorageError::Unavailable(_) => Refusal::Unavailable.into_response(),
        error => {
            tracing::error!(%error, "the conflict journal cannot be read");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({"message": "the conflict journal cannot be read; the log says why"})
                    .to_string(),
            )
        }
    }
}
