//! `type = "iam"`.

use std::path::PathBuf;
use std::sync::Arc;

use driftless_resolvers::identity::IamIdentity;
use serde::Deserialize;

use super::secret::Secret;
use crate::auth::iam::{ACCOUNT, IamSettings, Principal};
use crate::config::ConfigError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signers {
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
    allow_fields: Option<Vec<String>>,
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

pub(super) fn read(place: &str, signers: Signers) -> Result<IamSettings, ConfigError> {
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
    let allowed = signer.allow_fields.map(|fields| {
        let fields = fields.iter().map(|field| root_field(&place, field));
        fields.collect::<Result<Vec<_>, _>>()
    });
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
            allowed_fields: allowed.transpose()?,
        }),
    })
}

/// `Query.getNote`, or `Mutation.*` for all of a type's.
fn root_field(place: &str, text: &str) -> Result<(String, String), ConfigError> {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match text.split_once('.') {
        Some((root @ ("Query" | "Mutation" | "Subscription"), field))
            if field == "*" || is_name(field) =>
        {
            Ok((root.to_owned(), field.to_owned()))
        }
        _ => Err(ConfigError(format!(
            "{place}: allow_fields lists fields like Query.getNote, Mutation.createNote or Subscription.*, not {text:?}"
        ))),
    }
}
