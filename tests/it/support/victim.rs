//! The server as a process of its own that stands still where a test wants it to die (`tests/src/bin/victim.rs`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use driftless::storage::NatsPlace;
use driftless_client_test_harness::http::Target;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::nats::Nats;
use super::postgres::we_are_root;
use super::server::{DATASTORE, PATIENCE, Socket, provide_cryptography};

/// The key that every victim takes.
const KEY: &str = "da2-victimvictimvictimvictimvi";
/// The schema that a victim serves if it is not told another.
const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/whitepaper/schema.graphql"
);

/// Where a victim stands still: the moment's name, and how many batches pass it first.
pub(crate) type Hold = (&'static str, usize);

/// A running victim; killed with its value.
pub(crate) struct Victim {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// The same after each start.
    pub(crate) door: Door,
    home: Home,
}

/// Where a server takes requests.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// `127.0.0.1:PORT`.
    address: String,
    client: reqwest::Client,
}

impl Victim {
    /// Listening on a free port; see [`Victim::ready`].
    pub(crate) async fn start(database: &str, hold: Option<Hold>) -> Victim {
        Victim::of(SCHEMA.as_ref(), database, hold).await
    }

    /// One of several nodes, which tell each other of writes by NATS if there is a server of it.
    pub(crate) async fn node(database: &str, nats: Option<&Nats>) -> Victim {
        let mut home = Home::of(SCHEMA.as_ref(), database);
        home.feed = nats.map(|nats| nats.feed.clone());
        Victim::launch(home, "127.0.0.1:0", None).await
    }

    /// Of another schema.
    pub(crate) async fn of(schema: &Path, database: &str, hold: Option<Hold>) -> Victim {
        Victim::launch(Home::of(schema, database), "127.0.0.1:0", hold).await
    }

    /// One that permissions of files hold for, also where it is root.
    pub(crate) async fn unprivileged(database: &str) -> Victim {
        let mut home = Home::of(SCHEMA.as_ref(), database);
        if we_are_root() {
            let drop = ["setpriv", "--bounding-set", "-dac_override"];
            home.wrapper = drop.map(str::to_owned).to_vec();
        }
        Victim::launch(home, "127.0.0.1:0", None).await
    }

    async fn launch(home: Home, at: &str, hold: Option<Hold>) -> Victim {
        provide_cryptography();
        let mut command = home.command(at);
        if let Some((moment, skipped)) = hold {
            command.args([moment, &skipped.to_string()]);
        }
        let mut child = command.spawn().expect("the victim starts");
        let out = child.stdout.take().expect("a pipe");
        let mut victim = Victim {
            orders: child.stdin.take().expect("a pipe"),
            child,
            lines: BufReader::new(out).lines(),
            door: Door {
                address: String::new(),
                client: reqwest::Client::new(),
            },
            home,
        };
        victim.door.address = victim.says("listening").await;
        victim
    }

    /// With every call that it makes to its files, and all that it says, on record in a file.
    pub(crate) async fn traced(log: &Path, database: &str) -> Victim {
        let calls = "trace=pwrite64,ftruncate,fsync,fdatasync,write,writev,sendto,sendmsg";
        let wrapper = [
            "strace",
            "-f",
            "-y",
            "-xx",
            "-s",
            "100000",
            "-e",
            calls,
            "-e",
            "signal=none",
            "-o",
        ];
        let mut wrapper: Vec<_> = wrapper.map(str::to_owned).to_vec();
        wrapper.push(log.display().to_string());
        let home = Home {
            wrapper,
            ..Home::of(SCHEMA.as_ref(), database)
        };
        Victim::launch(home, "127.0.0.1:0", None).await
    }

    /// The same on the same port, after its end; standing still elsewhere or nowhere.
    pub(crate) async fn again(self, hold: Option<Hold>) -> Victim {
        let Victim { home, door, .. } = self;
        Victim::launch(home, &door.address, hold).await
    }

