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

/// What a copy of a cluster's files becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// A replica, which follows the original without it waiting.
    Replica,
    /// What was there at the time, as if a backup of the disk were put back.
    Backup,
    /// The same, brought up by the recovery that begins a history of its own.
    Recovery,
}

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
        let mut cluster = Cluster::of(folder);
        cluster.restart().await;
        cluster
    }

    fn of(folder: TempDir) -> Cluster {
        Cluster {
            url: url_of(folder.path()),
            folder,
            keeper: None,
        }
    }

    /// A copy of its files as they are at this moment, as of a disk; it does not run yet.
    pub(crate) async fn copy(&mut self, copied: Copied) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        owned_by_server_user(folder.path());
        self.stop();
        let (from, to) = (data(self.folder.path()), data(folder.path()));
        let mut copying = as_server_user("cp".as_ref());
        copying.arg("--archive").arg(&from).arg(&to);
        assert!(copying.status().expect("it runs").success(), "no copy");
        let settings = match copied {
            Copied::Backup => None,
            Copied::Recovery => Some(("recovery.signal", "restore_command = 'false'".to_owned())),
            Copied::Replica => {
                let primary = self.folder.path().display();
                let settings = format!("primary_conninfo = 'host={primary} user=postgres'");
                Some(("standby.signal", settings))
            }
        };
        if let Some((signal, settings)) = settings {
            std::fs::write(to.join(signal), "").expect("a file");
            std::fs::write(to.join("postgresql.auto.conf"), settings + "\n").expect("a file");
        }
        self.restart().await;
        Cluster::of(folder)
    }

    /// Waits until a replica shows everything that this one has.
    pub(crate) async fn replicated(&self, replica: &Cluster) {
        let place = self.place().await;
        replica.reaches("pg_last_wal_replay_lsn()", &place).await;
    }

    /// Waits until a replica holds everything that this one has, whether it shows it or not.
    pub(crate) async fn received(&self, replica: &Cluster) {
        let place = self.place().await;
        replica.reaches("pg_last_wal_receive_lsn()", &place).await;
    }

    /// Waits until this replica shows everything that it holds.
    pub(crate) async fn caught_up(&self) {
        let held = sqlx::query_scalar("select pg_last_wal_receive_lsn()::text");
        let place: String = held
            .fetch_one(&mut self.connect().await)
            .await
            .expect("a replica");
        self.reaches("pg_last_wal_replay_lsn()", &place).await;
    }

    /// How far its log reaches.
    async fn place(&self) -> String {
        sqlx::query_scalar("select pg_current_wal_lsn()::text")
            .fetch_one(&mut self.connect().await)
            .await
            .expect("a place")
    }

    /// Waits until what a replica says of itself is a place.
    async fn reaches(&self, said: &str, place: &str) {
        let mut connection = self.connect().await;
        let asked = format!("select {said} >= '{place}'::pg_lsn");
        let waiting = async {
            loop {
                let reached: bool = sqlx::query_scalar(AssertSqlSafe(asked.clone()))
                    .fetch_one(&mut connection)
                    .await
                    .expect("a replica");
                if reached {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(super::server::PATIENCE, waiting).await;
        waited.expect("the replica follows");
    }

    /// Lets every commit wait for its replicas from now on, of which one must be running.
    pub(crate) async fn wait_for_replicas(&self) {
        let mut connection = self.connect().await;
        execute(
            &mut connection,
            "alter system set synchronous_standby_names = '*'",
        )
        .await;
        execute(&mut connection, "select pg_reload_conf()").await;
        let waited_for = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        let waiting = async {
            while sqlx::query_scalar::<_, i64>(waited_for)
                .fetch_one(&mut connection)
                .await
                .expect("a count")
                == 0
            {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(super::server::PATIENCE, waiting).await;
        waited.expect("the replica follows");
    }

    /// Makes a replica the primary.
    pub(crate) async fn promote(&self) {
        let mut connection = self.connect().await;
        let promoted: bool = sqlx::query_scalar("select pg_promote()")
            .fetch_one(&mut connection)
            .await
            .expect("a replica");
        assert!(promoted, "{}", self.log());
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

/// An address that leads to one cluster after another, as a service's name does.
pub(crate) struct Address {
    folder: TempDir,
    /// What clients of the database know.
    pub(crate) url: String,
}

impl Address {
    /// One that leads to this cluster.
    pub(crate) fn of(cluster: &Cluster) -> Address {
        let folder = tempfile::tempdir().expect("a folder");
        owned_by_server_user(folder.path());
        let address = Address {
            url: url_of(&folder.path().join("now")),
            folder,
        };
        address.lead_to(cluster);
        address
    }

    /// Leads to another one from now on.
    pub(crate) fn lead_to(&self, cluster: &Cluster) {
        let (next, now) = (
            self.folder.path().join("next"),
            self.folder.path().join("now"),
        );
        std::os::unix::fs::symlink(cluster.folder.path(), &next).expect("a link");
        std::fs::rename(next, now).expect("a link");
    }
}

fn url_of(folder: &Path) -> String {
    format!(
        "postgres://postgres@localhost/postgres?host={}",
        folder.display()
    )
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Runs statements.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    sql.execute(connection).await.expect("the statement runs");
}
