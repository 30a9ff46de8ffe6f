//! `/graphql`: a body becomes a request, a request an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as From};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use driftless_resolvers::api::{Reply, Request as Operation};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::identity::Caller;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::error::{Refusal, json};
use super::halves;
use super::listener::Peer;
use super::patience::{self, Farewell};
use super::request_id::RequestId;
use super::{State, upgrade};
use crate::auth::{Credentials, Presented, Rejection, Signed};

/// So much of a body that is too large is read and thrown away, so that the client reads the answer before it finds
/// the connection closed.
const DISCARDED: usize = 64 << 20;

/// A query or mutation by POST. The body is judged before the credentials (`auth.md` 2).
pub async fn by_post(From(state): From<Arc<State>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (operation, bytes) = match read(&state, &head.headers, body).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    answer(&state, &head, operation, &bytes).await
}

/// A query by GET, or an upgrade to a WebSocket (`client-native` R2).
pub async fn by_get(From(state): From<Arc<State>>, request: Request) -> Response {
    if upgrade::is_wanted(&request) {
        return upgrade::socket(From(state), request).await;
    }
    let (head, _body) = request.into_parts();
    let operation = match from_query(head.uri.query().unwrap_or_default()) {
        Ok(operation) => operation,
        Err(refusal) => return refusal.into_response(),
    };
    if operation.is_mutation() {
        return Refusal::MutationByGet.into_response();
    }
    answer(&state, &head, operation, &[]).await
}

/// The request in a body, and the body itself, which a signature may cover.
async fn read(
    state: &State,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Operation, Bytes), Refusal> {
    let bytes = timeout(state.limits.body_time, collect(body, state.limits.body))
        .await
        .map_err(|_| Refusal::SlowBody)??;
    if bytes.is_empty() {
        return Err(Refusal::EmptyBody);
    }
    if !is_json(headers) {
        return Err(Refusal::ContentType);
    }
    Ok((from_body(&bytes)?, bytes))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let (mut kept, mut size) = (BytesMut::new(), 0_usize);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| Refusal::Unparsable)?;
        size += part.len();
        if size > DISCARDED {
            break;
        }
        if size <= limit {
            kept.extend_from_slice(&part);
        }
    }
    if size > limit {
        return Err(Refusal::TooLarge(limit));
    }
    Ok(kept.freeze())
}

/// A body without a content type is taken for JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = value.to_str().unwrap_or_default();
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "application/json" | "application/graphql" | "application/x-amz-json-1.1"
    ) || essence.ends_with("+json")
}

/// The request in a JSON body. Batches are refused (`errata.md` 2.9); unknown members are ignored.
fn from_body(bytes: &[u8]) -> Result<Operation, Refusal> {
    let Ok(Value::Object(mut body)) = halves::parse(bytes) else {
        return Err(Refusal::Unparsable);
    };
    let Some(Value::String(query)) = body.remove("query") else {
        return Err(Refusal::Unparsable);
    };
    let variables = match body.remove("variables") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(variables)) => variables,
        Some(_) => return Err(Refusal::Unparsable),
    };
    let operation_name = match body.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        Some(_) => return Err(Refusal::Unparsable),
    };
    whole(Operation {
        query,
        operation_name,
        variables,
    })
}

/// The request in a query string.
fn from_query(text: &str) -> Result<Operation, Refusal> {
    let mut operation = Operation::default();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        match name.as_ref() {
            "query" => operation.query = value.into_owned(),
            "operationName" if !value.is_empty() => {
                operation.operation_name = Some(value.into_owned());
            }
            "variables" if !value.is_empty() => match halves::parse(value.as_bytes()) {
                Ok(Value::Object(variables)) => operation.variables = variables,
                Ok(Value::Null) => {}
                _ => return Err(Refusal::Unparsable),
            },
            _ => {}
        }
    }
    whole(operation)
}

fn whole(operation: Operation) -> Result<Operation, Refusal> {
    if operation.query.trim().is_empty() {
        return Err(Refusal::Unparsable);
    }
    Ok(operation)
}

async fn answer(state: &Arc<State>, head: &Parts, operation: Operation, body: &[u8]) -> Response {
    let operation = Arc::new(operation);
    let farewell = Farewell::of(head, &operation);
    let address = Peer::address(&head.extensions, &head.headers, state.limits.proxies);
    let closed = state.closed.is_cancelled();
    let clock = state.clock.as_ref();
    if closed || !waited(state.limiter.address(address, clock), clock).await {
        return farewell.say();
    }
    let caller = match recognise(state, head, &operation, body).await {
        Ok(caller) => caller,
        Err(Rejection::Unavailable) => return farewell.say(),
        Err(rejection) => return Refusal::Unauthorized(rejection).into_response(),
    };
    let turn = state.limiter.principal(&caller.identity, address, clock);
    if !waited(turn, clock).await {
        tracing::warn!(principal = caller.identity.principal(), "asks too often");
        return farewell.say();
    }
    match patience::execute(state, operation, caller).await {
        Some(Reply::Answer(body)) => json(StatusCode::OK, body),
        Some(Reply::Malformed {
            error_type,
            message,
        }) => Refusal::Malformed {
            error_type,
            message,
        }
        .into_response(),
        Some(Reply::Unavailable(reason)) => {
            tracing::warn!(
                reason,
                "the store cannot be used; the client is told to try again"
            );
            farewell.say()
        }
        None => farewell.say(),
    }
}

