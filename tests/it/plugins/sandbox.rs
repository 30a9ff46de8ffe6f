//! The sandbox: limits of time, memory and output, nothing of the world unless granted, and a changed file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use driftless::config::Plugin;
use driftless::conflict::wasm::sandbox::Sandbox;
use driftless::conflict::wasm::{File, WasmHandler};
use driftless_conflict_handlers::{Decision, External, Fault, Recorded, Resolution};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::components::{guest, handler, plain_answer, resolved};
use crate::support::server::PATIENCE;

const ACCEPT: u8 = 4;
const AUTOMERGE: u8 = 6;

/// A plugin's file in a folder of its own.
struct Installed {
    _folder: TempDir,
    plugin: Plugin,
}

fn install(component: &[u8]) -> Installed {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plugin.wasm");
    std::fs::write(&path, component).expect("a file");
    Installed {
        plugin: Plugin::at(path),
        _folder: folder,
    }
}

impl Installed {
    async fn open(&self) -> Result<WasmHandler, String> {
        let sandbox = Sandbox::new().expect("a sandbox");
        WasmHandler::open(&sandbox, &self.plugin).await
    }

    async fn ask(&self) -> Result<Resolution, Fault> {
        ask(&self.open().await.expect("a handler")).await
    }

    async fn refusal(&self) -> String {
        match self.open().await {
            Ok(_) => panic!("the plugin was taken"),
            Err(reason) => reason,
        }
    }
}

async fn ask(handler: &WasmHandler) -> Result<Resolution, Fault> {
    let recorded: Recorded = serde_json::from_value(json!({
        "model": "Stock",
        "clientVersion": 1,
        "stored": {"fields": {"id": "s", "count": 5}, "version": 2},
        "base": {"fields": {"id": "s", "count": 10}, "version": 1},
        "incoming": {"count": 9},
        "types": {"id": "ID!", "count": "Int"},
        "keyFields": ["id"]
    }))
    .expect("a conflict");
    let replay = recorded.replay();
    handler
        .resolve(&replay.conflict(), Duration::from_secs(8))
        .await
}

