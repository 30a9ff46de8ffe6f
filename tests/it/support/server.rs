//! A server in this process, on a free port, with records in memory; and its clients.

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use driftless::app::App;
use driftless::auth::token::Kind;
use driftless::auth::token::issuer::{DevelopmentIssuer, Use, User};
use driftless::auth::{KeySetting, api_key};
use driftless::config::{Config, ConfigError, Database, Flags, ISSUER_KEY, SchemaSource};
use driftless_resolvers::clock::{Clock, System};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Long enough for a loaded machine; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The user agent of a DataStore client in JavaScript.
pub(crate) const DATASTORE: &str = "aws-amplify/6.22.1 datastore/1 framework/0";

static PROVIDER: Once = Once::new();

/// A configuration with the text of a file laid over it.
pub(crate) fn configured(config: &Config, file: &str) -> Config {
    read(config, file).unwrap_or_else(|error| panic!("{error}"))
}

/// Why a server for production does not take this file.
pub(crate) fn refused(file: &str) -> String {
    match read(&Config::production(), file) {
        Ok(_) => panic!("the file is taken: {file}"),
        Err(error) => error.to_string(),
    }
}

fn read(config: &Config, file: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("driftless.toml");
    std::fs::write(&path, file).expect("a file");
    let flags = Flags {
        file: Some(path),
        ..Flags::default()
    };
    config.clone().load(&flags)
}

/// Says once per process whose cryptography clients use.
pub(crate) fn provide_cryptography() {
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A running server. Its files vanish with it.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) key: String,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::start_with(|_| {}).await
    }

    /// With a changed configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Server {
        let mut server = Server::start_without_store(change).await;
        server.app.ready().await.expect("the store opens");
        server
    }

    /// Listening, but the store may not be there yet.
    pub(crate) async fn start_without_store(change: impl FnOnce(&mut Config)) -> Server {
        provide_cryptography();
        let folder = tempfile::tempdir().expect("a folder");
        let key = api_key::generate().expect("random bytes");
        let mut config = Config::development(folder.path());
        config.schema = SchemaSource::File(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/whitepaper/schema.graphql"),
        );
        config.listen.address.set_port(0);
        config.database = Database::memory();
        config
            .auth
            .add_key(KeySetting::plain(&key).expect("a good key"));
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        Server {
            app,
            key,
            client: reqwest::Client::new(),
            folder,
        }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address())
    }

    /// An access token of a user of these groups, good for an hour.
    pub(crate) fn token(&self, name: &str, groups: &[&str]) -> String {
        let user = User {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        };
        self.token_of(Kind::UserPool, &user, Use::Access, 3_600)
    }

    /// Any token of the development issuer, good for so many seconds.
    pub(crate) fn token_of(&self, kind: Kind, user: &User, purpose: Use, seconds: i64) -> String {
        let issuer = DevelopmentIssuer::open(&self.folder.path().join(ISSUER_KEY));
        let issuer = issuer.expect("the server's issuer");
        let token = issuer.token(kind, user, purpose, System.now(), seconds);
        token.expect("a token")
    }

    /// A POST of this document with credentials in headers.
    pub(crate) async fn ask(&self, query: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let body = json!({"query": query, "variables": {}}).to_string();
        let mut request = reqwest::Client::new().post(self.url("/graphql")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    /// A POST of this body with the key and a JSON content type.
    pub(crate) fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client
            .post(self.url("/graphql"))
            .header("x-api-key", &self.key)
            .header("content-type", "application/json; charset=UTF-8")
            .body(body)
    }

    /// The answer to a document; status 200 is required.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let response = self.post(body).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{query}");
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
    }

    /// Creates a post and answers it.
    pub(crate) async fn create_post(&self, title: &str) -> Value {
        let query = "mutation operation($input: CreatePostInput!) {
            createPost(input: $input) { id title rating status _version _lastChangedAt _deleted } }";
        let input = json!({"title": title, "rating": 3, "status": "ACTIVE"});
        let answer = self.graphql(query, json!({ "input": input })).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"]["createPost"].clone()
    }

    /// Changes a post's title and answers it.
    pub(crate) async fn rename_post(&self, post: &Value, title: &str) -> Value {
        let query = "mutation operation($input: UpdatePostInput!) {
            updatePost(input: $input) { id title _version _lastChangedAt _deleted } }";
        let input = json!({"id": post["id"], "title": title, "_version": post["_version"]});
        let answer = self.graphql(query, json!({ "input": input })).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"]["updatePost"].clone()
    }

    /// Fails unless requests are still answered.
    pub(crate) async fn assert_intact(&self) {
        let answer = self
            .graphql("{ listPosts { items { id } } }", json!({}))
            .await;
        assert!(answer["data"]["listPosts"]["items"].is_array(), "{answer}");
    }

    /// The object a client authorizes itself with on sockets.
    pub(crate) fn authorization(&self, agent: &str) -> Value {
        json!({"host": "localhost", "x-api-key": self.key, "x-amz-user-agent": agent})
    }

    /// A connection with the credentials in the headers of the upgrade.
    pub(crate) async fn connect(&self) -> Socket {
        self.connect_with("/graphql/realtime", &[("x-api-key", &self.key)])
            .await
            .expect("an upgrade")
    }

    /// A connection that has been acknowledged.
    pub(crate) async fn session(&self) -> Socket {
        let mut socket = self.connect().await;
        socket.init().await;
        socket
    }

    /// A connection with these headers; `graphql-ws` is offered unless they say otherwise.
    pub(crate) async fn connect_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, Error> {
        Socket::open(&self.app.address().to_string(), path, headers).await
    }
}

