//! The example plugins: what they make of conflicts, and that what is committed was made of its sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use driftless::config::Plugin;
use driftless::conflict::wasm::WasmHandler;
use driftless::conflict::wasm::sandbox::Sandbox;
use driftless_conflict_handlers::{Decision, External, Recorded};
use serde_json::{Value, json};

use crate::support::components::encoded;

const GUESTS: [&str; 2] = ["stock-counter", "text-merge"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/conflict-plugins")
}

/// The committed component of an example.
pub(super) fn component(name: &str) -> PathBuf {
    folder().join(format!("{name}.wasm"))
}

/// Opening compiles, which takes a while in a build for debugging.
async fn open(name: &str, settings: &[(&str, &str)]) -> WasmHandler {
    let mut plugin = Plugin::at(component(name));
    let settings = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    plugin.settings = BTreeMap::from_iter(settings);
    plugin.time = Duration::from_secs(5);
    let sandbox = Sandbox::new().expect("a sandbox");
    let handler = WasmHandler::open(&sandbox, &plugin).await;
    handler.expect("a handler")
}

async fn decide(handler: &WasmHandler, conflict: Value) -> Decision {
    let recorded: Recorded = serde_json::from_value(conflict).expect("a conflict");
    let replay = recorded.replay();
    let conflict = replay.conflict();
    let resolution = handler.resolve(&conflict, Duration::from_secs(8)).await;
    resolution.expect("an answer").decision
}

fn document(decision: Decision) -> Value {
    match decision {
        Decision::Replace(fields) => fields.into(),
        other => panic!("no document: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_counter_adds_counts_up_and_merges_the_rest() {
    let conflict = json!({
        "model": "Product",
        "clientVersion": 1,
        "base": {"fields": {"id": "p", "name": "Cup", "count": 100}, "version": 1},
        "stored": {"fields": {"id": "p", "name": "Mug", "count": 97}, "version": 4},
        "incoming": {"name": "Cup", "count": 99, "note": "sold one"},
        "types": {"id": "ID!", "name": "String", "count": "Int", "note": "String"},
    });
    let expected = json!({"id": "p", "name": "Mug", "count": 96, "note": "sold one"});
    let handler = open("stock-counter", &[("fields", "count")]).await;
    assert_eq!(document(decide(&handler, conflict.clone()).await), expected);

    let mut blind = conflict;
    blind["base"] = Value::Null;
    let refused = decide(&handler, blind).await;
    assert!(matches!(refused, Decision::Reject(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_keep_the_lines_of_everybody() {
    let handler = open("text-merge", &[("fields", "text")]).await;
    for (base, stored, sent, expected) in [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb\nc", "a\nb\nC", "A\nb\nc", "A\nb\nC"),
        ("a\nb", "a\nx\nb", "a\nb\ny", "a\nx\nb\ny"),
        ("a", "b", "c", "b\nc"),
        ("a\nb", "a\nb", "a", "a"),
        ("", "x", "y", "x\ny"),
    ] {
        let conflict = json!({
            "model": "Note",
            "clientVersion": 1,
            "base": {"fields": {"id": "n", "text": base}, "version": 1},
            "stored": {"fields": {"id": "n", "text": stored}, "version": 2},
            "incoming": {"text": sent},
            "types": {"id": "ID!", "text": "String"},
        });
        let merged = document(decide(&handler, conflict).await);
        assert_eq!(merged["text"], expected, "{base:?} {stored:?} {sent:?}");
    }
}

/// Where the compiler has the target; elsewhere the committed components are taken as they are. `DRIFTLESS_TEST_UPDATE=1`
/// writes them.
#[test]
fn the_committed_components_are_what_their_sources_make() {
    const TARGET: &str = "wasm32-unknown-unknown";
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    if !installed.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).contains(TARGET)) {
        println!("the target {TARGET} is not installed: the committed components are not compared");
        return;
    }
    let sources = folder().join("rust");
    let sources = sources.canonicalize().expect("the sources");
    let root = sources.ancestors().nth(3).expect("the repository");
    let target = root.join("target/conflict-plugins");
    let cargo_home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .expect("cargo's folder");
    // Panics name the files they happen in, and those lie elsewhere on every machine.
    let flags = format!(
        "--remap-path-prefix={cargo_home}=/cargo --remap-path-prefix={}=/driftless",
        root.display()
    );
    let built = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(&sources)
        .env("RUSTFLAGS", flags)
        .status()
        .expect("cargo runs");
    assert!(built.success());
    for name in GUESTS {
        let file = format!("{TARGET}/release/{}.wasm", name.replace('-', "_"));
        let module = std::fs::read(target.join(file)).expect("a module");
        let made = encoded(&module);
        if std::env::var("DRIFTLESS_TEST_UPDATE").is_ok() {
            std::fs::write(component(name), &made).expect("a component");
        }
        let committed = std::fs::read(component(name)).expect("a committed component");
        assert!(
            made == committed,
            "{name}.wasm is not what its sources make; set DRIFTLESS_TEST_UPDATE=1 to renew it"
        );
    }
}