fn stored(resolution: Resolution) -> serde_json::Value {
    match resolution.decision {
        Decision::Replace(fields) => fields.into(),
        other => panic!("no document: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_decides() {
    let accepting = install(&guest("", "", &plain_answer(ACCEPT)));
    let accepted = accepting.ask().await.expect("an answer");
    assert_eq!(stored(accepted), json!({"id": "s", "count": 9}));

    let document = r#"{"id": "s", "count": 4}"#;
    let resolving = install(&guest("", document, &resolved(document.len())));
    let resolution = resolving.ask().await.expect("an answer");
    assert_eq!(stored(resolution), json!({"id": "s", "count": 4}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_is_a_fault_and_nothing_else() {
    for (body, told) in [
        ("unreachable".to_owned(), "unreachable"),
        (
            "(call $resolve (local.get 0))".to_owned(),
            "call stack exhausted",
        ),
        ("(i32.load (i32.const -4))".to_owned(), "out of bounds"),
        ("(i32.const -16)".to_owned(), ""),
        (
            "(i32.store8 (i32.const 36) (i32.const 99)) (i32.const 32)".to_owned(),
            "",
        ),
    ] {
        let fault = install(&guest("", "", &body)).ask().await.expect_err(&body);
        let Fault::Broken(reason) = &fault else {
            panic!("{body}: {fault}");
        };
        assert!(reason.contains(told), "{body}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_handler_is_for_the_log() {
    let says = "(i32.store (i32.const 36) (i32.const 4096)) (i32.store (i32.const 40) (i32.const 4)) \
                (i32.store8 (i32.const 32) (i32.const 1)) (i32.const 32)";
    let fault = install(&guest("", "oops", says)).ask().await;
    assert_eq!(fault, Err(Fault::Broken("oops".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn t36_limit_time_an_endless_loop_is_stopped() {
    let mut plugin = install(&guest("", "", "(loop $again (br $again)) unreachable"));
    plugin.plugin.time = Duration::from_millis(50);
    let handler = plugin.open().await.expect("a handler");
    let began = Instant::now();
    let fault = ask(&handler).await;
    assert_eq!(fault, Err(Fault::TooSlow(Duration::from_millis(50))));
    assert!(began.elapsed() >= Duration::from_millis(50));
    // The next call is not affected.
    assert_eq!(ask(&handler).await, fault);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_memory_a_bomb_gets_no_more_than_it_may_have() {
    let bomb = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let mut plugin = install(&guest("", "", bomb));
    plugin.plugin.memory = 8 * 1024 * 1024;
    assert_eq!(
        plugin.ask().await,
        Err(Fault::TooMuchMemory(8 * 1024 * 1024))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_output_an_answer_that_is_too_long_is_not_read() {
    let mut plugin = install(&guest("", "", &resolved(1024 * 1024)));
    plugin.plugin.output = 400 * 1024;
    assert_eq!(plugin.ask().await, Err(Fault::TooMuchOutput(400 * 1024)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_json_is_malformed() {
    for text in ["nonsense", "[]", "{\"count\":"] {
        let fault = install(&guest("", text, &resolved(text.len()))).ask().await;
        assert!(
            matches!(fault, Err(Fault::Malformed(_))),
            "{text}: {fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_an_instance_of_its_own() {
    let remembers = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable)) {}",
        plain_answer(AUTOMERGE)
    );
    let plugin = install(&guest("", "", &remembers));
    let handler = plugin.open().await.expect("a handler");
    for _ in 0..3 {
        ask(&handler).await.expect("an answer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_granted_is_not_there() {
    let clock = r#"(import "driftless:conflict/clock@1.0.0" "now-ms" (func $now (result i64)))"#;
    let body = format!("(drop (call $now)) {}", plain_answer(ACCEPT));
    let mut plugin = install(&guest(clock, "", &body));
    let reason = plugin.refusal().await;
    assert!(reason.contains("grant = [\"clock\"]"), "{reason}");
    plugin.plugin.clock = true;
    plugin.ask().await.expect("an answer");

    let random =
        r#"(import "driftless:conflict/random@1.0.0" "bytes" (func $bytes (param i32 i32)))"#;
    let body = format!(
        "(call $bytes (i32.const 8) (i32.const 64)) {}",
        plain_answer(ACCEPT)
    );
    let mut plugin = install(&guest(random, "", &body));
    let reason = plugin.refusal().await;
    assert!(reason.contains("grant = [\"random\"]"), "{reason}");
    plugin.plugin.random = true;
    plugin.ask().await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_conflict_handler_is_refused_with_a_way_out() {
    let wasi = r#"(component (import "wasi:filesystem/preopens@0.2.0" (instance (export "get-directories" (func)))))"#;
    let wasi = wat::parse_str(wasi).expect("a component");
    let empty = wat::parse_str("(component)").expect("a component");
    let core = wat::parse_str("(module)").expect("a module");
    let old = "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 9)) (i32.const 16)";
    let unwilling = "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 4096)) \
                     (i32.store (i32.const 24) (i32.const 4)) (i32.const 16)";
    for (bytes, told) in [
        (wasi, "wants what no plugin is given"),
        (empty, "no conflict handler of driftless:conflict@1.0.0"),
        (core, "a core module, not a component"),
        (b"const x = 1;".to_vec(), "no WebAssembly component"),
        (Vec::new(), "no WebAssembly component"),
        (handler("", "", old, "unreachable"), "version 9"),
        (
            handler("", "nope", unwilling, "unreachable"),
            "cannot work: nope",
        ),
        (
            handler("", "", "unreachable", "unreachable"),
            "`init` cannot be run",
        ),
    ] {
        let reason = install(&bytes).refusal().await;
        assert!(reason.contains(told), "{told}: {reason}");
    }
    let sandbox = Sandbox::new().expect("a sandbox");
    let missing = Plugin::at(PathBuf::from("no/such/plugin.wasm"));
    let reason = WasmHandler::open(&sandbox, &missing).await.err();
    assert!(reason.is_some_and(|reason| reason.contains("cannot be read")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_decides_from_then_on_and_a_broken_one_does_not() {
    let plugin = install(&guest("", "", &plain_answer(ACCEPT)));
    let handler = plugin.open().await.expect("a handler");
    assert_eq!(stored(ask(&handler).await.expect("an answer"))["count"], 9);

    let mut files = handler.files();
    std::fs::write(&plugin.plugin.path, "broken").expect("a file");
    became(&mut files, File::Refused).await;
    assert_eq!(stored(ask(&handler).await.expect("an answer"))["count"], 9);

    let changed = guest("", "", &plain_answer(AUTOMERGE));
    std::fs::write(&plugin.plugin.path, changed).expect("a file");
    became(&mut files, File::Taken).await;
    assert_eq!(stored(ask(&handler).await.expect("an answer"))["count"], 5);
}

async fn became(files: &mut watch::Receiver<File>, wanted: File) {
    let seen = files.wait_for(|file| *file == wanted);
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    seen.expect("the file is looked at").expect("the handler");
}
