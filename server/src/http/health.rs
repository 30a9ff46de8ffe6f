//! Probes, and the `ping` that Flutter clients need (`client-native` R6).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as From;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::{State, error};

/// A store that needs longer than this to answer is not ready.
const PATIENCE: Duration = Duration::from_secs(1);

/// 200 `healthy`, whatever the state: it says that this is the server, no more.
pub async fn ping() -> &'static str {
    "healthy"
}

/// Whether the process works.
pub async fn live() -> Response {
    report(true, &json!({"process": "ok"}))
}

/// Whether the start is over.
pub async fn started(From(state): From<Arc<State>>) -> Response {
    let started = state.api.borrow().is_some();
    let store = if started { "ok" } else { "starting" };
    report(started, &json!({"store": store}))
}

/// Whether requests are answered.
pub async fn ready(From(state): From<Arc<State>>) -> Response {
    let open = state.parts.borrow().as_ref().map(|it| it.store.clone());
    let store = match &open {
        None => "starting".to_owned(),
        Some(open) => match tokio::time::timeout(PATIENCE, open.storage.ping()).await {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "does not answer".to_owned(),
        },
    };
    let draining = state.drain.is_cancelled();
    let traffic = if draining { "draining" } else { "ok" };
    let ready = store == "ok" && !draining;
    // Such a clock is held back, and requests are answered all the same.
    let clock = match open.and_then(|open| open.clock_ahead()) {
        None => "ok".to_owned(),
        Some(ahead) => format!("{} s ahead, not believed", ahead.as_secs()),
    };
    report(
        ready,
        &json!({"store": store, "traffic": traffic, "clock": clock}),
    )
}

fn report(good: bool, parts: &serde_json::Value) -> Response {
    let (status, word) = if good {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    error::json(status, json!({"status": word, "parts": parts}).to_string())
}
