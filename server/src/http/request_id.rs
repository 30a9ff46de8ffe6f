//! Every request has an id: in the answer's `x-amzn-requestid` and in every log line about it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

/// The id of a request, for whoever answers it.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// Gives the request an id and logs its answer. The query string is not logged: it may hold credentials.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    request
        .extensions_mut()
        .insert(RequestId(id.as_str().into()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    span.in_scope(|| tracing::debug!(%method, path, status, ?took, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    response
}
