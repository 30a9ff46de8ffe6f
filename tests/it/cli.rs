//! What a person or a script meets at the command line.

mod check;
mod conflicts;
mod explain;
mod reload;
mod schema;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::support::server::PATIENCE;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The program, built as it is now, beside the tests.
pub(crate) fn program() -> &'static Path {
    PROGRAM.get_or_init(|| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--package", "driftless"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // What cargo tells this process about its own package: with it a build script of a library far below runs anew,
        // and everything above it is compiled twice for each run of these tests.
        for (name, _) in std::env::vars().filter(|(name, _)| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the program does not build");
        let tests = std::env::current_exe().expect("a path");
        let folder = tests.parent().and_then(Path::parent).expect("below target");
        folder.join("driftless")
    })
}

/// A command in a folder, with nothing of this process' configuration.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(folder)
        .kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DRIFTLESS_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let output = command(folder, arguments).output();
    tokio::time::timeout(PATIENCE, output)
        .await
        .expect("an end")
        .expect("the program runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A running `driftless dev --json`.
struct Dev {
    child: Child,
    ready: Value,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Dev {
    async fn start(folder: &Path, more: &[&str]) -> Dev {
        let mut arguments = vec!["dev", "--json", "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        let mut child = command(folder, &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut out = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let err = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let line = tokio::time::timeout(PATIENCE, out.next_line())
            .await
            .expect("a line in time");
        let line = line.expect("readable").expect("a line before the end");
        let ready = serde_json::from_str(&line).expect("the first line is JSON");
        Dev {
            child,
            ready,
            out,
            err,
        }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {}", self.ready))
    }

    async fn graphql(&self, query: &str) -> Value {
        let response = reqwest::Client::new()
            .post(self.text("http_endpoint"))
            .header("x-api-key", self.text("api_key"))
            .body(json!({ "query": query }).to_string())
            .send()
            .await
            .expect("an answer");
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
    }

    /// The next line on stderr that holds `text`.
    async fn complaint(&mut self, text: &str) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.err.next_line()).await;
            let line = line
                .expect("a line in time")
                .expect("readable")
                .expect("a line before the end");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends it as a container's engine does; the exit code.
    async fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .expect("kill runs");
        assert!(sent.success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert_eq!(
            self.out.next_line().await.expect("readable"),
            None,
            "one line only"
        );
        ended.expect("an end in time").expect("a status").code()
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn folder_with(schema: &str) -> tempfile::TempDir {
    let folder = folder();
    std::fs::write(folder.path().join("schema.graphql"), schema).expect("a file");
    folder
}

const TODO: &str = "type Todo @model @auth(rules: [{allow: public}]) { id: ID! title: String! }\n";

fn provide_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn dev_starts_in_an_empty_folder_with_everything_it_needs() {
    provide_tls();
    let folder = folder();
    let dev = Dev::start(folder.path(), &["--no-watch"]).await;
    for name in ["endpoint", "http_endpoint", "realtime", "api_key", "ca"] {
        assert!(!dev.text(name).is_empty(), "{name}");
    }
    assert!(dev.text("endpoint").starts_with("https://localhost:"));
    assert!(dev.text("realtime").ends_with("/graphql/realtime"));
    assert!(Path::new(dev.text("ca")).is_absolute());
    assert_eq!(dev.ready["pid"], json!(dev.child.id()));
    assert!(
        folder.path().join("schema.graphql").is_file(),
        "an example is written"
    );
    let answer = dev
        .graphql(r#"mutation { createTodo(input: {title: "a"}) { title _version } }"#)
        .await;
    assert_eq!(
        answer,
        json!({"data": {"createTodo": {"title": "a", "_version": 1}}})
    );
    assert_eq!(dev.terminate().await, Some(0));
}

#[tokio::test]
async fn dev_keeps_key_authority_and_records_over_a_restart_unless_ephemeral() {
    provide_tls();
    let folder = folder_with(TODO);
    let create = r#"mutation { createTodo(input: {title: "kept"}) { id } }"#;
    let list = "{ listTodos { items { title } } }";
    let dev = Dev::start(folder.path(), &[]).await;
    let key = dev.text("api_key").to_owned();
    let ca = std::fs::read(dev.text("ca")).expect("a certificate");
    dev.graphql(create).await;
    assert_eq!(dev.terminate().await, Some(0));

    let dev = Dev::start(folder.path(), &["--ephemeral"]).await;
    assert_eq!(
        dev.graphql(list).await["data"]["listTodos"]["items"],
        json!([])
    );
    assert_eq!(dev.terminate().await, Some(0));

    let dev = Dev::start(folder.path(), &[]).await;
    assert_eq!(dev.text("api_key"), key);
    assert_eq!(std::fs::read(dev.text("ca")).expect("a certificate"), ca);
    let items = dev.graphql(list).await["data"]["listTodos"]["items"].clone();
    assert_eq!(items, json!([{"title": "kept"}]));
    let keys = run(folder.path(), &["keys"]).await;
    assert_eq!(stdout(&keys).trim(), key);
}

#[cfg(unix)]
#[tokio::test]
async fn what_dev_keeps_secret_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder_with(TODO);
    let _dev = Dev::start(folder.path(), &[]).await;
    for name in [
        "api-key",
        "admin-secret",
        "issuer-key",
        "tls/ca.key",
        "tls/leaf.key",
    ] {
        let path = folder.path().join(".driftless").join(name);
        let mode = std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn dev_takes_a_changed_schema_and_keeps_the_last_good_one() {
    provide_tls();
    let folder = folder_with(TODO);
    let path = folder.path().join("schema.graphql");
    let mut dev = Dev::start(folder.path(), &[]).await;
    let ask = "{ listTodos { items { note } } }";
    assert!(dev.graphql(ask).await["errors"].is_array());
    std::fs::write(&path, TODO.replace("title: String!", "title: Strng!")).expect("written");
    dev.complaint("schema.graphql:1:").await;
    dev.complaint("the last good schema is served on").await;
    assert_eq!(
        dev.graphql("{ listTodos { items { title } } }")
            .await
            .get("errors"),
        None
    );
    std::fs::write(
        &path,
        TODO.replace("title: String!", "title: String! note: String"),
    )
    .expect("written");
    dev.complaint("taken anew").await;
    assert_eq!(
        dev.graphql(ask).await,
        json!({"data": {"listTodos": {"items": []}}})
    );
    assert_eq!(dev.terminate().await, Some(0));
}

#[tokio::test]
async fn dev_serves_a_saved_schema_within_a_second_and_says_what_changed() {
    provide_tls();
    let many: String = (0..20)
        .map(|n| TODO.replace("Todo", &format!("Todo{n}")))
        .collect();
    let folder = folder_with(&many);
    let path = folder.path().join("schema.graphql");
    let mut dev = Dev::start(folder.path(), &[]).await;
    let mut quickest = Duration::MAX;
    for n in 0..5 {
        let field = format!("field{n}");
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = text.replacen("title: String!", &format!("title: String! {field}: Int"), 1);
        // As editors do it.
        let beside = folder.path().join("schema.graphql~");
        std::fs::write(&beside, text).expect("written");
        let saved = Instant::now();
        std::fs::rename(&beside, &path).expect("renamed");
        dev.complaint(&format!("Todo0.{field}")).await;
        dev.complaint("taken anew").await;
        quickest = quickest.min(saved.elapsed());
        let answer = dev
            .graphql(&format!("{{ listTodo0s {{ items {{ {field} }} }} }}"))
            .await;
        assert_eq!(answer.get("errors"), None, "{answer}");
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    assert_eq!(dev.terminate().await, Some(0));
}

#[tokio::test]
async fn dev_keeps_the_last_good_schema_where_another_key_would_lose_records() {
    provide_tls();
    let folder = folder_with(TODO);
    let path = folder.path().join("schema.graphql");
    let mut dev = Dev::start(folder.path(), &[]).await;
    dev.graphql(r#"mutation { createTodo(input: {title: "a"}) { id } }"#)
        .await;
    let keyed = TODO.replace("title: String!", "title: String! @primaryKey");
    std::fs::write(&path, keyed).expect("written");
    dev.complaint("key-changed").await;
    dev.complaint("the last good schema is served on").await;
    let items =
        dev.graphql("{ listTodos { items { title } } }").await["data"]["listTodos"]["items"]
            .clone();
    assert_eq!(items, json!([{"title": "a"}]));
    assert_eq!(dev.terminate().await, Some(0));
}

#[tokio::test]
async fn dev_refuses_a_wrong_schema_with_place_and_help() {
    let folder = folder_with("type Todo @model { id: ID! title: Strng }\n");
    let output = run(folder.path(), &["dev", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("schema.graphql:1:") && text.contains("help:"),
        "{text}"
    );
}

#[tokio::test]
async fn token_prints_what_the_running_server_takes() {
    provide_tls();
    let folder = folder_with(TODO);
    let users = "[auth.users.alice]\ngroups = [\"Staff\"]\nclaims = { tenant = \"t1\" }\n";
    std::fs::write(folder.path().join("driftless.toml"), users).expect("a file");
    let dev = Dev::start(folder.path(), &[]).await;
    for more in [&["--group", "Admin"][..], &["--id"], &["--issuer", "oidc"]] {
        let arguments = [&["token", "alice"], more].concat();
        let token = stdout(&run(folder.path(), &arguments).await);
        let response = reqwest::Client::new()
            .post(dev.text("http_endpoint"))
            .header("authorization", token.trim())
            .body(json!({"query": "{ __typename }"}).to_string());
        let response = response.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{more:?}");
    }
    let arguments = [
        "token", "alice", "--json", "--group", "Admin", "--claim", "level=3",
    ];
    let tokens: Value =
        serde_json::from_str(&stdout(&run(folder.path(), &arguments).await)).expect("JSON");
    let payload = tokens["access_token"]
        .as_str()
        .expect("a token")
        .split('.')
        .nth(1);
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(payload.expect("claims"))
        .expect("base64");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["username"], "alice");
    assert_eq!(claims["cognito:groups"], json!(["Staff", "Admin"]));
    assert_eq!(
        (&claims["tenant"], &claims["level"]),
        (&json!("t1"), &json!(3))
    );
    assert_eq!(claims["token_use"], "access");
}

#[tokio::test]
async fn status_and_health_tell_whether_a_server_is_ready() {
    let folder = folder_with(TODO);
    let status = run(folder.path(), &["status"]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(stderr(&status).contains("driftless dev"));

    let dev = Dev::start(folder.path(), &[]).await;
    let status = run(folder.path(), &["status", "--json"]).await;
    assert_eq!(status.status.code(), Some(0));
    let said: Value = serde_json::from_str(&stdout(&status)).expect("JSON");
    assert_eq!(
        (&said["ready"], &said["server"]["api_key"]),
        (&json!(true), &dev.ready["api_key"])
    );
    let probe = dev.text("http_endpoint").replace("/graphql", "/readyz");
    assert_eq!(
        run(folder.path(), &["health", &probe]).await.status.code(),
        Some(0)
    );
    assert_eq!(dev.terminate().await, Some(0));
    assert_eq!(
        run(folder.path(), &["health", &probe]).await.status.code(),
        Some(1)
    );
}

#[tokio::test]
async fn serve_generates_nothing_and_says_what_is_missing() {
    let folder = folder_with(TODO);
    let output = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("DRIFTLESS_AUTH_API_KEYS"),
        "{}",
        stderr(&output)
    );
    assert!(!folder.path().join(".driftless").exists());
}

#[tokio::test]
async fn a_variable_with_a_typing_error_is_a_usage_error() {
    let folder = folder_with(TODO);
    let output = command(folder.path(), &["serve"])
        .env("DRIFTLESS_LISTEN_ADRESS", "127.0.0.1:0")
        .output()
        .await
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("DRIFTLESS_LISTEN_ADDRESS"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn commands_that_make_no_sense_end_with_2() {
    let folder = folder();
    for arguments in [
        &["dance"] as &[&str],
        &[],
        &["dev", "--listen", "nowhere"],
        &["schema"],
    ] {
        let output = run(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
    assert_eq!(run(folder.path(), &["--help"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn trust_shows_what_it_would_do_and_what_only_a_person_can() {
    let folder = folder();
    let output = run(folder.path(), &["trust", "--dry-run"]).await;
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "NODE_EXTRA_CA_CERTS=",
        "simctl",
        "network_security_config",
        "SecurityContext",
    ] {
        assert!(stdout(&output).contains(part), "{part}");
    }
}
