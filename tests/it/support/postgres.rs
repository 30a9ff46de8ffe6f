//! A Postgres for tests: a throw-away cluster per run, or the one that `DRIFTLESS_TEST_POSTGRES_URL` names.
//!
//! The variable holds the URL of a database whose user may create databases; each test makes and drops its own there.
//! Without it, the programs `initdb` and `pg_ctl` are looked for in `PATH` and `/usr/lib/postgresql/*/bin`.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// The server, started by whoever needs it first.
static SERVER: LazyLock<Server> = LazyLock::new(Server::find_or_start);

const VARIABLE: &str = "DRIFTLESS_TEST_POSTGRES_URL";

/// A server that tests may make databases on.
struct Server {
    /// The URL of a database on it, up to and without `?`; then its parameters.
    url: url::Url,
    /// Its input closes when this process ends, however it ends; then it removes the cluster.
    _janitor: Option<Child>,
}

/// A database of one test.
pub(crate) struct Database {
    /// Where it is.
    pub(crate) url: String,
    name: String,
}

impl Database {
    /// An empty database.
    pub(crate) async fn create() -> Database {
        let name = format!("test_{}", Uuid::new_v4().simple());
        administer(&format!("create database {name}")).await;
        let mut url = SERVER.url.clone();
        url.set_path(&name);
        Database {
            url: url.into(),
            name,
        }
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Removes it, with whoever is still connected.
    pub(crate) async fn remove(self) {
        administer(&format!("drop database {} with (force)", self.name)).await;
    }

    /// A connection of its own, for what no store would do.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("the test database takes connections")
    }
}

async fn administer(sql: &str) {
    let mut connection = PgConnection::connect(SERVER.url.as_str())
        .await
        .expect("the test server takes connections");
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("`{sql}` failed: {error}"));
}

impl Server {
    fn find_or_start() -> Server {
        match std::env::var(VARIABLE) {
            Ok(url) => Server {
                url: url
                    .parse()
                    .unwrap_or_else(|error| panic!("{VARIABLE} is no URL: {error}")),
                _janitor: None,
            },
            Err(_) => Server::start(),
        }
    }

    fn start() -> Server {
        let programs = programs();
        let root = std::env::temp_dir().join(format!("driftless-pg-{}", Uuid::new_v4().simple()));
        let data = root.join("data");
        let initdb = |command: &mut Command| {
            command.arg("--pgdata").arg(&data).args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--locale=C",
                "--encoding=UTF8",
            ]);
        };
        run(&programs.join("initdb"), initdb);
        let settings = format!(
            "-k {} -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
             -c max_connections=400",
            root.display()
        );
        let janitor = janitor(&programs, &root);
        run(&programs.join("pg_ctl"), |command| {
            command
                .args(["start", "--wait", "--silent", "--pgdata"])
                .arg(&data)
                .arg("--log")
                .arg(root.join("log"))
                .args(["--options", &settings]);
        });
        let url = format!(
            "postgres://postgres@localhost/postgres?host={}",
            root.display()
        );
        Server {
            url: url.parse().expect("a path makes a valid URL"),
            _janitor: Some(janitor),
        }
    }
}

/// Stops the server and removes its files when this process is gone.
fn janitor(programs: &Path, root: &Path) -> Child {
    let script = "read -r _; \"$1/pg_ctl\" stop --mode=immediate --silent --pgdata=\"$2/data\"; rm -rf \"$2\"";
    let mut command = as_server_user(Path::new("/bin/sh"));
    command
        .args(["-c", script, "janitor"])
        .arg(programs)
        .arg(root);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell can be started");
    let input = child.stdin.as_mut().expect("the input is a pipe");
    input.flush().expect("the pipe is open");
    child
}

fn run(program: &Path, arguments: impl FnOnce(&mut Command)) {
    let mut command = as_server_user(program);
    arguments(&mut command);
    // A server that keeps our output open would keep whoever reads it waiting.
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
    assert!(status.success(), "{} failed: {status}", program.display());
}

/// A command run as `postgres` where we are root, since the server refuses to run as root.
pub(crate) fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if we_are_root() {
        let (user, group) = account("postgres");
        command.uid(user).gid(group);
    }
    command
}

/// Lets programs started by [`as_server_user`] write to a folder.
pub(crate) fn owned_by_server_user(folder: &Path) {
    if we_are_root() {
        let (user, group) = account("postgres");
        std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("root may give away");
    }
}

pub(crate) fn we_are_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn account(name: &str) -> (u32, u32) {
    let accounts = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
    accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|parts| parts[0] == name)
        .and_then(|parts| Some((parts.get(2)?.parse().ok()?, parts.get(3)?.parse().ok()?)))
        .unwrap_or_else(|| {
            panic!("Postgres does not run as root and there is no user `{name}`; create it, or set {VARIABLE}")
        })
}

/// The directory with the server's programs.
pub(crate) fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packaged = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    std::env::split_paths(&path)
        .chain(packaged)
        .find(|directory| directory.join("initdb").exists() && directory.join("pg_ctl").exists())
        .unwrap_or_else(|| {
            panic!(
                "no Postgres for tests: install it (initdb and pg_ctl in PATH or /usr/lib/postgresql/*/bin), \
                 or set {VARIABLE} to a server whose user may create databases"
            )
        })
}
