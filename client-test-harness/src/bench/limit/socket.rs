//! The limit program's subscribers: one task and one bounded channel each.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, sync::broadcast};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderValue,
        protocol::WebSocketConfig,
    },
};

/// Serves one subscriber until it leaves.
pub(super) async fn serve(
    stream: TcpStream,
    mut events: broadcast::Receiver<Arc<str>>,
) -> anyhow::Result<()> {
    // The library's default read buffer would cost 128 KiB per socket.
    let config = WebSocketConfig::default()
        .read_buffer_size(2048)
        .write_buffer_size(0);
    let stream = accept_hdr_async_with_config(stream, choose_protocol, Some(config)).await?;
    let (mut to_client, mut from_client) = stream.split();
    loop {
        tokio::select! {
            event = events.recv() => to_client.send(Message::text(event?.as_ref())).await?,
            message = from_client.next() => match message {
                Some(Ok(Message::Text(text))) if text.contains("connection_init") => {
                    let ack = r#"{"type":"connection_ack","payload":{"connectionTimeoutMs":300000}}"#;
                    to_client.send(Message::text(ack)).await?;
                }
                Some(Ok(Message::Text(_))) => {
                    to_client.send(Message::text(r#"{"type":"start_ack","id":"1"}"#)).await?;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            }
        }
    }
}

#[expect(
    clippy::result_large_err,
    clippy::unnecessary_wraps,
    reason = "the callback's type is the library's"
)]
fn choose_protocol(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static("graphql-ws");
    response
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    Ok(response)
}
