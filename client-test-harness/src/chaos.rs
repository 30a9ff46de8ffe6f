//! A TCP proxy between one client and the server that breaks connections on demand.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// The faults a proxy can be told to make; shared with its connections.
#[derive(Debug)]
pub struct Faults {
    refuse: AtomicBool,
    lose_answer: AtomicBool,
    cut_after_request: AtomicBool,
    half_close: AtomicBool,
    delay_ms: AtomicU64,
    epoch: watch::Sender<u64>,
}

/// A running proxy; ends with its value.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect instead of the server.
    pub address: SocketAddr,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts forwarding from a free loopback port to the server.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let faults = Arc::new(Faults {
            refuse: AtomicBool::new(false),
            lose_answer: AtomicBool::new(false),
            cut_after_request: AtomicBool::new(false),
            half_close: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            epoch: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&faults)));
        Ok(Self {
            address,
            faults,
            accepting,
        })
    }

    /// The server's next answer does not arrive; the connection breaks instead.
    pub fn lose_answer(&self) {
        self.faults.lose_answer.store(true, Ordering::Relaxed);
    }

    /// The connection breaks right after the client's next bytes have been passed on.
    pub fn cut_after_request(&self) {
        self.faults.cut_after_request.store(true, Ordering::Relaxed);
    }

    /// The server's side ends in the middle of things while the client's side stays open.
    pub fn half_close(&self) {
        self.faults.half_close.store(true, Ordering::Relaxed);
    }

    /// Every chunk from the server arrives this much later.
    pub fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.faults.delay_ms.store(millis, Ordering::Relaxed);
    }

    /// Breaks all open connections.
    pub fn cut(&self) {
        self.faults.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Whether new connections are turned away.
    pub fn refuse(&self, refuse: bool) {
        self.faults.refuse.store(refuse, Ordering::Relaxed);
    }

    /// Takes back every fault that has not happened yet.
    pub fn heal(&self) {
        let faults = &self.faults;
        for fault in [
            &faults.refuse,
            &faults.lose_answer,
            &faults.cut_after_request,
            &faults.half_close,
        ] {
            fault.store(false, Ordering::Relaxed);
        }
        faults.delay_ms.store(0, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        if faults.refuse.load(Ordering::Relaxed) {
            continue;
        }
        tokio::spawn(forward(client, server, Arc::clone(&faults)));
    }
}

/// Forwards until one side ends or a fault strikes; dropping the halves breaks both connections.
async fn forward(client: TcpStream, server: SocketAddr, faults: Arc<Faults>) {
    let mut epoch = faults.epoch.subscribe();
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    // Nagle would add its own delays; failing to turn it off only slows the test.
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    tokio::select! {
        () = requests(from_client, to_server, &faults) => {}
        () = answers(from_server, to_client, &faults) => {}
        _ = epoch.changed() => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        if faults.cut_after_request.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if faults.lose_answer.swap(false, Ordering::Relaxed) {
            return;
        }
        if faults.half_close.swap(false, Ordering::Relaxed) {
            let _ = to.shutdown().await;
            // The client sees the end of the stream while its own side stays writable.
            std::future::pending::<()>().await;
        }
        let delay = faults.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo server and a connection to it through a proxy.
    async fn connected() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let proxy = Proxy::start(server).await.unwrap();
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        (proxy, stream)
    }

    async fn echo(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; text.len()];
        let sent = stream.write_all(text).await;
        match sent.and(stream.read_exact(&mut answer).await.map(|_| ())) {
            Ok(()) => answer,
            Err(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn bytes_pass_until_the_connection_is_cut() {
        let (proxy, mut stream) = connected().await;
        assert_eq!(echo(&mut stream, b"hello").await, b"hello");
        proxy.cut();
        assert_eq!(echo(&mut stream, b"again").await, b"");
    }

    #[tokio::test]
    async fn a_lost_answer_breaks_the_connection_once() {
        let (proxy, mut stream) = connected().await;
        proxy.lose_answer();
        assert_eq!(echo(&mut stream, b"hello").await, b"");
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echo(&mut stream, b"hello").await, b"hello");
    }

    #[tokio::test]
    async fn a_half_closed_connection_reads_as_ended_and_still_takes_bytes() {
        let (proxy, mut stream) = connected().await;
        proxy.half_close();
        assert_eq!(echo(&mut stream, b"hello").await, b"");
        assert!(stream.write_all(b"more").await.is_ok());
    }
}
