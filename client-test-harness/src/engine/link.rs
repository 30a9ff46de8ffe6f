//! The way from one client to the server.

use tokio::net::TcpStream;

use crate::{chaos::Proxy, http::Target};

/// The client's ways to the server, each breakable on its own.
pub struct Link {
    /// In front of HTTP.
    pub http: Proxy,
    /// In front of the socket.
    pub socket: Proxy,
    pub(super) target: Target,
}

impl Link {
    /// Puts a proxy in front of each way.
    pub async fn new(target: &Target) -> anyhow::Result<Self> {
        // A name may have addresses nobody listens on; the one that answers is the server's.
        let probe = TcpStream::connect(target.authority()).await?;
        let server = probe.peer_addr()?;
        let http = Proxy::start(server).await?;
        let socket = Proxy::start(server).await?;
        let target = target.through(http.address, socket.address)?;
        Ok(Self {
            http,
            socket,
            target,
        })
    }
}
