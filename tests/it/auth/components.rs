//! An authorizer that is a WebAssembly component: the same meaning as behind a URL, and a sandbox around it.

use std::path::{Path, PathBuf};

use driftless::config::SchemaSource;
use serde_json::{Value, json};

use super::{NOTES, WHO, refusal};
use crate::support::components::{committed, wit, world_component};
use crate::support::server::{DATASTORE, Server, configured, refused};

const CREATE: &str = r#"mutation { createNote(input: {id: "n", text: "t", secret: "s"}) { id } }"#;
const GET: &str = r#"{ getNote(id: "n") { text secret } }"#;
const FOLDER: &str = "examples/authorizers";

fn example() -> PathBuf {
    committed(FOLDER, "invitations")
}

/// What configures a component; `more` stands in its target.
fn file(path: &Path, more: &str) -> String {
    format!(
        "[auth.providers.guests]\ntype = \"lambda\"\nprincipal_key = \"user\"\n\
         target = {{ wasm = \"{}\", time_ms = 5000{more} }}\n",
        path.display()
    )
}

async fn server(path: &Path, more: &str) -> Server {
    Server::start_with(|config| {
        *config = configured(config, &file(path, more));
        config.schema = SchemaSource::Text(NOTES.to_owned());
    })
    .await
}

async fn answer(server: &Server, token: &str, query: &str) -> Value {
    let response = server.ask(query, &[("authorization", token)]).await;
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).expect("JSON")
}

const CODES: &str = ", config = { codes = \"alice=first-code,hugo*=second-code\", hidden = \"Note.secret,Subscription.onDeleteNote\" }";

#[tokio::test]
async fn the_example_lets_in_who_is_invited_and_hides_what_is_not_for_guests() {
    let server = server(&example(), CODES).await;
    let (alice, hugo) = ("invite:alice:first-code", "invite:hugo:second-code");
    assert_eq!(answer(&server, alice, CREATE).await["errors"], Value::Null);
    let seen = answer(&server, hugo, GET).await;
    assert_eq!(seen["data"]["getNote"], json!({"text": "t", "secret": "s"}));
    let hidden = answer(&server, alice, GET).await;
    assert_eq!(
        hidden["data"]["getNote"],
        json!({"text": "t", "secret": null})
    );
    let message = "Not Authorized to access secret on type Note";
    assert_eq!(hidden["errors"][0]["message"], message);
    for token in [
        "invite:alice:second-code",
        "invite:hugo:first-code",
        "invite:alice:",
        "invite::first-code",
        "alice",
        "invite:alice:first-code2",
    ] {
        let refused = refusal(server.ask(WHO, &[("authorization", token)]).await).await;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (401, "UnauthorizedException"),
            "{token}"
        );
    }
    let mut socket = server.session().await;
    let with = |token: &str| json!({"host": "localhost", "Authorization": token});
    let (created, deleted) = (
        "subscription { onCreateNote { id secret } }",
        "subscription { onDeleteNote { id } }",
    );
    socket.subscribe("a", created, &with(alice)).await;
    socket.start("b", deleted, &with(alice)).await;
    let frame = socket.frame().await;
    assert_eq!(
        (&frame["type"], &frame["id"]),
        (&json!("error"), &json!("b")),
        "{frame}"
    );
    let other = r#"mutation { createNote(input: {id: "m", secret: "s"}) { id } }"#;
    answer(&server, hugo, other).await;
    let event = socket.frame().await;
    assert_eq!(
        event["payload"]["data"]["onCreateNote"],
        json!({"id": "m", "secret": null})
    );
}

/// A component with this body of `authorize`, which leaves the address of its answer.
fn guest(imports: &str, authorize: &str) -> Vec<u8> {
    let parameters = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
    let text = format!(
        r#"(module
          {imports}
          (memory (export "memory") 4)
          (global $next (mut i32) (i32.const 65536))
          (data (i32.const 4096) "{{}}")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          (func (export "init") (result i32)
            (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1)) (i32.const 16))
          (func (export "authorize") {parameters} (result i32) {authorize}))"#
    );
    let module = wat::parse_str(text).expect("a module");
    world_component(&wit().join("authorizer"), "granted-authorizer", module)
}

/// Leaves a decision without denied fields that holds for no longer than the request.
fn decision(authorized: u8) -> String {
    let store = |at: u32, value: u32| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    format!(
        "(i32.store8 (i32.const 32) (i32.const 0)) (i32.store8 (i32.const 36) (i32.const {authorized})) {}{}{}{}\
         (i32.store8 (i32.const 56) (i32.const 1)) {} (i32.const 32)",
        store(40, 4_096),
        store(44, 2),
        store(48, 4_096),
        store(52, 0),
        store(60, 0),
    )
}

