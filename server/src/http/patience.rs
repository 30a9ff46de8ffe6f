//! A request that nobody can serve just now: first it waits, then its client is told to come back, in the form that its
//! family understands (`errata.md` rows 1, 2 and 20).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use driftless_resolvers::api::{Api, Reply, Request as Operation};
use driftless_resolvers::identity::{Caller, Family};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::State;
use super::error::{Refusal, internal_failure};
use super::listener::{Peer, Scissors};
use super::unanswered::{Delivery, Ticket};
use crate::auth::Credentials;

/// How long a query leaves the store alone that could not answer it.
const PAUSE: Duration = Duration::from_millis(200);

/// How to turn the client of one request away.
pub(super) struct Farewell {
    operation: Arc<Operation>,
    /// Of a native client, whose connection can be cut.
    scissors: Option<Scissors>,
}

impl Farewell {
    /// Of the client that sent a request.
    pub(super) fn of(head: &Parts, operation: &Arc<Operation>) -> Farewell {
        let family = Credentials::from_headers(&head.headers).agents.family();
        let native = matches!(family, Family::Android | Family::Swift | Family::Flutter);
        let connection = head.extensions.get::<ConnectInfo<Peer>>();
        Farewell {
            operation: Arc::clone(operation),
            scissors: connection
                .filter(|_| native)
                .map(|ConnectInfo(peer)| peer.scissors.clone()),
        }
    }

    /// Says it. Native clients give up their sync for good after any status but 200, and try again after a broken
    /// connection; everybody's mutations, and everything of other clients, outlive a 503 of the right form.
    pub(super) fn say(self) -> Response {
        if let Some(scissors) = self.scissors
            && !self.operation.is_mutation()
        {
            scissors.cut();
        }
        Refusal::Unavailable.into_response()
    }
}

/// Runs a request within the time that clients wait for answers; `None` if that is not enough. A query is tried again
/// as long as there is time. A mutation is not: its client repeats it as it is, and repeats are known by that.
pub(super) async fn execute(
    state: &Arc<State>,
    operation: Arc<Operation>,
    caller: Caller,
) -> Option<Reply> {
    let deadline = Instant::now() + state.limits.answer_time;
    let api = timeout_at(deadline, opened(state)).await.ok().flatten()?;
    let reply = if api.mutates(&operation) {
        timeout_at(deadline, mutation(state, api, operation, caller)).await
    } else {
        let running = query(Arc::clone(state), api, operation, caller, deadline);
        let running = state.work.spawn(running.in_current_span());
        let running = timeout_at(deadline, running).await;
        running.map(|ended| ended.unwrap_or_else(|_| panicked()))
    };
    if reply.is_err() {
        tracing::warn!("a request takes too long; the client is told to try again");
    }
    reply.ok()
}

/// In a task of its own: a mutation is not cancelled half-way when its client disconnects, and one whose client did not
/// hear of its end is not carried out a second time.
async fn mutation(
    state: &Arc<State>,
    api: Arc<Api>,
    operation: Arc<Operation>,
    caller: Caller,
) -> Reply {
    let ticket = Ticket::of(&caller, &operation);
    let mut earlier = state.unanswered.claim(ticket);
    if let Some(earlier) = &mut earlier {
        earlier.ended().await;
    }
    let earlier = earlier.filter(Delivery::is_done);
    let caller = Caller {
        repeats: earlier.is_some(),
        ..caller
    };
    let running = async move { api.execute(&operation, &caller).await };
    let running = state.work.spawn(running.in_current_span());
    if let Some(earlier) = earlier {
        let reply = running.await.unwrap_or_else(|_| panicked());
        if matches!(reply, Reply::Answer(_)) {
            earlier.arrived();
        }
        return reply;
    }
    let mut delivery = state.unanswered.begun(ticket, running);
    let reply = delivery.ended().await;
    delivery.arrived();
    reply.unwrap_or_else(panicked)
}

fn panicked() -> Reply {
    tracing::error!("a request ended in a panic");
    Reply::Answer(internal_failure().into())
}

/// The API, as soon as the store is open; `None` if the server ends first.
async fn opened(state: &State) -> Option<Arc<Api>> {
    let mut api = state.api.clone();
    tokio::select! {
        opened = api.wait_for(Option::is_some) => opened.ok()?.clone(),
        () = state.closed.cancelled() => None,
    }
}

async fn query(
    state: Arc<State>,
    api: Arc<Api>,
    operation: Arc<Operation>,
    caller: Caller,
    deadline: Instant,
) -> Reply {
    loop {
        let reply = api.execute(&operation, &caller).await;
        let again = matches!(reply, Reply::Unavailable(_))
            && !state.closed.is_cancelled()
            && Instant::now() + PAUSE < deadline;
        if !again {
            return reply;
        }
        sleep(PAUSE).await;
    }
}
