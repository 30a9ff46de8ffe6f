//! The stub's sockets: enough HTTP and WebSocket for the harness's own client.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::HeaderValue,
    },
};

use super::Stub;

/// A frame that is not sent but ends its socket.
pub(super) const CLOSE: Value = Value::Null;

/// Serves until the test's runtime ends.
pub(super) async fn serve(stub: Arc<Stub>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(connection(stream, Arc::clone(&stub)));
        }
    });
    address
}

async fn connection(stream: TcpStream, stub: Arc<Stub>) {
    let mut start = [0; 32];
    let Ok(length) = stream.peek(&mut start).await else {
        return;
    };
    if start[..length].starts_with(b"GET") {
        // A client that breaks off is part of the tests.
        let _ = socket(stream, &stub).await;
    } else {
        let _ = requests(stream, &stub).await;
    }
}

async fn requests(mut stream: TcpStream, stub: &Stub) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let length = text
            .split_once("\r\n\r\n")
            .map(|(head, _)| (head.len() + 4, content_length(head)));
        match length {
            Some((start, length)) if buffer.len() >= start + length => {
                let body: Value = serde_json::from_slice(&buffer[start..start + length])?;
                buffer.drain(..start + length);
                let answer = stub
                    .answer(&root_field(&body), &body["variables"])
                    .to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all((head + &answer).as_bytes()).await?;
            }
            _ => {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")
            .map(str::to_owned)
    });
    line.and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}

/// The first name inside the first pair of braces.
fn root_field(body: &Value) -> String {
    let query = body["query"].as_str().unwrap();
    let inside = query.split_once("{\n").unwrap().1.trim_start();
    inside
        .split([' ', '(', '{', '\n'])
        .next()
        .unwrap()
        .to_owned()
}

#[expect(
    clippy::result_large_err,
    reason = "the callback's type is the library's"
)]
async fn socket(
    stream: TcpStream,
    stub: &Stub,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let accept = |_: &Request, mut response: Response| {
        let protocol = HeaderValue::from_static("graphql-ws");
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let (mut to_client, mut from_client) = accept_hdr_async(stream, accept).await?.split();
    let (sender, mut frames) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            Some(frame) = frames.recv() => {
                let frame: Value = frame;
                if frame == CLOSE {
                    return Ok(());
                }
                to_client.send(Message::text(frame.to_string())).await?;
            }
            message = from_client.next() => match message {
                Some(Ok(Message::Text(text))) => take(&serde_json::from_str(&text)?, stub, &sender),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            }
        }
    }
}

fn take(frame: &Value, stub: &Stub, sender: &mpsc::UnboundedSender<Value>) {
    match frame["type"].as_str() {
        Some("connection_init") => {
            let ack =
                json!({"type": "connection_ack", "payload": {"connectionTimeoutMs": 300_000}});
            sender.send(ack).unwrap();
            sender.send(json!({"type": "ka"})).unwrap();
        }
        Some("start") => {
            let data = frame["payload"]["data"].as_str().unwrap();
            let id = frame["id"].as_str().unwrap();
            sender.send(json!({"type": "start_ack", "id": id})).unwrap();
            let field = root_field(&serde_json::from_str(data).unwrap());
            stub.subscribe(&field, id, sender);
        }
        _ => {}
    }
}
