//! Lets in who was invited: a token is `invite:NAME:CODE`, and the configuration lists the codes.
//!
//! ```toml
//! [auth.providers.guests]
//! type = "lambda"
//! token_regex = "^invite:"
//! principal_key = "user"
//! target = { wasm = "invitations.wasm", config = { codes = "alice=7cTq…,bob=Zx0b…", hidden = "Note.secret" } }
//! ```
//!
//! Names in `codes` that end with `*` are hosts: to them nothing is hidden.

wit_bindgen::generate!({ path: "../../../../wit/authorizer", world: "authorizer" });

use driftless::authorizer::host::{Level, config, log};

/// How long a decision may be remembered, in seconds.
const TTL: u32 = 60;

struct Invitations;

export!(Invitations);

impl Guest for Invitations {
    fn init() -> Result<u32, String> {
        match config("codes") {
            Some(_) => Ok(1),
            None => Err("there is no config = { codes = \"NAME=CODE,…\" }".to_owned()),
        }
    }

    fn authorize(request: Request) -> Result<Decision, String> {
        let codes = config("codes").unwrap_or_default();
        let Some((name, is_host)) = invited(&request.token, &codes) else {
            log(Level::Info, "somebody is not invited");
            return Ok(Decision {
                is_authorized: false,
                resolver_context: "{}".to_owned(),
                denied_fields: Vec::new(),
                ttl_override: None,
            });
        };
        let hidden = config("hidden").filter(|_| !is_host);
        Ok(Decision {
            is_authorized: true,
            resolver_context: format!("{{\"user\":\"{name}\",\"host\":{is_host}}}"),
            denied_fields: hidden.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect(),
            ttl_override: Some(TTL),
        })
    }
}

/// Whose invitation a token is, and whether it is a host's.
fn invited<'t>(token: &'t str, codes: &str) -> Option<(&'t str, bool)> {
    let (name, code) = token.strip_prefix("invite:")?.split_once(':')?;
    // It becomes part of a JSON text.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty();
    let mut found = None;
    for (known, wanted) in codes.split(',').filter_map(|entry| entry.split_once('=')) {
        let plain = known.strip_suffix('*');
        if same(wanted.as_bytes(), code.as_bytes()) && plain.unwrap_or(known) == name && is_name {
            found = Some((name, plain.is_some()));
        }
    }
    found
}

/// Compares all of it, whatever differs, so that the time tells nothing.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
