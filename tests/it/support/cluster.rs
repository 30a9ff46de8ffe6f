//! A Postgres server of one test, as careful with its files as in production, that can be ended like a machine that
//! loses its power and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::postgres::{as_server_user, owned_by_server_user, programs};

/// Runs the server until its standard input closes, however the test ends, and ends it at once then.
const KEEPER: &str =
    "\"$@\" >>\"$LOG\" 2>&1 & server=$!; read -r _; kill -QUIT $server; wait $server";

/// A running cluster, or one that can be started again. It vanishes with its value.
pub(crate) struct Cluster {
    folder: TempDir,
    keeper: Option<Child>,
    /// A database on it.
    pub(crate) url: String,
}

impl Cluster {
    /// A fresh one.
    pub(crate) async fn start() -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        owned_by_server_user(folder.path());
        let made = as_server_user(&programs().join("initdb"))
            .arg("--pgdata")
            .arg(data(folder.path()))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--locale=C",
            ])
            .args(["--encoding=UTF8", "--wal-segsize=1"])
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(made.success(), "initdb fails");
        let url = format!(
            "postgres://postgres@localhost/postgres?host={}",
            folder.path().display()
        );
        let mut cluster = Cluster {
            folder,
            keeper: None,
            url,
        };
        cluster.restart().await;
        cluster
    }

    /// Starts it again on what it left, and waits until it takes connections.
    pub(crate) async fn restart(&mut self) {
        self.keeper = Some(self.keeper());
        drop(self.connect().await);
    }

    fn keeper(&self) -> Child {
        let folder = self.folder.path();
        as_server_user("/bin/sh".as_ref())
            .args(["-c", KEEPER, "keeper"])
            .arg(programs().join("postgres"))
            .arg("-D")
            .arg(data(folder))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=100"])
            .env("LOG", folder.join("log"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell runs")
    }

    /// Ends every process of it at once; nothing is written any more.
    pub(crate) fn stop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("it ends");
        }
    }

    /// A connection, as soon as it gives one.
    pub(crate) async fn connect(&self) -> PgConnection {
        let connected = async {
            loop {
                match PgConnection::connect(&self.url).await {
                    Ok(connection) => return connection,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            }
        };
        let waited = tokio::time::timeout(super::server::PATIENCE, connected).await;
        waited.unwrap_or_else(|_| panic!("it takes no connections: {}", self.log()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends a signal to one of its processes.
    pub(crate) fn signal(&self, name: &str, process: i32) {
        self.run("kill", &[&format!("-{name}"), &process.to_string()]);
    }

    /// Lets no process of it write a file beyond a size: what it tries then fails as on a full disk. `None` is no limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let pid = std::fs::read_to_string(data(self.folder.path()).join("postmaster.pid"));
        let pid = pid.expect("it runs");
        let postmaster = pid.lines().next().expect("a number").trim();
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(children).expect("the kernel knows");
        for process in children.split_whitespace().chain([postmaster]) {
            let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
            // The hard limit stays, so that the soft one can be lifted again.
            self.run("prlimit", &["--pid", process, &format!("--fsize={limit}:")]);
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = as_server_user(program.as_ref()).args(arguments).status();
        assert!(
            status.expect("it runs").success(),
            "{program} {arguments:?}"
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Runs statements.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    sql.execute(connection).await.expect("the statement runs");
}
