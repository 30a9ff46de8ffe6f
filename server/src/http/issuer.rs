//! The public side of the development issuer: its keys, where other services look for those of an issuer.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as From;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use url::Url;

use super::{State, error};
use crate::auth::token::{Kind, issuer};

/// Nothing where there is no development issuer.
pub(super) fn routes(state: &Arc<State>) -> Router<Arc<State>> {
    let mut router = Router::new();
    if state.development_keys.is_none() {
        return router;
    }
    for kind in [Kind::UserPool, Kind::Oidc] {
        let issuer = issuer::name(kind);
        let base = Url::parse(issuer).map(|url| url.path().to_owned());
        let base = base.unwrap_or_default();
        let discovery = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        router = router
            .route(&format!("{base}/.well-known/jwks.json"), get(keys))
            .route(
                &format!("{base}/.well-known/openid-configuration"),
                get(async move || error::json(StatusCode::OK, discovery.to_string())),
            );
    }
    router
}

async fn keys(From(state): From<Arc<State>>) -> Response {
    let keys = state.development_keys.clone().unwrap_or_default();
    error::json(StatusCode::OK, keys.to_string())
}
