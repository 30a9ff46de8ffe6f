//! The least program that could answer the benchmark's requests: hand-written HTTP, the least SQL, no GraphQL.
//!
//! It understands exactly the requests this benchmark sends: a body with `variables.input` is written, any other body is
//! a sync page, and an upgrade becomes a subscriber of every write.

mod socket;
mod store;

use std::{io::Write as _, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

use store::Tables;

/// Arguments of the hidden `limit` command.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// `sqlite:PATH` or a Postgres URL.
    #[arg(long)]
    pub database: String,
    /// One transaction per request instead of one per batch.
    #[arg(long)]
    pub single: bool,
}

struct Limit {
    tables: Tables,
    events: broadcast::Sender<Arc<str>>,
}

/// Serves until it is killed.
pub async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let limit = Arc::new(Limit {
        tables: Tables::open(&arguments.database, arguments.single).await?,
        events: broadcast::Sender::new(4096),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}/graphql", listener.local_addr()?);
    let ready = json!({"http_endpoint": endpoint, "api_key": "none"});
    writeln!(std::io::stdout(), "{ready}")?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(stream, Arc::clone(&limit)));
    }
}

async fn connection(stream: TcpStream, limit: Arc<Limit>) {
    let mut first = [0; 3];
    let upgrade = matches!(stream.peek(&mut first).await, Ok(3)) && first == *b"GET";
    // A broken connection is the client's business.
    let _ = if upgrade {
        socket::serve(stream, limit.events.subscribe()).await
    } else {
        requests(stream, &limit).await
    };
}

async fn requests(mut stream: TcpStream, limit: &Limit) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(8192);
    loop {
        let (start, end) = loop {
            if let Some(found) = request(&buffer) {
                break found;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let body: Value = serde_json::from_slice(&buffer[start..end])?;
        buffer.drain(..end);
        let answer = limit.answer(&body).await?;
        let mut text = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        text.push_str(&answer);
        stream.write_all(text.as_bytes()).await?;
    }
}

/// Where the first whole request's body lies.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..end])
        .ok()?
        .to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let last = end + length.parse::<usize>().ok()?;
    (buffer.len() >= last).then_some((end, last))
}

impl Limit {
    async fn answer(&self, body: &Value) -> anyhow::Result<String> {
        let variables = &body["variables"];
        if variables["input"].is_null() {
            return self
                .page(variables["nextToken"].as_str().unwrap_or(""))
                .await;
        }
        let mut record = variables["input"].clone();
        for (name, value) in [
            ("createdAt", json!("2026-01-01T00:00:00.000Z")),
            ("updatedAt", json!("2026-01-01T00:00:00.000Z")),
            ("_version", json!(1)),
            ("_lastChangedAt", json!(crate::sync::now_ms())),
            ("_deleted", Value::Null),
        ] {
            record[name] = value;
        }
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        let text = record.to_string();
        self.tables.write(id, text.clone()).await?;
        if self.events.receiver_count() > 0 {
            let frame = format!(
                r#"{{"id":"1","type":"data","payload":{{"data":{{"onCreatePost":{text}}}}}}}"#
            );
            // Subscribers that have just left do not matter.
            let _ = self.events.send(frame.into());
        }
        Ok(format!(r#"{{"data":{{"createPost":{text}}}}}"#))
    }

    async fn page(&self, after: &str) -> anyhow::Result<String> {
        let rows = self.tables.page(after).await?;
        let token = match rows.last() {
            Some((id, _)) if rows.len() == 1000 => json!(id),
            _ => Value::Null,
        };
        let mut text = String::with_capacity(512 * 1024);
        text.push_str(r#"{"data":{"syncPosts":{"items":["#);
        for (at, (_, record)) in rows.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(record);
        }
        text.push_str(&format!(r#"],"nextToken":{token},"startedAt":1}}}}}}"#));
        Ok(text)
    }
}
