//! Closed-loop HTTP load over kept-alive connections, hand-written so that the generator stays cheaper than the server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use super::process::Running;

/// The operation every create sends; field for field what a JS client sends for this model.
const CREATE: &str = "mutation operation($input: CreatePostInput!) {\n  createPost(input: $input) {\n    id\n    title\n    rating\n    status\n    tags\n    createdAt\n    updatedAt\n    _version\n    _lastChangedAt\n    _deleted\n  }\n}\n";

/// The sync query of the same model.
const SYNC: &str = "query operation($limit: Int, $nextToken: String, $lastSync: AWSTimestamp, $filter: ModelPostFilterInput) {\n  syncPosts(\n    limit: $limit\n    nextToken: $nextToken\n    lastSync: $lastSync\n    filter: $filter\n  ) {\n    items {\n      id\n      title\n      rating\n      status\n      tags\n      createdAt\n      updatedAt\n      _version\n      _lastChangedAt\n      _deleted\n    }\n    nextToken\n    startedAt\n  }\n}\n";

/// One kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to a running program.
    pub async fn open(program: &Running) -> anyhow::Result<Self> {
        let (address, path, key) = (program.address, &program.path, &program.api_key);
        let stream = TcpStream::connect::<SocketAddr>(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json; charset=UTF-8\r\n\
             x-api-key: {key}\r\nx-amz-user-agent: aws-amplify/6.22.1 api/1 framework/0\r\ncontent-length: "
        );
        Ok(Self {
            stream,
            head,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a body and returns the answer's body.
    pub async fn post(&mut self, body: &str) -> anyhow::Result<&[u8]> {
        let request = format!("{}{}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let (start, length) = loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "connection lost"
            );
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
                ensure!(head.starts_with("http/1.1 200"), "answered {head}");
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = length.context("answer without length")?.trim().parse()?;
                break (end + 4, length);
            }
        };
        while self.buffer.len() < start + length {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "connection lost"
            );
        }
        Ok(&self.buffer[start..start + length])
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The body of one create with a fresh id.
pub fn create_body(number: u64) -> String {
    let input = json!({
        "id": Uuid::new_v4().to_string(),
        "title": format!("post {number:012} {}", "lorem ipsum dolor sit amet ".repeat(8)),
        "rating": number % 100, "status": "ACTIVE", "tags": ["alpha", "beta", "gamma"]
    });
    json!({"query": CREATE, "variables": {"input": input}}).to_string()
}

/// The body of one sync page.
pub fn sync_body(token: &Value) -> String {
    let variables = json!({"limit": 1000, "nextToken": token, "lastSync": 0, "filter": null});
    json!({"query": SYNC, "variables": variables}).to_string()
}

/// Creates per second over some connections for some time.
pub async fn creates(
    program: &Running,
    connections: usize,
    time: Duration,
) -> anyhow::Result<(f64, Histogram<u64>)> {
    let until = Instant::now() + time;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let connection = Connection::open(program).await?;
        tasks.push(tokio::spawn(create_until(connection, until)));
    }
    let mut latencies = Histogram::new(3)?;
    for task in tasks {
        latencies.add(task.await??)?;
    }
    let rate = count(&latencies) / started.elapsed().as_secs_f64();
    Ok((rate, latencies))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn count(latencies: &Histogram<u64>) -> f64 {
    latencies.len() as f64
}

async fn create_until(
    mut connection: Connection,
    until: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let body = create_body(number);
        let sent = Instant::now();
        check(connection.post(&body).await?)?;
        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        latencies.record(micros)?;
    }
    Ok(latencies)
}

/// Fills the store with a number of records.
pub async fn fill(program: &Running, records: u64) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU64::new(records));
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let mut connection = Connection::open(program).await?;
        let left = Arc::clone(&left);
        tasks.push(tokio::spawn(async move {
            let take = |left: u64| left.checked_sub(1);
            while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
                check(connection.post(&create_body(number)).await?)?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Fetches all pages one after the other; returns the number of records and the time of the median page.
pub async fn hydrate(program: &Running) -> anyhow::Result<(u64, Duration)> {
    let mut connection = Connection::open(program).await?;
    let mut token = Value::Null;
    let mut records = 0;
    let mut pages = Vec::new();
    loop {
        let sent = Instant::now();
        let answer = connection.post(&sync_body(&token)).await?;
        pages.push(sent.elapsed());
        check(answer)?;
        records += answer
            .windows(11)
            .filter(|window| window == b"\"_version\":")
            .count() as u64;
        token = next_token(answer)?;
        if token.is_null() {
            pages.sort_unstable();
            return Ok((records, pages[pages.len() / 2]));
        }
    }
}

/// The token without parsing the page, which would cost more than serving it.
fn next_token(answer: &[u8]) -> anyhow::Result<Value> {
    let name = b"\"nextToken\":";
    let from = answer.len().saturating_sub(4096);
    let at = find(&answer[from..], name).context("page without nextToken")?;
    let rest = &answer[from + at + name.len()..];
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
    values
        .next()
        .context("nextToken without value")?
        .map_err(Into::into)
}

fn check(answer: &[u8]) -> anyhow::Result<()> {
    if find(&answer[..answer.len().min(200)], b"\"errors\"").is_some() {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_from_the_end_of_a_page() {
        let page = br#"{"data":{"syncPosts":{"items":[],"nextToken":"a\"b","startedAt":1}}}"#;
        assert_eq!(next_token(page).unwrap(), "a\"b");
        let last = br#"{"data":{"syncPosts":{"items":[],"nextToken":null,"startedAt":1}}}"#;
        assert!(next_token(last).unwrap().is_null());
    }
}