/// Waits for a caller's turn; whether it comes.
async fn waited(turn: Option<Duration>, clock: &dyn Clock) -> bool {
    let Some(wait) = turn else { return false };
    if !wait.is_zero() {
        clock.sleep(wait).await;
    }
    true
}

async fn recognise(
    state: &State,
    head: &Parts,
    operation: &Operation,
    body: &[u8],
) -> Result<Caller, Rejection> {
    let credentials = Credentials::from_headers(&head.headers);
    let id = head.extensions.get::<RequestId>();
    let presented = Presented {
        credentials: &credentials,
        signed: Signed {
            method: head.method.as_str(),
            paths: &[head.uri.path()],
            query: head.uri.query().unwrap_or_default(),
            body,
        },
        operation: Some(operation),
        request_id: id.map_or("", |RequestId(id)| id),
        source: Peer::address(&head.extensions, &head.headers, state.limits.proxies),
    };
    state.authenticator.caller(&presented).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use driftless_resolvers::Timestamp;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::http::rate::{Limiter, Rates};

    /// A clock that nothing but waiting moves.
    #[derive(Default)]
    struct Waiting(AtomicI64);

    impl Clock for Waiting {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }

        fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
            let time = i64::try_from(time.as_millis()).expect("a short time");
            self.0.fetch_add(time, Ordering::SeqCst);
            std::future::ready(()).boxed()
        }
    }

    #[tokio::test]
    async fn whoever_asks_too_often_waits_for_its_turn_by_the_clock() {
        let clock = Waiting::default();
        let limiter = Limiter::new(Rates {
            principal: None,
            address: Some(10),
        });
        let address = Some([127, 0, 0, 1].into());
        let mut waits = Vec::new();
        for _ in 0..250 {
            let begun = clock.now().0;
            assert!(waited(limiter.address(address, &clock), &clock).await);
            waits.push(clock.now().0 - begun);
        }
        // What a burst may use at once, then ten a second.
        let (at_once, later) = waits.split_at(101);
        assert!(at_once.iter().all(|wait| *wait == 0), "{at_once:?}");
        assert!(later.iter().all(|wait| *wait == 100), "{later:?}");
        assert!(!waited(None, &clock).await);
    }

    #[test]
    fn bodies_that_hold_no_request_are_unparsable() {
        for body in [
            "{",
            "[]",
            "{}",
            "null",
            "7",
            r#"[{"query":"{a}"}]"#,
            r#"{"query":7}"#,
            r#"{"query":" "}"#,
            r#"{"query":"{a}","variables":[]}"#,
            r#"{"query":"{a}","operationName":1}"#,
        ] {
            assert_eq!(
                from_body(body.as_bytes()),
                Err(Refusal::Unparsable),
                "{body}"
            );
        }
        assert_eq!(from_body(b"\xff\xfe"), Err(Refusal::Unparsable));
    }

    #[test]
    fn numbers_in_variables_keep_their_text() {
        let body = r#"{"query":"{a}","variables":{"n":1.10,"big":12345678901234567890}}"#;
        let operation = from_body(body.as_bytes()).expect("a request");
        assert_eq!(operation.variables["n"].to_string(), "1.10");
        assert_eq!(
            operation.variables["big"].to_string(),
            "12345678901234567890"
        );
    }

    #[test]
    fn a_query_string_holds_a_request() {
        let operation =
            from_query("query=%7Ba%7D&variables=%7B%22n%22%3A1.50%7D&operationName=x&other=1")
                .expect("a request");
        assert_eq!(operation.query, "{a}");
        assert_eq!(operation.variables["n"].to_string(), "1.50");
        assert_eq!(operation.operation_name.as_deref(), Some("x"));
        assert_eq!(from_query("variables=%7B%7D"), Err(Refusal::Unparsable));
    }

    #[test]
    fn a_charset_does_not_matter_and_forms_are_no_json() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            headers
        };
        assert!(is_json(&with("application/json; charset=UTF-8")));
        assert!(is_json(&HeaderMap::new()));
        assert!(!is_json(&with("text/plain")));
        assert!(!is_json(&with("application/x-www-form-urlencoded")));
    }
}
