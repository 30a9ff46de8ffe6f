//! A real NATS server with JetStream, of one test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::PATIENCE;

/// A running server, or one that can be started again on the same port. It ends with this value.
pub(crate) struct Nats {
    /// Where it is.
    pub(crate) url: String,
    port: u16,
    folder: TempDir,
    /// Who may connect, if not everybody.
    login: Vec<String>,
    process: Option<Child>,
}

impl Nats {
    /// One that is not running yet.
    pub(crate) fn absent() -> Nats {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        Nats {
            url: format!("nats://127.0.0.1:{port}"),
            port,
            folder: tempfile::tempdir().expect("a folder"),
            login: Vec::new(),
            process: None,
        }
    }

    /// Lets in only who shows this user and password, and puts them into the address.
    pub(crate) fn guard(&mut self, user: &str, password: &str) {
        let login = ["--user", user, "--pass", password];
        self.login = login.map(str::to_owned).to_vec();
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_username(user).expect("a host");
        url.set_password(Some(password)).expect("a host");
        self.url = url.into();
    }

    /// A running one.
    pub(crate) async fn start() -> Nats {
        let mut nats = Nats::absent();
        nats.run().await;
        nats
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn run(&mut self) {
        let child = Command::new(program())
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(self.folder.path())
            .args(&self.login)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server can be started");
        self.process = Some(child);
        let there = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there)
            .await
            .expect("nats-server listens");
    }

    /// Ends it at once; what it kept in memory is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it ends");
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join("nats-server"))
        .find(|program| program.exists())
        .expect("nats-server is installed")
}
