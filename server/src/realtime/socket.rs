//! The task around a [`Session`]: reads, writes, authenticates, registers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use driftless_resolvers::api::{Api, Request, Subscription};
use driftless_resolvers::identity::{Family, Identity};
use futures_util::SinkExt;
use futures_util::stream::{SplitSink, SplitStream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Settings;
use super::hub::{Delivery, Hub, Outbox, Subscriber};
use super::protocol::{self, ConnectionRefusal, Denial, Start};
use super::room::Registration;
use super::session::{Input, Output, Session};
use crate::auth::roster::Seat;
use crate::auth::{Authenticator, Credentials, Presented, Rejection, Signed};
use crate::metrics::Metrics;

/// Swift gives up waiting for an answer after 5 s (`errata.md` row 9); later than this the socket is closed instead.
const ANSWER: Duration = Duration::from_secs(4);
/// How long after a denial others may join it (`realtime.md` 2.3).
const BURST: Duration = Duration::from_millis(200);
/// How long a client may take to read one frame, or to answer a close.
const SLOWEST_WRITE: Duration = Duration::from_secs(30);
const FAREWELL: Duration = Duration::from_secs(1);
/// Events written between two flushes.
const WRITES_PER_FLUSH: usize = 64;

/// What every socket works with.
pub struct Realtime {
    /// Bounds and times.
    pub settings: Settings,
    /// Who may connect.
    pub authenticator: Arc<Authenticator>,
    /// The API of the moment.
    pub api: tokio::sync::watch::Receiver<Option<Arc<Api>>>,
    /// Who listens to what.
    pub hub: Arc<Hub>,
    /// Cancelled when the server drains.
    pub drain: CancellationToken,
    /// Over how much time sockets are closed while draining.
    pub drain_spread: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client has gone or said farewell.
    Gone,
    /// The client sent a frame that is too large.
    TooLarge,
    /// The server wants the client to come back: overflow, drain, overload.
    Return,
}

/// A connection whose credentials are good.
#[derive(Debug)]
pub struct Connection {
    credentials: Credentials,
    identity: Identity,
}

impl Realtime {
    /// Judges the credentials of a connection before it is upgraded; `None` if nobody can tell now, and the client shall
    /// come back (`errata.md` row 10).
    pub async fn admit(
        &self,
        shown: Result<Credentials, ConnectionRefusal>,
        request_id: &str,
    ) -> Option<Result<Connection, ConnectionRefusal>> {
        let credentials = match shown {
            Ok(credentials) => credentials,
            Err(refusal) => return Some(Err(refusal)),
        };
        let presented = Presented {
            credentials: &credentials,
            signed: Signed::CONNECT,
            operation: None,
            request_id,
            source: None,
        };
        let judged = timeout(ANSWER, self.authenticator.authenticate(&presented)).await;
        match judged {
            Ok(Ok(identity)) => Some(Ok(Connection {
                credentials,
                identity,
            })),
            Ok(Err(Rejection::Unavailable)) | Err(_) => None,
            Ok(Err(_)) => Some(Err(ConnectionRefusal::Unauthorized)),
        }
    }
}

/// Serves an upgraded connection to its end.
pub async fn serve(
    socket: WebSocket,
    realtime: Arc<Realtime>,
    connection: Result<Connection, ConnectionRefusal>,
) {
    let (sink, stream) = socket.split();
    match connection {
        Ok(connection) => {
            let identity = connection.identity.clone();
            let mut socket = Socket::new(realtime, connection, sink);
            if socket.seat(&identity) {
                socket.run(stream).await;
            } else {
                socket.part(End::Return, stream).await;
            }
        }
        Err(refusal) => refuse(refusal, sink, stream).await,
    }
}

/// Says why the connection is refused, after the client's first frame: before it, some clients do not listen yet.
async fn refuse(
    refusal: ConnectionRefusal,
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
) {
    let _ = timeout(Duration::from_secs(2), stream.next()).await;
    let frame = protocol::connection_error(refusal);
    if sink.send(Message::Text(frame.into())).await.is_ok() {
        // The client closes; the server only makes sure that it does.
        let _ = timeout(FAREWELL, async {
            while let Some(Ok(_)) = stream.next().await {}
        })
        .await;
        let _ = timeout(FAREWELL, sink.send(close(1011))).await;
    }
}

fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: "".into(),
    }))
}

struct Socket {
    realtime: Arc<Realtime>,
    connection: Credentials,
    session: Session,
    sink: SplitSink<WebSocket, Message>,
    outbox: Outbox,
    queue: mpsc::Receiver<Delivery>,
    overflowed: CancellationToken,
    registrations: HashMap<String, Registration>,
    family: Family,
    burst_end: Option<Instant>,
    /// Cancelled when one of the principals on this socket is let in no more.
    revoked: CancellationToken,
    /// The principals on this socket, by name.
    seats: HashMap<String, Seat>,
}

