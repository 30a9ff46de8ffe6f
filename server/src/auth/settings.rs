//! What is configured under `[auth]`, checked (`auth` 8).

use std::collections::BTreeMap;
use std::path::PathBuf;

use driftless_resolvers::identity::AuthMode;

use super::api_key::KeySetting;
use super::iam::IamSettings;
use super::lambda::LambdaSettings;
use super::token::claims::Demands;
use super::token::issuer::User;
use super::token::keys::Place;

/// Every way to prove who one is that this server takes.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The mode of fields that no rule names; the first mode if not told.
    pub default: Option<AuthMode>,
    /// The API keys; `None` if keys are no mode of this server.
    pub api_keys: Option<Vec<KeySetting>>,
    /// User pools and other issuers.
    pub tokens: Vec<TokenSettings>,
    /// Who may sign requests; `None` if signatures are no mode of this server.
    pub iam: Option<IamSettings>,
    /// The authorizer function.
    pub lambda: Option<LambdaSettings>,
    /// Principals that are let in no more, by the name the log gives them.
    pub blocked: Vec<String>,
    /// The key file of the development issuer; only in the local cloud.
    pub development: Option<PathBuf>,
    /// The users that `driftless token` knows.
    pub users: BTreeMap<String, User>,
}

/// One issuer of tokens.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// What its tokens must say.
    pub demands: Demands,
    /// Where its keys are.
    pub keys: Place,
}

impl Settings {
    /// Takes a further API key.
    pub fn add_key(&mut self, key: KeySetting) {
        self.api_keys.get_or_insert_default().push(key);
    }

    /// The configured modes, the default one first. Rules may name these and no others.
    #[must_use]
    pub fn modes(&self) -> Vec<AuthMode> {
        let mut modes: Vec<AuthMode> = self.default.into_iter().collect();
        let mut add = |mode| {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        };
        if self.api_keys.is_some() {
            add(AuthMode::ApiKey);
        }
        for provider in &self.tokens {
            add(provider.demands.kind.mode());
        }
        if self.iam.is_some() {
            add(AuthMode::Iam);
        }
        if self.lambda.is_some() {
            add(AuthMode::Lambda);
        }
        if self.development.is_some() {
            add(AuthMode::UserPool);
            add(AuthMode::Oidc);
        }
        modes
    }
}
