//! How long a warm call takes. Run by hand, it measures and asserts nothing that depends on the machine:
//! `cargo test -p driftless-tests --test it -- --ignored --nocapture a_warm_call`.

use std::time::{Duration, Instant};

use driftless_conflict_handlers::{External, Recorded};
use serde_json::json;

use super::examples::open;

const CALLS: u32 = 500;
const LIMIT: Duration = Duration::from_millis(1);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_warm_call_of_the_stock_counter() {
    let handler = open("stock-counter", &[("fields", "count")]).await;
    let recorded: Recorded = serde_json::from_value(json!({
        "model": "Product",
        "clientVersion": 1,
        "base": {"fields": {"id": "p", "name": "Cup", "count": 100}, "version": 1},
        "stored": {"fields": {"id": "p", "name": "Mug", "count": 97}, "version": 4},
        "incoming": {"name": "Cup", "count": 99},
        "types": {"id": "ID!", "name": "String", "count": "Int"},
    }))
    .expect("a conflict");
    let replay = recorded.replay();
    let conflict = replay.conflict();
    let began = Instant::now();
    for _ in 0..CALLS {
        let answer = handler.resolve(&conflict, Duration::from_secs(8)).await;
        answer.expect("an answer");
    }
    let call = began.elapsed() / CALLS;
    let ratio = call.as_secs_f64() / LIMIT.as_secs_f64();
    println!("a warm call takes {call:?}: {ratio:.2} of the limit of {LIMIT:?}");
}
