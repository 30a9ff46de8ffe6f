//! `type = "user_pool"` and `type = "oidc"`.

use regex::Regex;
use serde::Deserialize;

use super::secret::{pattern_of_all, url};
use crate::auth::settings::{Settings, TokenSettings};
use crate::auth::token::Kind;
use crate::auth::token::claims::{Demands, same_issuer};
use crate::auth::token::keys::Place;
use crate::config::ConfigError;

/// A Cognito user pool, or what speaks like one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    issuer: Option<String>,
    region: Option<String>,
    pool_id: Option<String>,
    jwks_url: Option<String>,
    client_id_regex: Option<String>,
    default_action: Option<DefaultAction>,
}

/// What becomes of fields that neither a rule nor a directive speaks of, in AppSync's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum DefaultAction {
    Allow,
    Deny,
}

impl Pool {
    /// Whether fields that nothing speaks of are closed to its users.
    pub(super) fn denies(&self) -> bool {
        self.default_action == Some(DefaultAction::Deny)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    issuer: String,
    jwks_url: Option<String>,
    client_id_regex: Option<String>,
    iat_ttl_ms: Option<u32>,
    auth_ttl_ms: Option<u32>,
}

pub(super) fn user_pool(
    place: &str,
    pool: Pool,
    leeway: i64,
) -> Result<TokenSettings, ConfigError> {
    let issuer = match (pool.issuer, pool.region, pool.pool_id) {
        (Some(issuer), None, None) => issuer,
        (None, Some(region), Some(id)) => {
            format!("https://cognito-idp.{region}.amazonaws.com/{id}")
        }
        _ => {
            let text = "a user pool has either issuer, or region and pool_id";
            return Err(ConfigError(format!("{place}: {text}")));
        }
    };
    let issuer = url(place, "issuer", issuer)?;
    let base = issuer.strip_suffix('/').unwrap_or(&issuer);
    let keys = match pool.jwks_url {
        Some(keys) => url(place, "jwks_url", keys)?,
        None => format!("{base}/.well-known/jwks.json"),
    };
    Ok(TokenSettings {
        demands: Demands {
            kind: Kind::UserPool,
            issuer,
            audience: audience(place, pool.client_id_regex)?,
            iat_ttl: None,
            auth_ttl: None,
            leeway,
        },
        keys: Place::Url(keys),
    })
}

pub(super) fn oidc(
    place: &str,
    provider: Issuer,
    leeway: i64,
) -> Result<TokenSettings, ConfigError> {
    let issuer = url(place, "issuer", provider.issuer)?;
    let keys = match provider.jwks_url {
        Some(keys) => Place::Url(url(place, "jwks_url", keys)?),
        None => Place::Discovered(issuer.clone()),
    };
    // Zero is no limit, as in AppSync.
    let limit = |ttl: Option<u32>| ttl.filter(|ttl| *ttl > 0).map(i64::from);
    Ok(TokenSettings {
        demands: Demands {
            kind: Kind::Oidc,
            issuer,
            audience: audience(place, provider.client_id_regex)?,
            iat_ttl: limit(provider.iat_ttl_ms),
            auth_ttl: limit(provider.auth_ttl_ms),
            leeway,
        },
        keys,
    })
}

/// The pattern is for the whole name: what only contains an application's id is another application.
fn audience(place: &str, pattern: Option<String>) -> Result<Option<Regex>, ConfigError> {
    pattern
        .map(|pattern| pattern_of_all(place, "client_id_regex", &pattern))
        .transpose()
}

pub(super) fn add(
    settings: &mut Settings,
    place: &str,
    provider: TokenSettings,
) -> Result<(), ConfigError> {
    let issuer = &provider.demands.issuer;
    let mut others = settings.tokens.iter();
    if others.any(|other| same_issuer(&other.demands.issuer, issuer)) {
        return Err(ConfigError(format!(
            "{place}: the issuer {issuer} is configured already; each may be there once"
        )));
    }
    settings.tokens.push(provider);
    Ok(())
}
