//! How long a warm call of a plugin takes: `cargo run --release -p driftless --example plugin_speed [PLUGIN]`.
//!
//! The limit is what a mutation has to spare: a millisecond.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use driftless::config::Plugin;
use driftless::conflict::wasm::WasmHandler;
use driftless::conflict::wasm::sandbox::Sandbox;
use driftless_conflict_handlers::{External, Recorded};
use serde_json::json;

const CALLS: u32 = 2_000;
const LIMIT: Duration = Duration::from_millis(1);
const PLUGIN: &str = "../examples/conflict-plugins/stock-counter.wasm";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let named = std::env::args().nth(1).map(Into::into);
    let path = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(PLUGIN));
    let mut plugin = Plugin::at(path);
    plugin
        .settings
        .insert("fields".to_owned(), "count".to_owned());
    let sandbox = Sandbox::new().map_err(anyhow::Error::msg)?;
    let handler = WasmHandler::open(&sandbox, &plugin)
        .await
        .map_err(anyhow::Error::msg)?;
    let recorded: Recorded = serde_json::from_value(json!({
        "model": "Product",
        "clientVersion": 1,
        "base": {"fields": {"id": "p", "name": "Cup", "count": 100}, "version": 1},
        "stored": {"fields": {"id": "p", "name": "Mug", "count": 97}, "version": 4},
        "incoming": {"name": "Cup", "count": 99},
        "types": {"id": "ID!", "name": "String", "count": "Int"},
    }))?;
    let replay = recorded.replay();
    let conflict = replay.conflict();
    let began = Instant::now();
    for _ in 0..CALLS {
        let answer = handler.resolve(&conflict, Duration::from_secs(8)).await;
        anyhow::ensure!(answer.is_ok(), "the plugin fails: {:?}", answer.err());
    }
    let call = began.elapsed() / CALLS;
    let ratio = call.as_secs_f64() / LIMIT.as_secs_f64();
    println!("a warm call takes {call:.1?}: {ratio:.2} of the limit of {LIMIT:?}");
    Ok(())
}