fn install(component: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("authorizer.wasm");
    std::fs::write(&path, component).expect("a file");
    (folder, path)
}

/// What it cannot do says nothing of the caller, so that clients are told to come back and keep their edits.
#[tokio::test]
async fn a_component_that_gives_no_answer_refuses_nobody() {
    let endless = "(loop $l (br $l)) (i32.const 0)";
    let hungry = "(drop (memory.grow (i32.const 60000))) (unreachable)";
    let broken = "(unreachable)";
    for (body, more) in [(endless, ", memory_mb = 64"), (hungry, ""), (broken, "")] {
        let (_folder, path) = install(&guest("", body));
        let quick = more.to_owned();
        let server = Server::start_with(|config| {
            let file = file(&path, &quick).replace("time_ms = 5000", "time_ms = 100");
            *config = configured(config, &file);
            config.schema = SchemaSource::Text(NOTES.to_owned());
        })
        .await;
        let headers = [("authorization", "a word"), ("x-amz-user-agent", DATASTORE)];
        assert_eq!(server.ask(WHO, &headers).await.status(), 503, "{body}");
        let known = server.graphql(WHO, json!({})).await;
        assert_eq!(
            known,
            json!({"data": {"__typename": "Query"}}),
            "keys come in meanwhile"
        );
    }
}

#[tokio::test]
async fn a_changed_authorizer_decides_from_then_on_and_a_broken_one_does_not() {
    let (_folder, path) = install(&guest("", &decision(0)));
    let server = server(&path, "").await;
    let asked = async || {
        server
            .ask(WHO, &[("authorization", "a word")])
            .await
            .status()
    };
    assert_eq!(asked().await, 401);
    std::fs::write(&path, guest("", &decision(1))).expect("a file");
    let until = async |status: u16| {
        while asked().await != status {
            tokio::task::yield_now().await;
        }
    };
    let patience = crate::support::server::PATIENCE;
    tokio::time::timeout(patience, until(200))
        .await
        .expect("the changed file");
    std::fs::write(&path, "nonsense").expect("a file");
    for _ in 0..20 {
        assert_eq!(asked().await, 200);
    }
}

#[tokio::test]
async fn what_no_authorizer_may_have_keeps_the_server_from_starting() {
    let clock = r#"(import "driftless:authorizer/clock@1.0.0" "now-ms" (func $now (result i64)))"#;
    let body = format!("(drop (call $now)) {}", decision(1));
    let (_folder, path) = install(&guest(clock, &body));
    let start = async |path: &Path, more: &str| {
        let file = file(path, more);
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = driftless::config::Config::development(folder.path());
        config = configured(&config, &file);
        config.schema = SchemaSource::Text(NOTES.to_owned());
        config.listen.address = "127.0.0.1:0".parse().expect("an address");
        config.listen.tls = driftless::config::TlsMode::Off;
        config.database = driftless::config::Database("sqlite::memory:".to_owned());
        match driftless::app::App::start(config).await {
            Ok(app) => {
                app.stop().await;
                String::new()
            }
            Err(error) => error.to_string(),
        }
    };
    let refused = start(&path, "").await;
    assert!(refused.contains("grant = [\"clock\"]"), "{refused}");
    assert_eq!(start(&path, ", grant = [\"clock\"]").await, "");
    let missing = start(Path::new("nowhere.wasm"), "").await;
    assert!(
        missing.contains("nowhere.wasm: cannot be read"),
        "{missing}"
    );
    let unset = start(&example(), "").await;
    assert!(unset.contains("there is no config"), "{unset}");
}

#[test]
fn what_makes_no_sense_in_a_target_is_told() {
    let target = |text: &str| {
        refused(&format!(
            "[auth.providers.f]\ntype = \"lambda\"\ntarget = {{ {text} }}\n"
        ))
    };
    for text in [
        "",
        "http = \"http://a\", wasm = \"a.wasm\"",
        "http = \"http://a\", config = { a = \"b\" }",
        "wasm = \"a.wasm\", authorization = \"x\"",
    ] {
        let said = target(text);
        assert!(
            said.contains("auth.providers.f.target is either"),
            "{text}: {said}"
        );
    }
    let said = target("wasm = \"a.wasm\", time_ms = 60000");
    assert!(said.contains("time_ms is between 1 and 5000"), "{said}");
    let said = target("wasm = \"a.wasm\", grant = [\"clok\"]");
    assert!(said.contains("did you mean `clock`?"), "{said}");
}

/// Where the compiler has the target; elsewhere the committed component is taken as it is. `DRIFTLESS_TEST_UPDATE=1`
/// writes it.
#[test]
fn the_committed_authorizer_is_what_its_source_makes() {
    crate::support::components::compare(FOLDER, &["invitations"]);
}
