//! `type = "lambda"`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::secret::{Secret, pattern, url};
use crate::auth::lambda::LambdaSettings;
use crate::config::ConfigError;

/// How long the function may think; native clients wait 5 s on a socket (`errata.md` row 9).
const PATIENCE_MS: u64 = 4_000;
/// AppSync's longest.
const LONGEST_PATIENCE_MS: u64 = 10_000;
/// AppSync's longest.
const LONGEST_TTL_S: u64 = 3_600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authorizer {
    target: Target,
    token_regex: Option<String>,
    #[serde(default)]
    ttl_seconds: u64,
    timeout_ms: Option<u64>,
    principal_key: Option<String>,
}

/// Where the function is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    http: String,
    authorization: Option<String>,
    authorization_env: Option<String>,
    authorization_file: Option<PathBuf>,
}

pub(super) fn read(place: &str, authorizer: Authorizer) -> Result<LambdaSettings, ConfigError> {
    let secret = Secret {
        place: &format!("{place}.target.authorization"),
        value: authorizer.target.authorization.as_deref(),
        variable: authorizer.target.authorization_env.as_deref(),
        file: authorizer.target.authorization_file.as_deref(),
    };
    let secret = secret.read()?;
    let token = authorizer.token_regex;
    let token = token.map(|text| pattern(place, "token_regex", &text));
    if authorizer.ttl_seconds > LONGEST_TTL_S {
        return Err(ConfigError(format!(
            "{place}.ttl_seconds is at most {LONGEST_TTL_S}"
        )));
    }
    let patience = authorizer.timeout_ms.unwrap_or(PATIENCE_MS);
    if !(1..=LONGEST_PATIENCE_MS).contains(&patience) {
        return Err(ConfigError(format!(
            "{place}.timeout_ms is between 1 and {LONGEST_PATIENCE_MS}"
        )));
    }
    Ok(LambdaSettings {
        url: url(place, "target.http", authorizer.target.http)?,
        secret,
        token: token.transpose()?,
        ttl: authorizer.ttl_seconds,
        patience: Duration::from_millis(patience),
        principal: authorizer.principal_key,
    })
}
