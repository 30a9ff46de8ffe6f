//! The ports that a server listens on: taken by itself, or handed over by whoever started it, so that they stay open while
//! one process ends and the next begins (`client-js` 7.4).

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::listener::Listener;
use crate::app::StartError;
use crate::config::{self, Listen};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Ports that are taken.
pub(crate) struct Ports {
    main: TcpListener,
    more: Vec<TcpListener>,
    /// Whether port 443 was taken too, if it was wanted; or why not.
    pub(crate) took_443: Option<Result<(), String>>,
}

impl Ports {
    /// Those that were handed over, or else the configured ones.
    pub(crate) async fn take(listen: &Listen) -> Result<Ports, StartError> {
        let inherited = config::inherited_sockets().and_then(|sockets| {
            sockets
                .into_iter()
                .map(ready)
                .collect::<io::Result<Vec<_>>>()
        });
        let inherited = inherited.map_err(|error| {
            StartError::Setting(format!("the sockets of LISTEN_FDS cannot be used: {error}"))
        })?;
        let mut inherited = inherited.into_iter();
        if let Some(main) = inherited.next() {
            return Ok(Ports {
                main,
                more: inherited.collect(),
                took_443: None,
            });
        }
        bind(listen).await
    }

    /// Starts accepting; tells the address.
    pub(crate) fn listen(
        self,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<(Listener, SocketAddr), StartError> {
        let failed = |error: io::Error| StartError::Setting(error.to_string());
        let address = self.main.local_addr().map_err(failed)?;
        let mut sockets = vec![self.main];
        sockets.extend(self.more);
        // The sender may go: a receiver keeps its last value.
        let (_, tls) = watch::channel(tls);
        let listener = Listener::new(sockets, &tls).map_err(failed)?;
        Ok((listener, address))
    }
}

fn ready(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

async fn bind(listen: &Listen) -> Result<Ports, StartError> {
    let wanted = listen.address;
    let main = one(wanted, listen.share_port)
        .await
        .map_err(|error| StartError::Listen {
            address: wanted,
            reason: advice(&error, wanted.port()),
        })?;
    let mut more = Vec::new();
    let port = main
        .local_addr()
        .map_or(wanted.port(), |address| address.port());
    if wanted.ip().is_loopback() && wanted.is_ipv4() {
        // `localhost` is ::1 first for many clients. Not having it is fine: they try the other one then.
        let other = (Ipv6Addr::LOCALHOST, port).into();
        more.extend(one(other, listen.share_port).await.ok());
    }
    let mut took_443 = None;
    if listen.also_443 && wanted.port() != 0 && wanted.port() != 443 {
        let socket = one((wanted.ip(), 443).into(), listen.share_port).await;
        took_443 = Some(match socket {
            Ok(socket) => {
                more.push(socket);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        });
    }
    Ok(Ports {
        main,
        more,
        took_443,
    })
}

async fn one(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    if !shared {
        return TcpListener::bind(address).await;
    }
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn advice(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is taken. Stop the other program, or choose another port with --listen 127.0.0.1:{}",
            port.checked_add(1).unwrap_or(20003)
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {port} needs more rights. Choose one above 1023 with --listen")
        }
        _ => error.to_string(),
    }
}
