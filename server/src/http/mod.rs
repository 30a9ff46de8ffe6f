//! The HTTP side: routes, and the layers in the order a request meets them.

mod admin;
pub mod cors;
pub mod error;
pub mod graphql;
mod halves;
pub mod health;
mod issuer;
pub mod listener;
mod patience;
pub(crate) mod ports;
pub mod rate;
pub mod request_id;
pub mod unanswered;
pub mod upgrade;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State as From};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use driftless_resolvers::api::Api;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::journal::Journal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authenticator;
use crate::config::Secret;
use crate::metrics::Metrics;
use crate::realtime::socket::Realtime;
use crate::storage::Store;
use rate::{Limiter, Rates};

/// Bounds of HTTP requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How often one may ask.
    pub rates: Rates,
    /// How many proxies in front of the server tell whom they heard from.
    pub proxies: usize,
    /// How long a client waits for an answer; Android gives up after 10 s (`errata.md` 2.13).
    pub answer_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 1 << 20,
            rates: Rates::default(),
            proxies: 0,
            body_time: Duration::from_secs(15),
            answer_time: Duration::from_secs(8),
        }
    }
}

/// What requests are answered with.
pub struct State {
    /// Bounds.
    pub limits: Limits,
    /// Who may call.
    pub authenticator: Arc<Authenticator>,
    /// How often somebody asked.
    pub limiter: Limiter,
    /// The time by which they wait.
    pub clock: Arc<dyn Clock>,
    /// What operators show; without it there is no `/admin`.
    pub admin: Option<Secret>,
    /// The keys of the development issuer, where there is one.
    pub development_keys: Option<serde_json::Value>,
    /// The API of the moment; `None` until the store is ready (`errata.md` 2.16).
    pub api: watch::Receiver<Option<Arc<Api>>>,
    /// The store and the sockets; `None` until the store is ready.
    pub parts: watch::Receiver<Option<Parts>>,
    /// Cancelled when the server drains: probes say so, sockets close.
    pub drain: CancellationToken,
    /// Cancelled when no new work is taken any more.
    pub closed: CancellationToken,
    /// Running requests and sockets.
    pub work: TaskTracker,
    /// Mutations whose clients do not know their outcome.
    pub unanswered: unanswered::Unanswered,
    /// Sockets now.
    pub sockets: AtomicUsize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What exists once the store is open.
#[derive(Clone)]
pub struct Parts {
    /// The store, for readiness and for what operators tell other nodes.
    pub store: Store,
    /// What sockets work with.
    pub realtime: Arc<Realtime>,
    /// What conflicts came to.
    pub journal: Arc<dyn Journal>,
}

/// The routes with their layers: request id, log, CORS. Body size and times are bounded where the body is read and the
/// answer awaited ([`graphql`]), because what follows from them depends on the request.
pub fn router(state: &Arc<State>) -> Router {
    let graphql = get(graphql::by_get).post(graphql::by_post).fallback(method);
    let socket = get(upgrade::socket).fallback(method);
    let issuer = issuer::routes(state);
    Router::new()
        .merge(issuer)
        .merge(admin::routes(state))
        .route("/graphql", graphql)
        // A configured endpoint that ends in a slash makes clients dial the second of these (`client-js` 1.1).
        .route("/graphql/realtime", socket.clone())
        .route("/graphql//realtime", socket.clone())
        .route("/realtime", socket)
        .route("/ping", get(health::ping))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/startupz", get(health::started))
        .fallback(nowhere)
        .with_state(Arc::clone(state))
        .layer(from_fn_with_state(Arc::clone(&state.metrics), counted))
        .layer(cors::layer())
        .layer(from_fn(request_id::layer))
}

/// Counts answers by route and status, and how long they took. Sockets are counted as what they are.
async fn counted(From(metrics): From<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = match request.uri().path() {
        "/graphql" => "graphql",
        "/graphql/realtime" | "/graphql//realtime" | "/realtime" => "realtime",
        path if path.starts_with("/admin/") || path == "/metrics" => "admin",
        "/livez" | "/readyz" | "/startupz" | "/ping" => "health",
        _ => "other",
    };
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics.requests.add(&[route, &status], 1);
    metrics.request_seconds.observe(&[route], begun.elapsed());
    response
}

async fn nowhere() -> Response {
    error::Refusal::NotFound.into_response()
}

async fn method(request: Request) -> Response {
    error::Refusal::Method(request.method().clone()).into_response()
}
