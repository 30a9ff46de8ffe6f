//! The programs under measurement: started, asked for their address and memory, and ended.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// How long a program may take to become ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where records are kept during a measurement.
#[derive(Clone, Debug)]
pub enum Store {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// An empty Postgres database.
    Postgres(String),
}

impl Store {
    /// How tables name it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }

    /// The connection URL.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// What a program is told to be.
#[derive(Clone, Debug)]
pub enum Program {
    /// The server under test with a schema.
    Server {
        /// Its binary.
        binary: PathBuf,
        /// The schema it serves.
        schema: PathBuf,
    },
    /// The limit program, which is a hidden command of this binary.
    Limit {
        /// One transaction per request instead of one per batch.
        single: bool,
    },
}

/// A running program; killed with its value.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens for plain HTTP.
    pub address: SocketAddr,
    /// Path of the GraphQL endpoint.
    pub path: String,
    /// The API key it lets in.
    pub api_key: String,
    /// When it was started.
    pub started: Instant,
}

impl Program {
    /// Starts the program on the store and waits until it says where it listens.
    pub async fn start(&self, store: &Store) -> anyhow::Result<Running> {
        Running::start(self.command(store)?.stderr(Stdio::inherit())).await
    }

    fn command(&self, store: &Store) -> anyhow::Result<Command> {
        Ok(match self {
            Self::Server { binary, schema } => {
                let mut command = Command::new(binary);
                command.arg("dev").arg(schema);
                command.args(["--listen", "127.0.0.1:0", "--json", "--no-watch"]);
                command.args(["--database", &store.url()]);
                command.current_dir(folder_of(store));
                command
            }
            Self::Limit { single } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["limit", "--database", &store.url()]);
                if *single {
                    command.arg("--single");
                }
                command
            }
        })
    }
}

/// The server keeps its key files beside the database.
fn folder_of(store: &Store) -> PathBuf {
    match store {
        Store::Sqlite(path) => path.parent().unwrap_or(Path::new(".")).to_owned(),
        Store::Postgres(_) => std::env::temp_dir(),
    }
}

impl Running {
    /// Starts a command and waits for its first line, which says in JSON where it listens.
    pub async fn start(command: &mut Command) -> anyhow::Result<Running> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(START_LIMIT, lines.next_line())
            .await
            .context("the program did not say where it listens")??;
        let Some(line) = first else {
            bail!("the program ended at once");
        };
        // Whoever prints more must not block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let endpoint = ready["http_endpoint"]
            .as_str()
            .with_context(|| line.clone())?;
        let url = url::Url::parse(endpoint)?;
        // A name may have addresses nobody listens on; the one that answers is the program's.
        let authority = url.socket_addrs(|| None)?;
        let address = TcpStream::connect(&authority[..]).await?.peer_addr()?;
        Ok(Running {
            child,
            address,
            path: url.path().to_owned(),
            api_key: ready["api_key"].as_str().unwrap_or_default().to_owned(),
            started,
        })
    }

    /// Resident memory in kilobytes.
    pub fn resident_kb(&self) -> anyhow::Result<u64> {
        let id = self.child.id().context("the program has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.context("no VmRSS")
    }

    /// Ends the program and waits for it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}
