//! Cross-origin requests of browsers (`client-js` 2.3, `auth.md` 2).

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{Any, CorsLayer};

/// Any origin may call: credentials are in headers, which no other page can add, never in cookies.
pub fn layer() -> CorsLayer {
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            named("x-api-key"),
            named("x-amz-date"),
            named("x-amz-security-token"),
            named("x-amz-user-agent"),
            named("x-amz-content-sha256"),
        ])
        .expose_headers([
            named("x-amzn-errortype"),
            named("x-amzn-requestid"),
            header::DATE,
            header::RETRY_AFTER,
        ])
        .max_age(Duration::from_secs(86_400))
}
