//! A line to a test's database that can be cut: what a node sees when the network fails.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::postgres::Database;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Whole,
    /// Nothing passes and nobody is told: connections stay open and silent, new ones are never answered.
    Silent,
    /// Connections are closed, new ones too.
    Cut,
}

/// A port that leads to a database.
pub(crate) struct Line {
    /// The database at the other end.
    pub(crate) url: String,
    state: Arc<watch::Sender<State>>,
    _serving: JoinSet<()>,
}

impl Line {
    /// A line to a database on a Unix socket or a TCP port.
    pub(crate) async fn to(database: &Database) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut url = url::Url::parse(&database.url).expect("a URL");
        let folder = url
            .query_pairs()
            .find_map(|(name, value)| (name == "host").then(|| value.into_owned()))
            .expect("the test server has a socket");
        let socket = format!("{folder}/.s.PGSQL.{}", url.port().unwrap_or(5432));
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        let state = Arc::new(watch::Sender::new(State::Whole));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, socket, Arc::clone(&state)));
        Line {
            url: url.into(),
            state,
            _serving: serving,
        }
    }

    /// Lets nothing pass any more, without a word.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Closes every connection and lets none through.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets everything pass again; connections that were silent stay so.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn serve(listener: TcpListener, socket: String, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let (socket, mut state) = (socket.clone(), state.subscribe());
        connections.spawn(async move {
            // What arrives on a broken line is neither answered nor kept.
            let whole = *state.borrow_and_update() == State::Whole;
            if !whole {
                return silent(state).await;
            }
            let Ok(mut far) = UnixStream::connect(&socket).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = until(&mut state, |state| state != State::Whole) => silent(state).await,
            }
        });
    }
}

/// Holds a connection for as long as the line exists, unless the line is cut.
async fn silent(mut state: watch::Receiver<State>) {
    until(&mut state, |state| state == State::Cut).await;
}

async fn until(state: &mut watch::Receiver<State>, wanted: impl Fn(State) -> bool) {
    // An error means that the line is gone, and its connections with it.
    let _ = state.wait_for(|state| wanted(*state)).await;
}
