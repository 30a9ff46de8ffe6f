//! Page tokens in the wrong hands.

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driftless_resolvers::page::Sealer;
use serde_json::{Value, json};

use crate::support::rig::Verdict;

/// A way to carry a cursor through a client.
trait Carrier {
    fn seal(&self, purpose: &str, content: &Value) -> String;
    fn open(&self, purpose: &str, token: &str) -> Option<Value>;
}

impl Carrier for Sealer {
    fn seal(&self, purpose: &str, content: &Value) -> String {
        Sealer::seal(self, purpose, content)
    }

    fn open(&self, purpose: &str, token: &str) -> Option<Value> {
        Sealer::open(self, purpose, token)
    }
}

/// Naive: readable and unprotected.
struct Plain;

impl Carrier for Plain {
    fn seal(&self, purpose: &str, content: &Value) -> String {
        URL_SAFE_NO_PAD.encode(json!([purpose, content]).to_string())
    }

    fn open(&self, purpose: &str, token: &str) -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let parts: Value = serde_json::from_slice(&bytes).ok()?;
        (parts[0] == purpose).then(|| parts[1].clone())
    }
}

/// Naive: sealed, but good for any question of anybody.
struct Unbound(Sealer);

impl Carrier for Unbound {
    fn seal(&self, _purpose: &str, content: &Value) -> String {
        self.0.seal("", content)
    }

    fn open(&self, _purpose: &str, token: &str) -> Option<Value> {
        self.0.open("", token)
    }
}

/// Section 6.5, `errata.md` row 18. Opens for its own question only, also after a restart; shows and gives way to nothing.
fn tokens_are_safe(carrier: &dyn Carrier, restarted: &dyn Carrier) -> Verdict {
    let question = |model: &str, filter: &str, who: &str| format!("sync|{model}|{filter}|{who}");
    let own = question("Post", "{}", "k1");
    let cursor = json!({"key": "[\"secret\"]", "startedAt": 1});
    let token = carrier.seal(&own, &cursor);
    for opened in [carrier.open(&own, &token), restarted.open(&own, &token)] {
        ensure!(opened.as_ref() == Some(&cursor), "opened as {opened:?}");
    }
    for other in [
        question("Comment", "{}", "k1"),
        question("Post", "{\"a\":1}", "k1"),
        question("Post", "{}", "k2"),
    ] {
        ensure!(
            carrier.open(&other, &token).is_none(),
            "it opens for {other}"
        );
    }
    let bytes = URL_SAFE_NO_PAD.decode(&token)?;
    let shown = String::from_utf8_lossy(&bytes).contains("secret");
    ensure!(!shown, "it shows what it holds");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = carrier.open(&own, &URL_SAFE_NO_PAD.encode(changed));
        ensure!(opened.is_none(), "changed at {at} it opens as {opened:?}");
    }
    Ok(())
}

#[test]
fn t33_a_token_is_good_for_its_own_question_only() {
    let sealer = || Sealer::new([7; 32]);
    tokens_are_safe(&sealer(), &sealer()).expect("safe tokens");
}

#[test]
fn t33_notices_tokens_that_are_not_sealed_or_not_bound() {
    assert!(tokens_are_safe(&Plain, &Plain).is_err());
    let unbound = || Unbound(Sealer::new([7; 32]));
    assert!(tokens_are_safe(&unbound(), &unbound()).is_err());
}
