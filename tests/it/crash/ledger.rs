//! The harness's own scenarios, as a user runs them against a deployment.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use driftless_client_test_harness::http::Target;
use driftless_client_test_harness::schema::{Model, Schema};
use driftless_client_test_harness::{crash, deployment, restore};
use pretty_assertions::assert_eq;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::cli::program;

/// Starts the server again whenever it ends, on the socket that it was handed, but not while there is a file `hold`.
const SERVICE_MANAGER: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1
    while :; do
        while [ -e hold ]; do sleep 0.05; done
        /bin/sh -c 'LISTEN_PID=$$ exec \"$@\"' sh \"$@\"
    done";

/// A server under a service manager.
struct Deployed {
    manager: Child,
    target: Target,
}

impl Deployed {
    /// One that keeps its data in this folder.
    async fn start(folder: &Path) -> Deployed {
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let schema = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../examples/whitepaper/schema.graphql"
        );
        let mut manager = Command::new("/bin/sh")
            .args(["-c", SERVICE_MANAGER, "manager"])
            .arg(program())
            .args(["dev", schema, "--json", "--no-watch"])
            .current_dir(folder)
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell starts");
        let mut lines = BufReader::new(manager.stdout.take().expect("a pipe")).lines();
        let line = lines.next_line().await.expect("a pipe").expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        let endpoint = text("http_endpoint").replace("localhost", "127.0.0.1");
        Deployed {
            manager,
            target: Target::new(&endpoint, &text("api_key"), None).expect("a URL"),
        }
    }

    /// Where the kernel says which process the server is.
    fn children(&self) -> String {
        let id = self.manager.id().expect("it runs");
        format!("/proc/{id}/task/{id}/children")
    }

    async fn end(mut self) {
        let children = std::fs::read_to_string(self.children());
        self.manager.kill().await.expect("it runs");
        for server in children.expect("the kernel knows").split_whitespace() {
            let ended = std::process::Command::new("kill")
                .args(["-9", server])
                .status();
            assert!(ended.expect("kill runs").success());
        }
    }
}

fn posts() -> Model {
    Schema::whitepaper().model("Post").expect("a model").clone()
}

#[tokio::test]
async fn writers_lose_nothing_while_a_command_kills_the_server_again_and_again() {
    let folder = TempDir::new().expect("a folder");
    let deployed = Deployed::start(folder.path()).await;
    let plan = crash::Plan {
        targets: vec![deployed.target.clone()],
        witness: None,
        model: posts(),
        writers: 3,
        writes: 270,
        kill: Some(format!("kill -9 $(cat {})", deployed.children())),
        kills: 3,
        patience: Duration::from_secs(60),
    };
    let report = crash::run(&plan).await.expect("the server comes back");
    assert_eq!(report.violations(), [""; 0]);
    assert_eq!(report.counts()["kills"], 3);
    assert_eq!(report.counts()["acknowledged"], 225);
    deployed.end().await;
}

#[tokio::test]
async fn devices_agree_with_a_server_after_commands_put_its_file_back() {
    let folder = TempDir::new().expect("a folder");
    let deployed = Deployed::start(folder.path()).await;
    let plan = restore::Plan {
        targets: vec![deployed.target.clone()],
        model: posts(),
        records: 40,
        patience: Duration::from_secs(60),
    };
    let at = folder.path().display();
    let backup = format!("cd {at}/.driftless && mkdir backup && cp data.db data.db-wal backup");
    let restore = format!(
        "cd {at} && touch hold && server=$(cat {}) && kill $server &&
         while kill -0 $server 2>/dev/null; do sleep 0.05; done &&
         rm -f .driftless/data.db-wal .driftless/data.db-shm && cp .driftless/backup/* .driftless && rm hold",
        deployed.children()
    );
    let backup = async || deployment::run(&backup).await;
    let restore = async || deployment::run(&restore).await;
    let report = restore::run(&plan, backup, restore).await;
    let report = report.expect("the server comes back");
    assert_eq!(report.violations(), [""; 0]);
    let counts = report.counts();
    assert!(counts["records that went back"] > 20, "{counts:?}");
    assert_eq!(counts["sockets closed"], 1, "{counts:?}");
    deployed.end().await;
}
