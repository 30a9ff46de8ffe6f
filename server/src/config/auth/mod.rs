//! `[auth]` in the file: providers by name, secrets by reference.

mod authorizer;
mod issuers;
mod keys;
mod secret;
mod signers;

use std::collections::BTreeMap;
use std::path::PathBuf;

use driftless_resolvers::authz;
use driftless_resolvers::identity::AuthMode;
use serde::Deserialize;
use serde_json::{Map, Value};

use secret::Secret;

use super::ConfigError;
use super::rules::Rules;
use crate::auth::settings::Settings;
use crate::auth::token::issuer::User;

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
    pub(super) introspection: Option<bool>,
    pub(super) rules: Rules,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Provider {
    ApiKey {
        #[serde(default)]
        keys: Vec<keys::Key>,
        keys_file: Option<PathBuf>,
    },
    UserPool(issuers::Pool),
    Oidc(issuers::Issuer),
    Iam(signers::Signers),
    Lambda(authorizer::Authorizer),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UserSection {
    sub: Option<String>,
    groups: Vec<String>,
    claims: Map<String, Value>,
}

/// `[admin]`: what operators show.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    secret: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
}

/// Shorter secrets can be guessed.
const SHORTEST_SECRET: usize = 16;

impl Admin {
    pub(super) fn secret(&self) -> Result<Option<super::Secret>, ConfigError> {
        let secret = Secret {
            place: "admin.secret",
            value: self.secret.as_deref(),
            variable: self.secret_env.as_deref(),
            file: self.secret_file.as_deref(),
        };
        let Some(secret) = secret.read()? else {
            return Ok(None);
        };
        if secret.len() < SHORTEST_SECRET {
            return Err(ConfigError(format!(
                "admin.secret has at least {SHORTEST_SECRET} characters"
            )));
        }
        Ok(Some(super::Secret(secret)))
    }
}

/// Lays the section over the settings.
pub(super) fn apply(
    settings: &mut Settings,
    authz: &mut authz::Settings,
    auth: Auth,
) -> Result<(), ConfigError> {
    let leeway = i64::from(auth.leeway_s.unwrap_or(LEEWAY_S)) * 1_000;
    let mut modes: BTreeMap<String, AuthMode> = BTreeMap::new();
    let mut closed = None;
    for (name, provider) in auth.providers {
        let place = format!("auth.providers.{name}");
        let mode = match provider {
            Provider::ApiKey {
                keys: listed,
                keys_file,
            } => {
                let found = keys::read(&place, listed, keys_file.as_deref())?;
                settings.api_keys.get_or_insert_default().extend(found);
                AuthMode::ApiKey
            }
            Provider::UserPool(pool) => {
                if pool.denies() {
                    closed = Some((place.clone(), name.clone()));
                }
                issuers::add(settings, &place, issuers::user_pool(&place, pool, leeway)?)?;
                AuthMode::UserPool
            }
            Provider::Oidc(issuer) => {
                issuers::add(settings, &place, issuers::oidc(&place, issuer, leeway)?)?;
                AuthMode::Oidc
            }
            Provider::Iam(signers) => {
                if settings.iam.is_some() {
                    let text =
                        "signatures are configured already; put all principals into one provider";
                    return Err(ConfigError(format!("{place}: {text}")));
                }
                settings.iam = Some(signers::read(&place, signers)?);
                AuthMode::Iam
            }
            Provider::Lambda(authorizer) => {
                if settings.lambda.is_some() {
                    let text = "there is an authorizer already; an API has one at most";
                    return Err(ConfigError(format!("{place}: {text}")));
                }
                settings.lambda = Some(authorizer::read(&place, authorizer)?);
                AuthMode::Lambda
            }
        };
        modes.insert(name, mode);
    }
    let default_name = auth.default;
    if let Some(name) = &default_name {
        settings.default = Some(default(name, &modes)?);
    }
    let is_default = |name: &str| match &default_name {
        Some(default) => default == name,
        None => modes.len() == 1,
    };
    if let Some((place, name)) = closed {
        if !is_default(&name) {
            let text = "default_action is for the pool that is the default provider";
            return Err(ConfigError(format!("{place}: {text}")));
        }
        authz.closes_unnamed = true;
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
