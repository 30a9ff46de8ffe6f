//! One writer, many subscribers: how fast events reach all of them, and what an idle one costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig,
    },
};

use super::{
    load::{Connection, create_body},
    process::Running,
};

/// How long the last event may take after the last write.
const DELIVERY_LIMIT: Duration = Duration::from_secs(30);

const SUBSCRIPTION: &str = "subscription operation {\n  onCreatePost {\n    id\n    title\n    rating\n    status\n    tags\n    createdAt\n    updatedAt\n    _version\n    _lastChangedAt\n    _deleted\n  }\n}\n";

/// Many sockets with one subscription each, counting what arrives.
pub struct Audience {
    size: u64,
    received: Arc<AtomicU64>,
    arrived: Arc<Notify>,
    readers: Vec<JoinHandle<()>>,
}

impl Audience {
    /// Connects and subscribes that many sockets.
    pub async fn gather(program: &Running, size: u64) -> anyhow::Result<Self> {
        let received = Arc::new(AtomicU64::new(0));
        let arrived = Arc::new(Notify::new());
        let mut readers = Vec::new();
        for _ in 0..size {
            let stream = subscribe(program).await?;
            let (received, arrived) = (Arc::clone(&received), Arc::clone(&arrived));
            readers.push(tokio::spawn(count(stream, size, received, arrived)));
        }
        Ok(Self {
            size,
            received,
            arrived,
            readers,
        })
    }

    /// Waits until each socket has got that many events.
    async fn got(&self, events: u64) -> anyhow::Result<()> {
        let wait = async {
            loop {
                let notified = self.arrived.notified();
                if self.received.load(Ordering::Acquire) >= events * self.size {
                    return;
                }
                notified.await;
            }
        };
        let waited = tokio::time::timeout(DELIVERY_LIMIT, wait).await;
        waited.with_context(|| {
            let received = self.received.load(Ordering::Relaxed);
            format!("{received} of {} events arrived", events * self.size)
        })
    }

    /// Deliveries per second while a writer sends one write after the other, until the last event is there.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub async fn throughput(&self, program: &Running, time: Duration) -> anyhow::Result<f64> {
        let mut writer = Connection::open(program).await?;
        let before = self.received.load(Ordering::Acquire) / self.size;
        let started = Instant::now();
        let mut writes = 0;
        while started.elapsed() < time {
            writes += 1;
            writer.post(&create_body(writes)).await?;
        }
        self.got(before + writes).await?;
        Ok((writes * self.size) as f64 / started.elapsed().as_secs_f64())
    }

    /// Median time from a write's answer to its last delivery, one write at a time.
    pub async fn latency(&self, program: &Running, writes: u64) -> anyhow::Result<Duration> {
        let mut writer = Connection::open(program).await?;
        let before = self.received.load(Ordering::Acquire) / self.size;
        let mut times = Vec::new();
        for write in 1..=writes {
            writer.post(&create_body(write)).await?;
            let answered = Instant::now();
            self.got(before + write).await?;
            times.push(answered.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

type Stream = WebSocketStream<TcpStream>;

async fn count(mut stream: Stream, size: u64, received: Arc<AtomicU64>, arrived: Arc<Notify>) {
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message
            && text.contains("\"data\"")
            && (received.fetch_add(1, Ordering::AcqRel) + 1).is_multiple_of(size)
        {
            arrived.notify_one();
        }
    }
}

async fn subscribe(program: &Running) -> anyhow::Result<Stream> {
    let (address, path) = (program.address, &program.path);
    let mut request = format!("ws://{address}{path}/realtime").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("graphql-ws"),
    );
    headers.insert("x-api-key", HeaderValue::from_str(&program.api_key)?);
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let (mut stream, _) = client_async_with_config(request, tcp, Some(config)).await?;
    stream
        .send(Message::text(r#"{"type":"connection_init"}"#))
        .await?;
    let authorization = json!({"host": address.to_string(), "x-api-key": program.api_key,
        "x-amz-user-agent": "aws-amplify/6.22.1 api/1 framework/0"});
    let data = json!({"query": SUBSCRIPTION, "variables": {}}).to_string();
    let start = json!({"id": "1", "type": "start",
        "payload": {"data": data, "extensions": {"authorization": authorization}}});
    stream.send(Message::text(start.to_string())).await?;
    loop {
        let message = stream.next().await.context("socket ended")??;
        if let Message::Text(text) = message
            && text.contains("start_ack")
        {
            return Ok(stream);
        }
    }
}
