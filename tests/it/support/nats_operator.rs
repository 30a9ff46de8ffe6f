//! An operator of NATS servers, and an account and users of it: each vouches for the next by a JWT, as `nsc` makes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account.
pub(crate) struct Operator {
    key: KeyPair,
    account: KeyPair,
}

impl Operator {
    /// A new one.
    pub(crate) fn new() -> Operator {
        Operator {
            key: KeyPair::new_operator(),
            account: KeyPair::new_account(),
        }
    }

    /// What a server is told of it. The account has no more than the nodes of one database need (`docs/nodes.md`).
    pub(crate) fn configuration(&self) -> String {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": 0, "exports": 0, "conn": -1, "leaf": 0,
            "mem_storage": 64 << 20, "disk_storage": 0, "streams": 1, "consumer": -1,
        });
        let vouched = |subject: &KeyPair, what: Value| vouched(&self.key, subject, &what);
        let operator = vouched(&self.key, json!({"type": "operator", "version": 2}));
        let account = json!({"type": "account", "version": 2, "limits": limits});
        let account = vouched(&self.account, account);
        let system = KeyPair::new_account();
        let system_jwt = vouched(&system, json!({"type": "account", "version": 2}));
        let (id, system) = (self.account.public_key(), system.public_key());
        format!(
            "operator: {operator}\nresolver: MEMORY\nsystem_account: {system}\n\
             resolver_preload: {{ {id}: {account}, {system}: {system_jwt} }}\n"
        )
    }

    /// The `.creds` file of a new user, and the seed in it.
    pub(crate) fn user(&self) -> (String, String) {
        let user = KeyPair::new_user();
        let rights = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": {"allow": ["*", "$JS.API.>"]}, "sub": {"allow": ["_INBOX.>"]},
        });
        let jwt = vouched(&self.account, &user, &rights);
        let seed = user.seed().expect("a key pair");
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        (creds, seed)
    }
}

/// What one says of another.
fn vouched(issuer: &KeyPair, subject: &KeyPair, what: &Value) -> String {
    let (from, of) = (issuer.public_key(), subject.public_key());
    let claims =
        json!({"jti": "A", "iat": 1_700_000_000, "iss": from, "name": of, "sub": of, "nats": what});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let text = format!("{head}.{}", part(&claims));
    let signature = issuer.sign(text.as_bytes()).expect("a key pair");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
