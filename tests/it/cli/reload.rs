//! A configuration that changes while the program runs.

use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::{Dev, TODO, command, folder_with, provide_tls, run, stderr, stdout};
use crate::support::server::PATIENCE;

#[tokio::test]
async fn dev_takes_a_changed_configuration_of_who_may_call_and_keeps_the_last_good_one() {
    provide_tls();
    let folder = folder_with(TODO);
    let mut dev = Dev::start(folder.path(), &[]).await;
    let path = folder.path().join("driftless.toml");
    let token = stdout(&run(folder.path(), &["token", "alice"]).await);
    let status = async |dev: &Dev| {
        let request = reqwest::Client::new()
            .post(dev.text("http_endpoint"))
            .header("authorization", token.trim())
            .body(json!({"query": "{ __typename }"}).to_string());
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(&dev).await, 200);
    std::fs::write(&path, "[auth]\nblockd = []\n").expect("a file");
    dev.complaint("the former configuration holds on").await;
    assert_eq!(status(&dev).await, 200);
    let payload = token.split('.').nth(1).expect("claims");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
    let principal = format!("user_pool:{}#{}", text("iss"), text("sub"));
    std::fs::write(&path, format!("[auth]\nblocked = [\"{principal}\"]\n")).expect("a file");
    dev.complaint("[auth] taken anew").await;
    assert_eq!(status(&dev).await, 401);

    let list = run(folder.path(), &["auth", "list"]).await;
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    let ended = run(folder.path(), &["auth", "disconnect", &principal]).await;
    assert!(stdout(&ended).starts_with("closed 0"), "{}", stdout(&ended));
    assert_eq!(dev.terminate().await, Some(0));
}

/// A running `driftless serve`: the process, the lines of its log, and where it listens.
#[cfg(unix)]
async fn serve(folder: &Path) -> (Child, Lines<BufReader<ChildStderr>>, String) {
    let mut child = command(
        folder,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            "sqlite::memory:",
        ],
    )
    .stderr(Stdio::piped())
    .spawn()
    .expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let mut endpoint = String::new();
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line
            .expect("a line in time")
            .expect("readable")
            .expect("a line");
        if let Some((_, rest)) = line.split_once("endpoint=\"") {
            endpoint = rest.split('"').next().unwrap_or_default().to_owned();
        }
        if line.contains("ready") {
            return (child, lines, endpoint);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn serve_exchanges_keys_at_sighup_without_a_restart() {
    let folder = folder_with(TODO);
    let path = folder.path().join("driftless.toml");
    let made = stdout(&run(folder.path(), &["keys", "--new", "--json"]).await);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let text = |name: &str| made[name].as_str().expect("a text");
    let (old, new) = ("da2-abcdefghijklmnopqrstuvwxyz", text("api_key"));
    let digest = text("sha256");
    let write = |keys: &str| {
        let text = format!("[auth.providers.k]\ntype = \"api_key\"\nkeys = [{keys}]\n");
        std::fs::write(&path, text).expect("a file");
    };
    write(&format!("\"{old}\""));
    let (child, mut lines, endpoint) = serve(folder.path()).await;
    let status = async |key: &str| {
        let request = reqwest::Client::new()
            .post(&endpoint)
            .header("x-api-key", key)
            .body(r#"{"query":"{ __typename }"}"#);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!((status(old).await, status(new).await), (200, 401));
    let id = child.id().expect("it runs").to_string();
    for (keys, expected) in [
        (
            format!("\"{old}\", {{ sha256 = \"{digest}\" }}"),
            (200, 200),
        ),
        (format!("{{ sha256 = \"{digest}\" }}"), (401, 200)),
    ] {
        write(&keys);
        let sent = Command::new("kill").args(["-HUP", &id]).status().await;
        assert!(sent.expect("kill runs").success());
        loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let line = line
                .expect("a line in time")
                .expect("readable")
                .expect("a line");
            if line.contains("configured anew") {
                break;
            }
        }
        assert_eq!((status(old).await, status(new).await), expected);
    }
}
