//! The AppSync realtime protocol from the client's side: handshake, subscriptions, frames (`realtime` 1, 2).

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};
use uuid::Uuid;

use crate::{
    document::{self, Operation},
    family::{CredentialStyle, Family},
    http::Target,
    schema::Schema,
};

/// The server answers every handshake step within this or gives up (errata row 9).
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// One subscription of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Which of the three subscriptions.
    pub operation: Operation,
    /// Of which model.
    pub model: String,
}

/// What a live socket tells its owner.
#[derive(Debug)]
pub enum Notice {
    /// An event's record, as sent.
    Event {
        /// The subscription it came on.
        topic: Topic,
        /// The record.
        item: Value,
    },
    /// The server broke the protocol.
    Violation(String),
    /// The socket is gone.
    Closed(String),
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket with all its subscriptions acknowledged.
pub struct Socket {
    notices: mpsc::UnboundedReceiver<Notice>,
    close: Option<oneshot::Sender<()>>,
    reader: JoinHandle<()>,
}

impl Socket {
    /// Connects, subscribes to all three events of every model and returns once every `start_ack` is there.
    pub async fn open(target: &Target, family: Family, schema: &Schema) -> anyhow::Result<Self> {
        let mut stream = connect(target, family).await?;
        handshake(&mut stream).await?;
        let (sender, notices) = mpsc::unbounded_channel();
        let mut session = Session {
            topics: HashMap::new(),
            waiting: 0,
            sender,
        };
        let subscribed = subscribe(&mut stream, &mut session, target, family, schema);
        tokio::time::timeout(2 * STEP_LIMIT, subscribed)
            .await
            .context("start_ack missing")??;
        let (close, closing) = oneshot::channel();
        let reader = tokio::spawn(read_frames(stream, session, closing));
        Ok(Self {
            notices,
            close: Some(close),
            reader,
        })
    }

    /// The next event or the end.
    pub async fn next(&mut self) -> Notice {
        let ended = || Notice::Closed("reader ended".to_owned());
        self.notices.recv().await.unwrap_or_else(ended)
    }

    /// A notice that has already arrived.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }

