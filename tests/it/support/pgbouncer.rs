//! A real PgBouncer in front of a test's database, handing connections around after each transaction.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::postgres::{as_server_user, owned_by_server_user};

/// How it treats settings of sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settings {
    /// It is told to swallow them.
    Ignored,
    /// As it comes: it refuses whoever sends one.
    Refused,
}

/// A running pooler; it ends with this value.
pub(crate) struct Pooler {
    /// The database behind it.
    pub(crate) url: String,
    process: Child,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one with few connections, so that they change hands all the time; with more than a node holds that is cut off
    /// in the middle of what it does besides serving.
    pub(crate) async fn before(database: &str, settings: Settings) -> Pooler {
        let folder = tempfile::tempdir().expect("a temporary directory");
        owned_by_server_user(folder.path());
        let target = url::Url::parse(database).expect("a URL");
        let host = target
            .query_pairs()
            .find_map(|(name, value)| (name == "host").then(|| value.into_owned()))
            .or_else(|| target.host_str().map(str::to_owned))
            .expect("a host");
        let port = target.port().unwrap_or(5432);
        let user = target.username();
        let password = target.password().map(|word| format!("password='{word}'"));
        let password = password.unwrap_or_default();
        let ignored = match settings {
            Settings::Ignored => "ignore_startup_parameters = extra_float_digits,options\n",
            Settings::Refused => "",
        };
        let at = folder.path().display();
        let name = target.path().trim_start_matches('/');
        let configuration = format!(
            "[databases]\n{name} = host={host} port={port} user={user} {password}\n[pgbouncer]\n\
             listen_addr =\nlisten_port = 6432\nunix_socket_dir = {at}\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 6\nmax_client_conn = 500\nserver_login_retry = 1\nlogfile = {at}/log\n{ignored}"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).expect("a file");
        let mut process = as_server_user(&program())
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer can be started");
        let socket = folder.path().join(".s.PGSQL.6432");
        // It is there within milliseconds, or it does not start.
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            let ended = process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "pgbouncer does not start: {ended:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Pooler {
            url: format!("postgres://{user}@localhost:6432/{name}?host={at}"),
            process,
            _folder: folder,
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.exists())
        .expect("no PgBouncer for tests: install it (Debian: pgbouncer)")
}
