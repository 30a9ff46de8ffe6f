//! The harness's own crash scenario, as a user runs it against a deployment.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use driftless_client_test_harness::crash::{Plan, run};
use driftless_client_test_harness::http::Target;
use driftless_client_test_harness::schema::Schema;
use pretty_assertions::assert_eq;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::cli::program;

/// Starts the server again whenever it ends, on the socket that it was handed.
const SERVICE_MANAGER: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1
    while :; do /bin/sh -c 'LISTEN_PID=$$ exec \"$@\"' sh \"$@\"; done";

#[tokio::test]
async fn writers_lose_nothing_while_a_command_kills_the_server_again_and_again() {
    let folder = TempDir::new().expect("a folder");
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/whitepaper/schema.graphql"
    );
    let mut manager = Command::new("/bin/sh")
        .args(["-c", SERVICE_MANAGER, "manager"])
        .arg(program())
        .args(["dev", schema, "--json", "--no-watch"])
        .current_dir(folder.path())
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a shell starts");
    let id = manager.id().expect("it runs");
    let mut lines = BufReader::new(manager.stdout.take().expect("a pipe")).lines();
    let line = lines.next_line().await.expect("a pipe").expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let text = |name: &str| ready[name].as_str().expect("a text").to_owned();

    let endpoint = text("http_endpoint").replace("localhost", "127.0.0.1");
    let kill = format!("kill -9 $(cat /proc/{id}/task/{id}/children)");
    let plan = Plan {
        targets: vec![Target::new(&endpoint, &text("api_key"), None).expect("a URL")],
        witness: None,
        model: Schema::whitepaper().model("Post").expect("a model").clone(),
        writers: 3,
        writes: 270,
        kill: Some(kill.clone()),
        kills: 3,
        patience: Duration::from_secs(60),
    };
    let report = run(&plan).await.expect("the server comes back");
    assert_eq!(report.violations(), [""; 0]);
    assert_eq!(report.counts()["kills"], 3);
    assert_eq!(report.counts()["acknowledged"], 225);

    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    manager.kill().await.expect("it runs");
    for server in children.expect("the kernel knows").split_whitespace() {
        let ended = std::process::Command::new("kill")
            .args(["-9", server])
            .status();
        assert!(ended.expect("kill runs").success());
    }
}