    /// Says goodbye with a close frame; dropping the socket instead cuts the connection.
    pub async fn close(mut self) {
        if let Some(close) = self.close.take()
            && close.send(()).is_ok()
        {
            let _ = tokio::time::timeout(STEP_LIMIT, &mut self.reader).await;
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn connect(target: &Target, family: Family) -> anyhow::Result<Stream> {
    let mut request = target.realtime.as_str().into_client_request()?;
    let headers = request.headers_mut();
    let (agent, value) = family.agent_header();
    let protocol = match family.credential_style() {
        CredentialStyle::Subprotocol => {
            let header = credentials(target, None).to_string();
            format!("graphql-ws, header-{}", URL_SAFE_NO_PAD.encode(header))
        }
        CredentialStyle::Headers => {
            headers.insert(agent, HeaderValue::from_static(value));
            headers.insert("x-api-key", HeaderValue::from_str(&target.api_key)?);
            "graphql-ws".to_owned()
        }
    };
    headers.insert("sec-websocket-protocol", HeaderValue::from_str(&protocol)?);
    let connector = match target.realtime.scheme() {
        "wss" => Connector::Rustls(target.tls()?),
        _ => Connector::Plain,
    };
    let dial = async {
        let tcp = TcpStream::connect(target.realtime_authority()).await?;
        tcp.set_nodelay(true)?;
        let upgraded = client_async_tls_with_config(request, tcp, None, Some(connector)).await;
        anyhow::Ok(upgraded?)
    };
    let (stream, response) = tokio::time::timeout(STEP_LIMIT, dial)
        .await
        .context("upgrade not answered")??;
    let chosen = response.headers().get("sec-websocket-protocol");
    ensure!(
        chosen.is_some_and(|value| value == "graphql-ws"),
        "upgrade chose subprotocol {chosen:?}"
    );
    Ok(stream)
}

fn credentials(target: &Target, agent: Option<&str>) -> Value {
    let mut header = json!({
        "host": target.authority(), "x-amz-date": "20240102T030405Z", "x-api-key": target.api_key
    });
    if let Some(agent) = agent {
        header["x-amz-user-agent"] = agent.into();
    }
    header
}

/// `connection_init`, `connection_ack` with its timeout, and the `ka` right behind it (`client-js` 0.4).
async fn handshake(stream: &mut Stream) -> anyhow::Result<()> {
    send(stream, &json!({"type": "connection_init"})).await?;
    let ack = next_frame(stream).await?;
    ensure!(
        ack["type"] == "connection_ack" && ack["payload"]["connectionTimeoutMs"].is_u64(),
        "connection_init was answered with {ack}"
    );
    let alive = next_frame(stream).await?;
    ensure!(
        alive["type"] == "ka",
        "connection_ack was followed by {alive}"
    );
    Ok(())
}

async fn send(stream: &mut Stream, frame: &Value) -> anyhow::Result<()> {
    stream.send(Message::text(frame.to_string())).await?;
    Ok(())
}

async fn next_frame(stream: &mut Stream) -> anyhow::Result<Value> {
    loop {
        let message = tokio::time::timeout(STEP_LIMIT, stream.next())
            .await
            .context("no frame")?;
        match message.context("socket ended")?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(frame) => bail!("closed by the server: {frame:?}"),
            _ => {}
        }
    }
}

async fn subscribe(
    stream: &mut Stream,
    session: &mut Session,
    target: &Target,
    family: Family,
    schema: &Schema,
) -> anyhow::Result<()> {
    for model in &schema.models {
        for operation in Operation::ALL {
            let id = Uuid::new_v4().to_string();
            let query = document::subscription(operation, model);
            let data = json!({"query": query, "variables": {}}).to_string();
            let authorization = credentials(target, family.start_agent());
            let start = json!({"id": id, "type": "start",
                "payload": {"data": data, "extensions": {"authorization": authorization}}});
            let topic = Topic {
                operation,
                model: model.name.clone(),
            };
            session.topics.insert(id, (Arc::new(topic), false));
            session.waiting += 1;
            send(stream, &start).await?;
        }
    }
    while session.waiting > 0 {
        let frame = next_frame(stream).await?;
        session.handle(&frame)?;
    }
    Ok(())
}

/// The subscriptions of one socket and where their events go.
struct Session {
    topics: HashMap<String, (Arc<Topic>, bool)>,
    waiting: usize,
    sender: mpsc::UnboundedSender<Notice>,
}

impl Session {
    fn tell(&self, notice: Notice) {
        // The owner may already be gone; then nobody is interested.
        let _ = self.sender.send(notice);
    }

    fn handle(&mut self, frame: &Value) -> anyhow::Result<()> {
        let kind = frame["type"].as_str().unwrap_or_default();
        if kind == "ka" {
            return Ok(());
        }
        let id = frame["id"].as_str().unwrap_or_default();
        let Some((topic, acked)) = self.topics.get_mut(id) else {
            bail!("frame for no subscription of this socket: {frame}");
        };
        match kind {
            "start_ack" if !*acked => {
                *acked = true;
                self.waiting -= 1;
            }
            "data" if *acked => {
                let topic = Topic::clone(topic);
                self.deliver(topic, frame);
            }
            _ => bail!("unexpected frame {frame}"),
        }
        Ok(())
    }

    fn deliver(&self, topic: Topic, frame: &Value) {
        let payload = &frame["payload"];
        let object = payload["data"].as_object();
        let item = object.and_then(|object| object.values().next());
        match item {
            Some(item) if item.is_object() && payload.get("errors").is_none() => {
                let item = item.clone();
                self.tell(Notice::Event { topic, item });
            }
            _ => self.tell(Notice::Violation(format!("event a client skips: {frame}"))),
        }
    }
}

async fn read_frames(mut stream: Stream, mut session: Session, mut closing: oneshot::Receiver<()>) {
    let reason = loop {
        let message = tokio::select! {
            message = stream.next() => message,
            _ = &mut closing => {
                let _ = stream.close(None).await;
                break "closed by the client".to_owned();
            }
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let handled = serde_json::from_str(&text)
                    .context("frame is not JSON")
                    .and_then(|frame| session.handle(&frame));
                if let Err(problem) = handled {
                    session.tell(Notice::Violation(problem.to_string()));
                }
            }
            Some(Ok(Message::Close(frame))) => break format!("close frame {frame:?}"),
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.to_string(),
            None => break "connection lost".to_owned(),
        }
    };
    session.tell(Notice::Closed(reason));
}
