//! `type = "lambda"`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::secret::{Secret, pattern, url};
use crate::auth::lambda::wasm::Component;
use crate::auth::lambda::{self, LambdaSettings};
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

/// What the function is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    http: Option<String>,
    authorization: Option<String>,
    authorization_env: Option<String>,
    authorization_file: Option<PathBuf>,
    wasm: Option<PathBuf>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    grant: Vec<Grant>,
    time_ms: Option<u64>,
    memory_mb: Option<u64>,
}

/// What a component may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Grant {
    Clock,
}

impl Target {
    fn read(self, place: &str) -> Result<lambda::Target, ConfigError> {
        let secret = Secret {
            place: &format!("{place}.target.authorization"),
            value: self.authorization.as_deref(),
            variable: self.authorization_env.as_deref(),
            file: self.authorization_file.as_deref(),
        };
        let secret = secret.read()?;
        let of_component = !self.config.is_empty()
            || !self.grant.is_empty()
            || self.time_ms.or(self.memory_mb).is_some();
        match (self.http, self.wasm) {
            (Some(http), None) if !of_component => Ok(lambda::Target::Http {
                url: url(place, "target.http", http)?,
                secret,
            }),
            (None, Some(path)) if secret.is_none() => {
                let mut component = Component::at(&path);
                component.settings = self.config;
                component.clock = self.grant.contains(&Grant::Clock);
                let limits = &mut component.limits;
                if let Some(time) = self.time_ms {
                    limits.time = Duration::from_millis(bounded(place, "time_ms", time, 5_000)?);
                }
                if let Some(memory) = self.memory_mb {
                    let bytes = bounded(place, "memory_mb", memory, 1_024)? << 20;
                    limits.memory = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                Ok(lambda::Target::Wasm(component))
            }
            _ => Err(ConfigError(format!(
                "{place}.target is either {{ http = \"https://…\" }}, with authorization, authorization_env or \
                 authorization_file, or {{ wasm = \"authorizer.wasm\" }}, with config, grant, time_ms and memory_mb"
            ))),
        }
    }
}

fn bounded(place: &str, name: &str, value: u64, most: u64) -> Result<u64, ConfigError> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError(format!(
        "{place}.target.{name} is between 1 and {most}"
    )))
}

pub(super) fn read(place: &str, authorizer: Authorizer) -> Result<LambdaSettings, ConfigError> {
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
        target: authorizer.target.read(place)?,
        token: token.transpose()?,
        ttl: authorizer.ttl_seconds,
        patience: Duration::from_millis(patience),
        principal: authorizer.principal_key,
    })
}
