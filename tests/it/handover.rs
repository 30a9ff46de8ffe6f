//! A port that stays open while one server ends and the next begins: requests meanwhile wait, and none is refused.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::cli::program;
use crate::support::server::{PATIENCE, provide_cryptography};

/// Hands the socket on standard input over as systemd does, and becomes the server.
const HAND_OVER: &str = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/whitepaper/schema.graphql"
);

/// The server in a folder, with a socket that is not its own.
fn activated(folder: &Path, socket: &TcpListener) -> Command {
    let socket = socket.try_clone().expect("a copy");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", HAND_OVER, "sh"])
        .arg(program())
        .args(["dev", SCHEMA, "--json", "--no-watch"])
        .current_dir(folder)
        .stdin(Stdio::from(OwnedFd::from(socket)));
    command
}

/// Waits for its line of JSON.
async fn ready(mut command: Command) -> (Child, Value) {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line
        .expect("it becomes ready")
        .expect("a pipe")
        .expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

async fn end(child: &mut Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("kill runs").success());
    child.wait().await.expect("it ends");
}

fn create(ready: &Value, name: &str) -> reqwest::RequestBuilder {
    let query = format!(
        "mutation {{ createUser(input: {{username: \"{name}\"}}) {{ username _version }} }}"
    );
    reqwest::Client::new()
        .post(
            ready["http_endpoint"]
                .as_str()
                .expect("a URL")
                .replace("localhost", "127.0.0.1"),
        )
        .header("x-api-key", ready["api_key"].as_str().expect("a key"))
        .header("content-type", "application/json")
        .body(json!({ "query": query }).to_string())
}

async fn assert_created(response: Result<reqwest::Response, reqwest::Error>, name: &str) {
    let text = response.expect("an answer").text().await.expect("a body");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let created = json!({"createUser": {"username": name, "_version": 1}});
    assert_eq!(answer["data"], created, "{answer}");
}

#[tokio::test]
async fn a_socket_that_was_handed_over_outlives_the_server_and_requests_wait_in_it() {
    provide_cryptography();
    let folder = TempDir::new().expect("a folder");
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    let (mut first, ready_line) = ready(activated(folder.path(), &socket)).await;
    let endpoint = ready_line["http_endpoint"].as_str().expect("a URL");
    assert!(endpoint.contains(&port.to_string()), "{endpoint}");
    assert_created(create(&ready_line, "before").send().await, "before").await;

    for (signal, name) in [
        ("-TERM", "after an end in order"),
        ("-KILL", "after a death"),
    ] {
        end(&mut first, signal).await;
        let waiting = tokio::spawn(create(&ready_line, name).send());
        TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
        let (next, _) = ready(activated(folder.path(), &socket)).await;
        assert_created(waiting.await.expect("a task"), name).await;
        first = next;
    }
}

#[tokio::test]
async fn a_server_that_shares_its_port_begins_before_the_other_ends() {
    provide_cryptography();
    let folder = TempDir::new().expect("a folder");
    std::fs::write(
        folder.path().join("driftless.toml"),
        "[listen]\nshare_port = true\n",
    )
    .expect("a file");
    let server = |listen: String| {
        let mut command = Command::new(program());
        command
            .args(["dev", SCHEMA, "--json", "--no-watch", "--listen", &listen])
            .current_dir(folder.path());
        command
    };
    let (mut first, line) = ready(server("127.0.0.1:0".to_owned())).await;
    let url = url::Url::parse(line["http_endpoint"].as_str().expect("a URL")).expect("a URL");
    let address = format!("127.0.0.1:{}", url.port().expect("a port"));
    assert_created(create(&line, "first").send().await, "first").await;
    // It listens at once, and waits for the file of the other.
    let next = tokio::spawn(ready(server(address.clone())));
    let both = async {
        while listening(&address) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("both listen");
    end(&mut first, "-TERM").await;
    assert_created(create(&line, "second").send().await, "second").await;
    let (mut next, _) = next.await.expect("a task");
    end(&mut next, "-TERM").await;
}

/// How many sockets listen at an address, as the kernel tells.
fn listening(address: &str) -> usize {
    let address: std::net::SocketAddrV4 = address.parse().expect("an address");
    let octets = u32::from_le_bytes(address.ip().octets());
    let local = format!("{octets:08X}:{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
    let listens = |line: &&str| {
        let parts: Vec<_> = line.split_whitespace().collect();
        parts.get(1) == Some(&local.as_str()) && parts.get(3) == Some(&"0A")
    };
    table.lines().filter(listens).count()
}
