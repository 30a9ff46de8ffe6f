//! HTTP and TLS on one port: the first byte of a connection decides (`client-js` 1.3).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::http::{Extensions, HeaderMap};
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a connection may take to show its first byte and to finish its TLS handshake.
const OPENING: Duration = Duration::from_secs(10);
/// The first byte of a TLS `ClientHello` record.
const TLS_HANDSHAKE: u8 = 0x16;

/// The TLS configuration of new connections; replaced when certificates change. `None` is plain HTTP only.
pub type Tls = watch::Receiver<Option<Arc<rustls::ServerConfig>>>;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    scissors: Scissors,
}

/// Its bytes, in clear or not.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Cuts a connection: nothing more is written to it, and its client finds it broken.
#[derive(Debug, Clone, Default)]
pub struct Scissors(Arc<AtomicBool>);

impl Scissors {
    /// Cuts.
    pub fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// Connections that are ready to speak HTTP. Each is opened in a task of its own, so that a slow or silent peer delays
/// nobody else.
pub struct Listener {
    address: SocketAddr,
    opened: mpsc::Receiver<(Connection, SocketAddr)>,
    /// Aborts accepting when the listener is dropped.
    _accepting: JoinSet<()>,
}

impl Listener {
    /// Starts accepting on sockets that are bound already.
    pub fn new(sockets: Vec<TcpListener>, tls: &Tls) -> io::Result<Listener> {
        let first = sockets.first().ok_or(io::ErrorKind::InvalidInput)?;
        let address = first.local_addr()?;
        let (sender, opened) = mpsc::channel(64);
        let mut accepting = JoinSet::new();
        for socket in sockets {
            accepting.spawn(accept(socket, tls.clone(), sender.clone()));
        }
        Ok(Listener {
            address,
            opened,
            _accepting: accepting,
        })
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    address: SocketAddr,
    /// What cuts the connection.
    pub scissors: Scissors,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Peer {
            address: *stream.remote_addr(),
            scissors: stream.io().scissors.clone(),
        }
    }
}

impl Peer {
    /// The address a request comes from. Behind so many proxies, each of which adds whom it heard from to
    /// `X-Forwarded-For`, it is that many places from the end: what stands before, the client may have written.
    #[must_use]
    pub fn address(extensions: &Extensions, headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<Peer>>()?;
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let told = proxies
            .checked_sub(1)
            .and_then(|last| forwarded.iter().rev().nth(last)?.parse().ok());
        told.or(Some(peer.address.ip()))
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.opened.recv().await {
            Some(opened) => opened,
            // Every accepting task has ended; nothing will ever come.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(socket: TcpListener, tls: Tls, opened: mpsc::Sender<(Connection, SocketAddr)>) {
    let mut opening = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    let acceptor = tls.borrow().clone().map(TlsAcceptor::from);
                    let opened = opened.clone();
                    opening.spawn(async move {
                        let ready = tokio::time::timeout(OPENING, open(stream, acceptor)).await;
                        if let Ok(Some(connection)) = ready {
                            let _ = opened.send((connection, peer)).await;
                        }
                    });
                }
                Err(error) => {
                    // Mostly too many open files: the connection stays in the backlog until some are closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = opening.join_next() => {}
        }
    }
}

async fn open(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Option<Connection> {
    let _ = stream.set_nodelay(true);
    let mut first = [0_u8; 1];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    match acceptor {
        Some(acceptor) if first[0] == TLS_HANDSHAKE => match acceptor.accept(stream).await {
            Ok(stream) => Some(Connection::over(Stream::Tls(Box::new(stream)))),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed; does the client trust the certificate?");
                None
            }
        },
        _ => Some(Connection::over(Stream::Plain(stream))),
    }
}

impl Connection {
    fn over(stream: Stream) -> Connection {
        Connection {
            stream,
            scissors: Scissors::default(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if let Err(cut) = connection.scissors.check() {
            return Poll::Ready(Err(cut));
        }
        match &mut connection.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if let Err(cut) = connection.scissors.check() {
            return Poll::Ready(Err(cut));
        }
        match &mut connection.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if let Err(cut) = connection.scissors.check() {
            return Poll::Ready(Err(cut));
        }
        match &mut connection.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if let Err(cut) = connection.scissors.check() {
            return Poll::Ready(Err(cut));
        }
        match &mut connection.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_believed_from_as_many_proxies_as_there_are() {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(Peer {
            address: ([10, 0, 0, 1], 1).into(),
            scissors: Scissors::default(),
        }));
        let mut headers = HeaderMap::new();
        headers.append(
            "x-forwarded-for",
            "6.6.6.6, 1.1.1.1".parse().expect("a value"),
        );
        headers.append("x-forwarded-for", "2.2.2.2".parse().expect("a value"));
        for (proxies, expected) in [
            (0, "10.0.0.1"),
            (1, "2.2.2.2"),
            (2, "1.1.1.1"),
            (9, "10.0.0.1"),
        ] {
            let address = Peer::address(&extensions, &headers, proxies);
            assert_eq!(address, expected.parse().ok(), "{proxies}");
        }
    }
}
