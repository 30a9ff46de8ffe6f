//! From an HTTP request to a WebSocket. What is transient is refused here with 503, before the upgrade; wrong
//! credentials are refused after it (`errata.md` row 10).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State as From};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use tracing::Instrument;

use super::error::Refusal;
use super::listener::Peer;
use super::request_id::RequestId;
use super::{Parts, State};
use crate::realtime::{handshake, protocol, socket};

/// Clients send small frames, and every idle socket keeps its buffer: the library's 128 KiB would be most of what it costs.
const READ_BUFFER: usize = 4 * 1024;

/// Whether the client asks for a WebSocket.
pub fn is_wanted(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Upgrades.
pub async fn socket(From(state): From<Arc<State>>, request: Request) -> Response {
    let parts = state.parts.borrow().clone();
    let Some(parts) = parts else {
        return Refusal::Unavailable.into_response();
    };
    if state.drain.is_cancelled() {
        return Refusal::Unavailable.into_response();
    }
    let address = Peer::address(
        request.extensions(),
        request.headers(),
        state.limits.proxies,
    );
    if state
        .limiter
        .address(address, state.clock.as_ref())
        .is_none()
    {
        return Refusal::Unavailable.into_response();
    }
    let Some(place) = Place::take(&state, parts.realtime.settings.sockets) else {
        tracing::warn!("there are too many sockets; one more was refused");
        return Refusal::Unavailable.into_response();
    };
    upgrade(&state, parts, place, request).await
}

async fn upgrade(state: &State, parts: Parts, place: Place, request: Request) -> Response {
    let (mut head, _body) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if !handshake::offers_our_protocol(&head.headers) {
        tracing::debug!("a socket offers no protocol of this server");
    }
    let shown = handshake::credentials(&head.headers, head.uri.query().unwrap_or_default());
    let id = head.extensions.get::<RequestId>();
    let id = id.map_or("", |RequestId(id)| id);
    let Some(connection) = parts.realtime.admit(shown, id).await else {
        return Refusal::Unavailable.into_response();
    };
    // Whatever happens on the socket is logged with the id of the request that opened it.
    let span = tracing::info_span!("socket", id);
    let tracker = state.work.clone();
    let limit = parts.realtime.settings.frame;
    upgrade
        .protocols([protocol::SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| {
            let serving = async move {
                socket::serve(socket, parts.realtime, connection).await;
                drop(place);
            };
            tracker.track_future(serving.instrument(span))
        })
}

/// One of the sockets this process may have.
struct Place {
    state: Arc<State>,
}

impl Place {
    fn take(state: &Arc<State>, limit: usize) -> Option<Place> {
        let taken = state.sockets.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            state: Arc::clone(state),
        };
        // Dropping the place gives it back.
        (taken < limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}