/// A client's end of a WebSocket.
pub(crate) struct Socket {
    pub(crate) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) response: http::Response<Option<Vec<u8>>>,
}

impl Socket {
    /// A connection to a server at an address, with these headers; `graphql-ws` is offered unless they say otherwise.
    pub(crate) async fn open(
        address: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-ws".parse().expect("a value"),
        );
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a value"));
        }
        let (stream, response) = tokio_tungstenite::connect_async(request).await?;
        Ok(Socket { stream, response })
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        let message = Message::Text(text.into());
        self.stream.send(message).await.expect("an open socket");
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next());
            match next.await.expect("a frame in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    }

    /// The next frame that is no keep-alive.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            let frame = self.any_frame().await;
            if frame["type"] != "ka" {
                return frame;
            }
        }
    }

    pub(crate) async fn any_frame(&mut self) -> Value {
        match self.message().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("a JSON frame"),
            other => panic!("no frame but {other:?}"),
        }
    }

    /// How the server ends the connection, frames before it thrown away: the close frame, or `None` if it is cut.
    pub(crate) async fn end(&mut self) -> Option<CloseFrame> {
        loop {
            match self.message().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(crate) async fn init(&mut self) {
        self.send(json!({"type": "connection_init"})).await;
        let ack = self.any_frame().await;
        assert_eq!(ack["type"], "connection_ack", "{ack}");
        assert_eq!(ack["payload"]["connectionTimeoutMs"], 300_000);
        assert_eq!(self.any_frame().await["type"], "ka");
    }

    /// Sends a start.
    pub(crate) async fn start(&mut self, id: &str, query: &str, authorization: &Value) {
        let data = json!({"query": query, "variables": {}}).to_string();
        let extensions = json!({ "authorization": authorization });
        let payload = json!({"data": data, "extensions": extensions});
        self.send(json!({"id": id, "type": "start", "payload": payload}))
            .await;
    }

    /// Sends a start and takes its acknowledgement.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, authorization: &Value) {
        self.start(id, query, authorization).await;
        assert_eq!(self.frame().await, json!({"type": "start_ack", "id": id}));
    }
}