impl Socket {
    fn new(
        realtime: Arc<Realtime>,
        connection: Connection,
        sink: SplitSink<WebSocket, Message>,
    ) -> Self {
        let (outbox, queue, overflowed) = Outbox::new(realtime.settings.queue);
        let outbox = outbox.limited(realtime.settings.event_limit);
        Socket {
            session: Session::new(&realtime.settings),
            family: connection.credentials.agents.family(),
            connection: connection.credentials,
            realtime,
            sink,
            outbox,
            queue,
            overflowed,
            registrations: HashMap::new(),
            burst_end: None,
            revoked: CancellationToken::new(),
            seats: HashMap::new(),
        }
    }

    async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        let mut keep_alive = ticks(self.realtime.settings.keep_alive);
        let mut api = self.realtime.api.clone();
        api.mark_unchanged();
        let drained = drained(self.realtime.drain.clone(), self.spread());
        tokio::pin!(drained);
        let end = loop {
            let step = tokio::select! {
                incoming = stream.next() => self.incoming(incoming).await,
                Some(delivery) = self.queue.recv() => self.deliver(delivery, WRITES_PER_FLUSH).await,
                _ = keep_alive.tick() => self.input(Input::KeepAlive).await,
                () = self.overflowed.cancelled() => Err(End::Return),
                Ok(()) = api.changed() => self.renew(),
                () = burst_end(self.burst_end) => {
                    self.burst_end = None;
                    self.input(Input::BurstEnded).await
                }
                () = &mut drained => Err(End::Return),
                () = self.revoked.cancelled() => Err(End::Return),
            };
            if let Err(end) = step {
                break end;
            }
        };
        // Nobody shall fill the queue any more.
        self.registrations.clear();
        self.part(end, stream).await;
    }

    /// Another schema is served: what is still valid goes on. A client whose subscription is not valid any more comes
    /// back and is told so at its start.
    fn renew(&mut self) -> Result<(), End> {
        let Some(api) = self.realtime.api.borrow().clone() else {
            return Ok(());
        };
        let mut registrations = self.registrations.values_mut();
        if registrations.all(|registration| registration.renew(&api)) {
            return Ok(());
        }
        Err(End::Return)
    }

    /// This socket's moment within the time over which all are closed, so that not all clients come back at once.
    fn spread(&self) -> Duration {
        let random = u32::from_le_bytes(
            *uuid::Uuid::new_v4()
                .as_bytes()
                .first_chunk()
                .unwrap_or(&[0; 4]),
        );
        self.realtime
            .drain_spread
            .mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    async fn incoming(
        &mut self,
        incoming: Option<Result<Message, axum::Error>>,
    ) -> Result<(), End> {
        match incoming {
            Some(Ok(Message::Text(text))) => self.input(Input::Text(text.as_str())).await,
            Some(Ok(Message::Binary(_))) => self.input(Input::Binary).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => {
                let too_large = error.to_string().contains("too long");
                Err(if too_large { End::TooLarge } else { End::Gone })
            }
        }
    }

    /// Sends an event and those that wait behind it, but no more than `most`.
    async fn deliver(&mut self, first: Delivery, most: usize) -> Result<(), End> {
        let mut next = Some(first);
        let mut written = 0;
        while let Some(delivery) = next {
            for output in self
                .session
                .step(Input::Event(&delivery.id, &delivery.payload))
            {
                if let Output::Send(frame) = output {
                    self.write(frame, false).await?;
                }
            }
            written += 1;
            self.realtime.metrics.events.add(&[], 1);
            next = (written < most)
                .then(|| self.queue.try_recv().ok())
                .flatten();
        }
        self.flush().await
    }

    async fn input(&mut self, input: Input<'_>) -> Result<(), End> {
        let mut todo: std::collections::VecDeque<Output> = self.session.step(input).into();
        while let Some(output) = todo.pop_front() {
            match output {
                Output::Send(frame) => self.write(frame, true).await?,
                // In a box, since every waiting socket would keep room for what it seldom does.
                Output::Admit(start) => todo.extend(Box::pin(self.admit(*start)).await?),
                Output::Release(id) => drop(self.registrations.remove(&id)),
                Output::AwaitBurstEnd => self.burst_end = Some(Instant::now() + BURST),
                Output::Close => return Err(End::Return),
            }
        }
        Ok(())
    }

    /// Authenticates, checks and registers a start; the session says what follows.
    async fn admit(&mut self, start: Start) -> Result<Vec<Output>, End> {
        let Ok(Some(checked)) = timeout(ANSWER, self.check(&start)).await else {
            tracing::warn!("nobody can tell whose subscription it is; its socket is closed");
            return Err(End::Return);
        };
        let (api, subscription) = match checked {
            Ok(checked) => checked,
            Err(denial) => return Ok(self.session.step(Input::Refused(&start.id, &denial))),
        };
        self.register(&start.id, &start.request, &api, subscription)
            .await?;
        Ok(self.session.step(Input::Admitted(&start.id)))
    }

    /// What a start may listen to; `None` if nobody can tell now.
    async fn check(&mut self, start: &Start) -> Option<Result<(Arc<Api>, Subscription), Denial>> {
        let mut credentials = match &start.authorization {
            Some(object) => Credentials::from_json(object),
            None => self.connection.clone(),
        };
        credentials.agents = credentials.agents.or(&self.connection.agents);
        let family = credentials.agents.family();
        if self.family == Family::Unknown {
            self.family = family;
        }
        let gentle = self.realtime.settings.gentle_denials
            && family == Family::JavaScript
            && credentials.agents.datastore();
        let request_id = uuid::Uuid::new_v4().to_string();
        let span = tracing::info_span!("start", start = start.id, request_id);
        let presented = Presented {
            credentials: &credentials,
            signed: Signed::start(&start.data),
            operation: Some(&start.request),
            request_id: &request_id,
            source: None,
        };
        let recognising = self.realtime.authenticator.caller(&presented);
        let caller = match recognising.instrument(span).await {
            Ok(caller) => caller,
            Err(Rejection::Unavailable) => return None,
            Err(_) => return Some(Err(Denial::credential(gentle))),
        };
        if !self.seat(&caller.identity) {
            return Some(Err(Denial::credential(gentle)));
        }
        let api = self.realtime.api.borrow().clone()?;
        let subscribed = api.subscribe(&start.request, &caller);
        Some(match subscribed {
            Ok(subscription) => Ok((api, subscription)),
            Err(refusal) => Err(Denial::from_api(refusal, gentle)),
        })
    }

    /// Notes that this principal listens here; whether it still may.
    fn seat(&mut self, identity: &Identity) -> bool {
        let name = identity.principal();
        if self.seats.contains_key(&name) {
            return true;
        }
        let seat = self.realtime.authenticator.seat(identity, &self.revoked);
        seat.is_some_and(|seat| self.seats.insert(name, seat).is_none())
    }

    async fn register(
        &mut self,
        id: &str,
        request: &Request,
        api: &Arc<Api>,
        subscription: Subscription,
    ) -> Result<(), End> {
        let subscriber = Subscriber {
            id: id.into(),
            outbox: self.outbox.clone(),
        };
        // One that asks for something else has no successor: it ends before the new one begins.
        let former = self.registrations.remove(id);
        let replaced = former.filter(|former| former.asks_for(request, &subscription));
        self.make_room().await?;
        let registering = self.realtime.hub.register(
            &api.engine.schema,
            request,
            subscription,
            subscriber,
            replaced,
        );
        match timeout(ANSWER, registering).await {
            Ok(Ok(registration)) => {
                self.registrations.insert(id.to_owned(), registration);
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "a subscription cannot be registered; its socket is closed");
                Err(End::Return)
            }
            Err(_) => {
                tracing::warn!("a subscription is not registered in time; its socket is closed");
                Err(End::Return)
            }
        }
    }

    /// Sends what waits by now, before a subscription begins. Its replay gets the room that it needs, so that a device with
    /// many models is not taken for a slow reader; and what was told to a former subscription with its id is not told to it.
    async fn make_room(&mut self) -> Result<(), End> {
        let waiting = self.queue.len();
        match self.queue.try_recv() {
            Ok(first) => self.deliver(first, waiting).await,
            Err(_) => Ok(()),
        }
    }

    async fn write(&mut self, frame: String, flush: bool) -> Result<(), End> {
        let message = Message::Text(frame.into());
        let writing = async {
            if flush {
                self.sink.send(message).await
            } else {
                self.sink.feed(message).await
            }
        };
        written(timeout(SLOWEST_WRITE, writing), &self.overflowed).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        written(timeout(SLOWEST_WRITE, self.sink.flush()), &self.overflowed).await
    }

    /// Ends the connection in the way the client comes back from. Android takes any close frame for a normal end and
    /// falls silent, so its connection is cut (`errata.md` row 33).
    async fn part(mut self, end: End, mut stream: SplitStream<WebSocket>) {
        let code = match end {
            End::Gone => return,
            End::TooLarge => 1009,
            End::Return => 1011,
        };
        let cut = matches!(self.family, Family::Android | Family::Flutter);
        if cut {
            let _ = timeout(FAREWELL, self.sink.flush()).await;
            return;
        }
        if let Ok(Ok(())) = timeout(FAREWELL, self.sink.send(close(code))).await {
            let _ = timeout(FAREWELL, async {
                while let Some(Ok(_)) = stream.next().await {}
            })
            .await;
        }
    }
}

async fn written<E>(
    writing: impl Future<Output = Result<Result<(), axum::Error>, E>>,
    overflowed: &CancellationToken,
) -> Result<(), End> {
    tokio::select! {
        result = writing => match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Return),
        },
        () = overflowed.cancelled() => Err(End::Return),
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn burst_end(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn drained(drain: CancellationToken, spread: Duration) {
    drain.cancelled().await;
    tokio::time::sleep(spread).await;
}
