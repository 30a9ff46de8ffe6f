//! `driftless health`: exit code 0 if a server is ready. For containers, which have no curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::Url;

use super::Failure;
use crate::config;

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// What to ask [default: DRIFTLESS_HEALTH_URL, else /readyz of this machine's server]
    url: Option<String>,
}

impl Health {
    pub(super) fn run(self) -> Result<(), Failure> {
        let url = self.url.or_else(config::health_url).unwrap_or_else(own_url);
        let (status, body) =
            get(&url).map_err(|error| Failure::Wrong(format!("{url}: {error}")))?;
        if status == 200 {
            return Ok(());
        }
        Err(Failure::Wrong(format!("{url}: {status} {body}")))
    }
}

/// The server that `driftless serve` runs in this environment.
fn own_url() -> String {
    let address = config::listen_address();
    let port = address
        .as_deref()
        .and_then(|address| address.rsplit(':').next()?.parse::<u16>().ok())
        .unwrap_or(8080);
    format!("http://127.0.0.1:{port}/readyz")
}

/// A GET in clear: the server answers HTTP on every port it has. Status and body.
pub(super) fn get(url: &str) -> Result<(u16, String), anyhow::Error> {
    let url = Url::parse(url)?;
    if url.scheme() != "http" {
        anyhow::bail!("only http:// is asked; the server answers it on the same port");
    }
    let host = url.host_str().unwrap_or("127.0.0.1");
    let port = url.port_or_known_default().unwrap_or(80);
    let mut stream = connect(host, port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let path = url.path();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // Health answers are short; whoever sends more is not this server.
    stream.take(64 << 10).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((
        status.ok_or_else(|| anyhow::anyhow!("the answer is not HTTP"))?,
        body.to_owned(),
    ))
}

fn connect(host: &str, port: u16) -> Result<TcpStream, anyhow::Error> {
    let mut last = anyhow::anyhow!("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}
