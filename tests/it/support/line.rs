//! A line to a test's database or NATS server that can be cut: what a node sees when the network fails.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use driftless::storage::NatsPlace;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::nats::Nats;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Whole,
    /// Nothing passes for now and nobody is told; what was sent meanwhile arrives later, as packets do that are sent again.
    Halted,
    /// Nothing passes and nobody is told: connections stay open and silent, new ones are never answered.
    Silent,
    /// Connections are closed, new ones too.
    Cut,
}

/// What a line leads to.
#[derive(Clone)]
enum End {
    Socket(String),
    Port(u16),
}

/// A port that leads elsewhere.
pub(crate) struct Line {
    /// What is at the other end, reached by this port.
    pub(crate) url: String,
    state: Arc<watch::Sender<State>>,
    _serving: JoinSet<()>,
}

impl Line {
    /// A line to a database, or to a pooler before it, on a Unix socket.
    pub(crate) async fn to(database: &str) -> Line {
        let mut url = url::Url::parse(database).expect("a URL");
        let folder = url
            .query_pairs()
            .find_map(|(name, value)| (name == "host").then(|| value.into_owned()))
            .expect("the test server has a socket");
        let socket = format!("{folder}/.s.PGSQL.{}", url.port().unwrap_or(5432));
        url.set_query(None);
        Line::leading(End::Socket(socket), url).await
    }

    /// A line to a NATS server.
    pub(crate) async fn to_nats(nats: &Nats) -> Line {
        let url = url::Url::parse(&nats.feed.url).expect("a URL");
        Line::leading(End::Port(nats.port), url).await
    }

    /// A line to this end, at which a URL leads there otherwise.
    async fn leading(end: End, mut url: url::Url) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        let state = Arc::new(watch::Sender::new(State::Whole));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, end, Arc::clone(&state)));
        Line {
            url: url.into(),
            state,
            _serving: serving,
        }
    }

    /// NATS by this line.
    pub(crate) fn feed(&self) -> NatsPlace {
        NatsPlace::at(&self.url)
    }

    /// Lets nothing pass for now, without a word.
    pub(crate) fn halt(&self) {
        self.state.send_replace(State::Halted);
    }

    /// Lets nothing pass any more, without a word.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Closes every connection and lets none through.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets everything pass again; connections that were silent stay so, those that were halted go on.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn serve(listener: TcpListener, end: End, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let (end, state) = (end.clone(), state.subscribe());
        connections.spawn(async move {
            // Where nothing listens at the other end, the connection closes.
            let _ = match end {
                End::Socket(path) => lead(near, UnixStream::connect(path), state).await,
                End::Port(port) => lead(near, TcpStream::connect(("127.0.0.1", port)), state).await,
            };
        });
    }
}

/// Lets a connection pass as the line does.
async fn lead<Far: AsyncRead + AsyncWrite + Unpin>(
    mut near: TcpStream,
    far: impl Future<Output = io::Result<Far>>,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut passing = pin!(async {
        copy_bidirectional(&mut near, &mut far.await?)
            .await
            .map(drop)
    });
    loop {
        let now = *state.borrow_and_update();
        match now {
            State::Whole => tokio::select! {
                ended = &mut passing => return ended,
                () = until(&mut state, |state| state != State::Whole) => {}
            },
            State::Halted => until(&mut state, |state| state != State::Halted).await,
            // What arrives on a broken line is neither answered nor kept.
            State::Silent | State::Cut => {
                until(&mut state, |state| state == State::Cut).await;
                return Ok(());
            }
        }
    }
}

async fn until(state: &mut watch::Receiver<State>, wanted: impl Fn(State) -> bool) {
    // An error means that the line is gone, and its connections with it.
    let _ = state.wait_for(|state| wanted(*state)).await;
}
