//! `[auth]` in the file: providers by name, secrets by reference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_conflict_handlers::Timestamp;
use driftless_resolvers::identity::{AuthMode, IamIdentity};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::rules::Rules;
use super::{ConfigError, environment};
use crate::auth::api_key::KeySetting;
use crate::auth::iam::{ACCOUNT, IamSettings, Principal};
use crate::auth::settings::{Settings, TokenSettings};
use crate::auth::token::Kind;
use crate::auth::token::claims::{Demands, same_issuer};
use crate::auth::token::issuer::User;
use crate::auth::token::keys::Place;

/// How far clocks may differ unless told otherwise (`errata.md` 1, last paragraph).
const LEEWAY_S: u32 = 60;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    default: Option<String>,
    providers: BTreeMap<String, Provider>,
    users: BTreeMap<String, UserSection>,
    blocked: Vec<String>,
    leeway_s: Option<u32>,
    pub(super) rules: Rules,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Provider {
    ApiKey {
        #[serde(default)]
        keys: Vec<Key>,
        keys_file: Option<PathBuf>,
    },
    UserPool(Pool),
    Oidc(Issuer),
    Iam(Signers),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Key {
    Plain(String),
    Described(DescribedKey),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedKey {
    value: Option<String>,
    value_env: Option<String>,
    value_file: Option<PathBuf>,
    sha256: Option<String>,
    expires: Option<toml::Value>,
}

/// A Cognito user pool, or what speaks like one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    issuer: Option<String>,
    region: Option<String>,
    pool_id: Option<String>,
    jwks_url: Option<String>,
    client_id_regex: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    issuer: String,
    jwks_url: Option<String>,
    client_id_regex: Option<String>,
    iat_ttl_ms: Option<u32>,
    auth_ttl_ms: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signers {
    region: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    principals: Vec<Signer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signer {
    access_key: String,
    secret: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    session_token: Option<String>,
    kind: SignerKind,
    role: Option<String>,
    account_id: Option<String>,
    identity_id: Option<String>,
    identity_pool_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SignerKind {
    /// A signed-in user of an identity pool.
    Authenticated,
    /// A guest of an identity pool.
    Unauthenticated,
    /// People who administer.
    Admin,
    /// Another service.
    Service,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UserSection {
    sub: Option<String>,
    groups: Vec<String>,
    claims: Map<String, Value>,
}

/// A secret, or where it is.
pub(super) struct Secret<'a> {
    pub(super) place: &'a str,
    pub(super) value: Option<&'a str>,
    pub(super) variable: Option<&'a str>,
    pub(super) file: Option<&'a Path>,
}

impl Secret<'_> {
    /// The secret, from the one place that is named; `None` if none is.
    pub(super) fn read(&self) -> Result<Option<String>, ConfigError> {
        let place = self.place;
        match (self.value, self.variable, self.file) {
            (None, None, None) => Ok(None),
            (Some(value), None, None) => Ok(Some(value.to_owned())),
            (None, Some(name), None) => environment::variable(name).map(Some).ok_or_else(|| {
                ConfigError(format!(
                    "{place}: the environment variable {name} is not set"
                ))
            }),
            (None, None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ConfigError(format!("{place}: cannot read {}: {error}", path.display()))
                })?;
                Ok(Some(text.trim().to_owned()))
            }
            _ => Err(ConfigError(format!(
                "{place} is given more than once; keep one of the value, its …_env and its …_file"
            ))),
        }
    }
}

/// Lays the section over the settings.
pub(super) fn apply(settings: &mut Settings, auth: Auth) -> Result<(), ConfigError> {
    let leeway = i64::from(auth.leeway_s.unwrap_or(LEEWAY_S)) * 1_000;
    let mut modes: BTreeMap<String, AuthMode> = BTreeMap::new();
    for (name, provider) in auth.providers {
        let place = format!("auth.providers.{name}");
        let mode = match provider {
            Provider::ApiKey { keys, keys_file } => {
                let found = read_keys(&place, keys, keys_file.as_deref())?;
                settings.api_keys.get_or_insert_default().extend(found);
                AuthMode::ApiKey
            }
            Provider::UserPool(pool) => {
                add_issuer(settings, &place, user_pool(&place, pool, leeway)?)?;
                AuthMode::UserPool
            }
            Provider::Oidc(issuer) => {
                add_issuer(settings, &place, oidc(&place, issuer, leeway)?)?;
                AuthMode::Oidc
            }
            Provider::Iam(signers) => {
                if settings.iam.is_some() {
                    let text =
                        "signatures are configured already; put all principals into one provider";
                    return Err(ConfigError(format!("{place}: {text}")));
                }
                settings.iam = Some(iam(&place, signers)?);
                AuthMode::Iam
            }
        };
        modes.insert(name, mode);
    }
    if let Some(name) = auth.default {
        settings.default = Some(default(&name, &modes)?);
    }
    let modes = settings.modes();
    if settings.default.is_none() && modes.len() > 1 {
        return Err(ConfigError(
            "there are several ways to authenticate: name the provider of the default one, as in\n\
             [auth]\ndefault = \"NAME\""
                .to_owned(),
        ));
    }
    settings.blocked.extend(auth.blocked);
    let users = auth.users.into_iter().map(|(name, user)| {
        let described = User {
            name: name.clone(),
            subject: user.sub,
            groups: user.groups,
            claims: user.claims,
        };
        (name, described)
    });
    settings.users.extend(users);
    Ok(())
}

fn default(name: &str, modes: &BTreeMap<String, AuthMode>) -> Result<AuthMode, ConfigError> {
    modes.get(name).copied().ok_or_else(|| {
        let known: Vec<&str> = modes.keys().map(String::as_str).collect();
        ConfigError(format!(
            "auth.default names the provider \"{name}\", which is not configured; configured are: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })
}

fn read_keys(
    place: &str,
    keys: Vec<Key>,
    file: Option<&Path>,
) -> Result<Vec<KeySetting>, ConfigError> {
    let mut found = Vec::new();
    for key in keys {
        found.push(match key {
            Key::Plain(text) => plain_key(place, &text)?,
            Key::Described(described) => described_key(place, &described)?,
        });
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("{place}: cannot read {}: {error}", path.display()))
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines {
            found.push(plain_key(place, line)?);
        }
    }
    Ok(found)
}

fn plain_key(place: &str, text: &str) -> Result<KeySetting, ConfigError> {
    KeySetting::plain(text).map_err(|error| ConfigError(format!("{place}: {error}")))
}

fn described_key(place: &str, key: &DescribedKey) -> Result<KeySetting, ConfigError> {
    let secret = Secret {
        place: &format!("{place}.keys"),
        value: key.value.as_deref(),
        variable: key.value_env.as_deref(),
        file: key.value_file.as_deref(),
    };
    let setting = match (secret.read()?, &key.sha256) {
        (Some(text), None) => plain_key(place, &text)?,
        (None, Some(digest)) => {
            KeySetting::hashed(digest).map_err(|error| ConfigError(format!("{place}: {error}")))?
        }
        _ => {
            let text = "a key has one of value, value_env, value_file and sha256";
            return Err(ConfigError(format!("{place}: {text}")));
        }
    };
    let expires = key.expires.as_ref().map(|value| time(place, value));
    Ok(setting.until(expires.transpose()?))
}

/// A time: TOML's own, RFC 3339 in a text, or seconds since 1970 as AppSync has it.
fn time(place: &str, value: &toml::Value) -> Result<Timestamp, ConfigError> {
    let wrong = || {
        let text = "expires is a time like 2027-01-01T00:00:00Z, or seconds since 1970";
        ConfigError(format!("{place}: {text}"))
    };
    let text = match value {
        toml::Value::Integer(seconds) => return Ok(Timestamp(seconds.saturating_mul(1_000))),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::String(text) => text.clone(),
        _ => return Err(wrong()),
    };
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(Timestamp(time.as_millisecond()))
}

fn user_pool(place: &str, pool: Pool, leeway: i64) -> Result<TokenSettings, ConfigError> {
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

fn oidc(place: &str, provider: Issuer, leeway: i64) -> Result<TokenSettings, ConfigError> {
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

fn pattern_of_all(place: &str, key: &str, pattern: &str) -> Result<Regex, ConfigError> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| ConfigError(format!("{place}.{key} is no pattern: {error}")))
}

fn url(place: &str, key: &str, text: String) -> Result<String, ConfigError> {
    let good = url::Url::parse(&text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if good {
        return Ok(text);
    }
    Err(ConfigError(format!(
        "{place}.{key} is a URL like https://auth.example.org, not \"{text}\""
    )))
}

fn iam(place: &str, signers: Signers) -> Result<IamSettings, ConfigError> {
    let principals = signers.principals.into_iter();
    let principals: Vec<Principal> = principals
        .map(|signer| principal(place, signer))
        .collect::<Result<_, _>>()?;
    for (index, principal) in principals.iter().enumerate() {
        let key = &principal.identity.access_key;
        let mut others = principals[..index].iter();
        if others.any(|other| other.identity.access_key == *key) {
            return Err(ConfigError(format!(
                "{place}: the access key {key} is there twice"
            )));
        }
    }
    Ok(IamSettings {
        region: signers.region,
        hosts: signers.hosts,
        principals,
    })
}

fn principal(place: &str, signer: Signer) -> Result<Principal, ConfigError> {
    let place = format!("{place}.principals.{}", signer.access_key);
    let secret = Secret {
        place: &place,
        value: signer.secret.as_deref(),
        variable: signer.secret_env.as_deref(),
        file: signer.secret_file.as_deref(),
    };
    let secret = secret.read()?.filter(|secret| !secret.is_empty());
    let secret = secret.ok_or_else(|| {
        let text = "a principal has a secret: secret_env, secret_file or secret";
        ConfigError(format!("{place}: {text}"))
    })?;
    let key = signer.access_key;
    let (role, session) = match signer.kind {
        SignerKind::Authenticated => ("authRole", "CognitoIdentityCredentials"),
        SignerKind::Unauthenticated => ("unauthRole", "CognitoIdentityCredentials"),
        SignerKind::Admin => ("admin", key.as_str()),
        SignerKind::Service => ("service", key.as_str()),
    };
    let account = signer.account_id.as_deref().unwrap_or(ACCOUNT);
    let role = signer.role.as_deref().unwrap_or(role);
    let user_arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
    let authenticated = match signer.kind {
        SignerKind::Authenticated => Some(true),
        SignerKind::Unauthenticated => Some(false),
        SignerKind::Admin | SignerKind::Service => None,
    };
    // Whoever comes from an identity pool has an identity in it; without one a caller counts as a service.
    let of_pool = |given: Option<String>, made: &str| {
        given.or_else(|| authenticated.map(|_| format!("local:{made}")))
    };
    Ok(Principal {
        secret,
        session_token: signer.session_token,
        identity: Arc::new(IamIdentity {
            account_id: account.to_owned(),
            user_arn,
            username: key.clone(),
            identity_id: of_pool(signer.identity_id, &key),
            identity_pool_id: of_pool(signer.identity_pool_id, "pool"),
            authenticated,
            access_key: key,
        }),
    })
}

fn add_issuer(
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