    /// The next thing that it says.
    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("it says something").expect("a pipe");
        line.expect("it lives")
    }

    /// Waits until it says something that begins with this word, and gives back the rest.
    async fn says(&mut self, word: &str) -> String {
        loop {
            if let Some(rest) = self.line().await.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Waits until it stands still or answers requests, and says which.
    pub(crate) async fn held_or_ready(&mut self) -> bool {
        self.line().await == "held"
    }

    /// Waits until it answers requests.
    pub(crate) async fn ready(mut self) -> Victim {
        self.says("ready").await;
        self
    }

    /// Waits until it stands still.
    pub(crate) async fn held(&mut self) {
        self.says("held").await;
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Lets it stand still, as a machine does that is moved to another place, and go on.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// The end of a pause.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &process])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("an end").expect("a process")
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.orders.write_all(b"stop\n").await.expect("it listens");
        self.ended().await
    }

    /// Lets it write no file beyond a size: what it tries then fails as on a full disk. `None` is no limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let process = self.child.id().expect("it runs").to_string();
        // The hard limit stays, so that the soft one can be lifted again.
        let status = std::process::Command::new("prlimit")
            .args(["--pid", &process, &format!("--fsize={limit}:")])
            .status();
        assert!(status.expect("prlimit runs").success());
    }

    /// What it has logged since its first start.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.log()).expect("a log")
    }

    /// Waits until it has logged something.
    pub(crate) async fn logs(&self, what: &str) {
        let waiting = async {
            while !self.log().contains(what) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("never said: {what}\n{}", self.log()));
    }

    /// A socket that has been acknowledged.
    pub(crate) async fn session(&self) -> Socket {
        let headers = [("x-api-key", KEY)];
        let opened = Socket::open(&self.door.address, "/graphql/realtime", &headers).await;
        let mut socket = opened.expect("an upgrade");
        socket.init().await;
        socket
    }

    /// What an application says at the start of a subscription that is no DataStore: nothing is replayed to it.
    pub(crate) fn authorization() -> Value {
        json!({"host": "localhost", "x-api-key": KEY, "x-amz-user-agent": "aws-amplify/6.22.1 api/1 framework/0"})
    }
}

impl Door {
    /// The same for the harness.
    pub(crate) fn target(&self) -> Target {
        let url = format!("http://{}/graphql", self.address);
        Target::new(&url, KEY, None).expect("a URL")
    }

    /// A request, as a client makes it that is free to send it again: the answer's status and body, or the text of
    /// why there is none.
    pub(crate) fn request(
        &self,
        agent: &str,
        query: &str,
        variables: &Value,
    ) -> impl Future<Output = Result<(u16, Value), String>> + Send + 'static {
        let request = self
            .client
            .post(format!("http://{}/graphql", self.address))
            .header("x-api-key", KEY)
            .header("content-type", "application/json")
            .header("x-amz-user-agent", agent)
            .header("user-agent", agent)
            .body(json!({"query": query, "variables": variables}).to_string());
        async move {
            let response = request.send().await.map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let text = response.text().await.map_err(|error| error.to_string())?;
            let body = serde_json::from_str(&text).map_err(|_| format!("no JSON: {text}"))?;
            Ok((status, body))
        }
    }
}

impl Victim {
    /// The value of the one field of a request that succeeds.
    pub(crate) async fn value(&self, query: &str, variables: &Value) -> Value {
        let answer = self.door.request(DATASTORE, query, variables).await;
        let (status, body) = answer.expect("an answer");
        assert_eq!(status, 200, "{body} {}", self.log());
        assert!(body.get("errors").is_none(), "{body}");
        let data = body["data"].as_object().expect("data");
        data.values().next().expect("one field").clone()
    }
}

/// What a victim has again after its end.
struct Home {
    schema: PathBuf,
    database: String,
    folder: TempDir,
    /// The NATS server that it is to use.
    feed: Option<NatsPlace>,
    /// What starts it, if it is not started directly.
    wrapper: Vec<String>,
}

impl Home {
    fn of(schema: &Path, database: &str) -> Home {
        Home {
            schema: schema.to_owned(),
            database: database.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
            feed: None,
            wrapper: Vec::new(),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The command without a hold.
    fn command(&self, at: &str) -> Command {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log());
        // What writes to a full disk gets an error only if its process does not ask for a signal instead.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .args(&self.wrapper)
            .arg(env!("CARGO_BIN_EXE_victim"))
            .args(self.feed.iter().flat_map(flags))
            .arg(&self.schema)
            .args([&self.database, at])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file"))
            .kill_on_drop(true);
        command
    }
}

/// A place of NATS servers on the command line.
fn flags(feed: &NatsPlace) -> Vec<OsString> {
    let own = feed.certificate.as_ref();
    let settings: [(&str, Option<OsString>); 5] = [
        ("--feed", Some((&feed.url).into())),
        ("--feed-ca", feed.ca.as_ref().map(Into::into)),
        (
            "--feed-credentials",
            feed.credentials.as_ref().map(Into::into),
        ),
        ("--feed-cert", own.map(|own| (&own.chain).into())),
        ("--feed-key", own.map(|own| (&own.key).into())),
    ];
    let given = settings.into_iter();
    given
        .filter_map(|(flag, value)| Some([flag.into(), value?]))
        .flatten()
        .collect()
}
