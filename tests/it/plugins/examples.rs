//! The example plugins: what they make of conflicts, and that what is committed was made of its sources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use driftless::config::Plugin;
use driftless::conflict::wasm::WasmHandler;
use driftless::conflict::wasm::sandbox::Sandbox;
use driftless_conflict_handlers::{Decision, External, Recorded};
use serde_json::{Value, json};

use crate::support::components::{committed, compare};

const FOLDER: &str = "examples/conflict-plugins";

/// The committed component of an example.
pub(super) fn component(name: &str) -> PathBuf {
    committed(FOLDER, name)
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

#[test]
fn the_committed_components_are_what_their_sources_make() {
    compare(FOLDER, &["stock-counter", "text-merge"]);
}
