//! `/admin`: what an operator does to a running server. There only where a secret is configured, and only for whoever
//! knows it.

mod conflicts;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as From};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::State;
use super::error::{Refusal, json as answer};
use crate::auth::Rejection;
use crate::auth::inquiry::{Inquiry, machine};
use crate::metrics;

/// Nothing where no secret is configured.
pub(super) fn routes(state: &Arc<State>) -> Router<Arc<State>> {
    if state.admin.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/admin/v1/principals", get(principals))
        .route("/admin/v1/disconnect", post(disconnect))
        .route("/admin/v1/conflicts", get(conflicts::list))
        .route("/admin/v1/conflicts/replay", post(conflicts::replay))
        .route("/admin/v1/conflicts/{id}", get(conflicts::show))
        .route("/metrics", get(figures))
        .route("/admin/v1/explain", post(explain))
        .layer(from_fn_with_state(Arc::clone(state), only_with_secret))
}

/// Digests are compared, so that neither length nor content of the secret shows in the time it takes.
async fn only_with_secret(From(state): From<Arc<State>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(Sha256::digest);
    let known = state
        .admin
        .as_ref()
        .map(|secret| Sha256::digest(secret.0.as_bytes()));
    match (shown, known) {
        (Some(shown), Some(known)) if bool::from(shown.as_slice().ct_eq(known.as_slice())) => {
            next.run(request).await
        }
        (None, _) => Refusal::Unauthorized(Rejection::Missing).into_response(),
        _ => Refusal::Unauthorized(Rejection::Refused).into_response(),
    }
}

/// What was counted, in the text form that Prometheus reads.
async fn figures(From(state): From<Arc<State>>) -> Response {
    let parts = state.parts.borrow().clone();
    let subscriptions = parts
        .as_ref()
        .map(|parts| parts.realtime.hub.subscriptions());
    let ahead = parts.and_then(|parts| parts.store.clock_ahead());
    let ahead = ahead.map(|ahead| usize::try_from(ahead.as_secs()).unwrap_or(usize::MAX));
    let text = state.metrics.text(&[
        (
            "driftless_sockets",
            "Open WebSockets.",
            state.sockets.load(Ordering::Relaxed),
        ),
        (
            "driftless_subscriptions",
            "Subscriptions on them.",
            subscriptions.unwrap_or_default(),
        ),
        (
            "driftless_clock_ahead_seconds",
            "How far the clock of the store is ahead of what is believed, where it jumped.",
            ahead.unwrap_or_default(),
        ),
    ]);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Who is connected, and how often.
async fn principals(From(state): From<Arc<State>>) -> Response {
    let principals = state.authenticator.principals();
    answer(
        StatusCode::OK,
        json!({ "principals": principals }).to_string(),
    )
}

/// Closes the sockets of a principal, here and at the other nodes of the database: `{"principal": "…"}`. The answer counts
/// those of this node.
async fn disconnect(From(state): From<Arc<State>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(principal) = body["principal"].as_str() else {
        return Refusal::Unparsable.into_response();
    };
    let closed = state.authenticator.disconnect(principal);
    tracing::info!(principal, closed, "an operator disconnects a principal");
    let parts = state.parts.borrow().clone();
    if let Some(parts) = parts
        && let Err(error) = parts.store.dismiss(principal).await
    {
        tracing::warn!(%error, "the other nodes cannot be told");
        return Refusal::Unavailable.into_response();
    }
    answer(StatusCode::OK, json!({ "closed": closed }).to_string())
}

/// Which rule decides what a caller may do, also to a stored record: an [`Inquiry`]. Nothing of the record is answered.
async fn explain(From(state): From<Arc<State>>, body: Bytes) -> Response {
    let wrong = |reason: &str| {
        let body = json!({ "message": reason }).to_string();
        answer(StatusCode::BAD_REQUEST, body)
    };
    let inquiry: Inquiry = match serde_json::from_slice(&body) {
        Ok(inquiry) => inquiry,
        Err(error) => return wrong(&error.to_string()),
    };
    let api = state.api.borrow().clone();
    let Some(api) = api else {
        return Refusal::Unavailable.into_response();
    };
    let engine = &api.engine;
    let asked = inquiry.find(&engine.schema);
    let asked = asked.and_then(|(model, _)| Ok((model, inquiry.key(model)?)));
    let (model, key) = match asked {
        Ok(asked) => asked,
        Err(reason) => return wrong(&reason),
    };
    let mut stored = None;
    if let Some(key) = &key {
        match engine.storage.get(model, std::slice::from_ref(key)).await {
            Ok(found) => stored = found.into_iter().next().flatten(),
            Err(_) => return Refusal::Unavailable.into_response(),
        }
    }
    let fields = stored.as_ref().map(|record| &record.fields);
    match inquiry.explain(&engine.schema, &engine.rules, fields) {
        Ok(explanation) => {
            let mut body = machine(&explanation);
            if key.is_some() {
                body["stored"] = stored.is_some().into();
            }
            answer(StatusCode::OK, body.to_string())
        }
        Err(reason) => wrong(&reason),
    }
}
