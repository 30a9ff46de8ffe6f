//! Tokens of Cognito user pools and of other OpenID Connect issuers (`auth` 1.3).

pub mod claims;
mod crypto;
pub mod issuer;
pub mod keys;

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::identity::{AuthMode, Identity, TokenIdentity};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::Rejection;
use super::recall::{Recall, fingerprint};
use claims::{Demands, same_issuer};
use keys::{KeySet, NoKey};

/// Larger tokens are not looked at. Headers of servers and proxies hold no more.
const LARGEST: usize = 16 * 1024;

/// Whose tokens a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Cognito user pool: id tokens and access tokens.
    UserPool,
    /// Any other OpenID Connect issuer.
    Oidc,
}

impl Kind {
    /// The mode it is one of.
    #[must_use]
    pub fn mode(self) -> AuthMode {
        match self {
            Kind::UserPool => AuthMode::UserPool,
            Kind::Oidc => AuthMode::Oidc,
        }
    }

    /// What an issuer of this kind may sign with.
    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Kind::UserPool => &[Algorithm::RS256],
            Kind::Oidc => &crypto::KNOWN,
        }
    }
}

/// The issuer that a text claims to be a token of; `None` if it is no token at all. Nothing of it is true yet.
#[must_use]
pub fn claimed_issuer(text: &str) -> Option<String> {
    if text.len() > LARGEST {
        return None;
    }
    let mut parts = text.split('.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let signature = parts.next()?;
    if parts.next().is_some() || signature.len() > LARGEST {
        return None;
    }
    let object = |part: &str| -> Option<Map<String, Value>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    object(header)?.get("alg")?.as_str()?;
    let issuer = object(payload)?.remove("iss");
    Some(match issuer {
        Some(Value::String(issuer)) => issuer,
        _ => String::new(),
    })
}

/// One issuer whose tokens are taken.
#[derive(Debug)]
pub struct TokenProvider {
    demands: Demands,
    algorithms: Vec<Algorithm>,
    keys: Arc<KeySet>,
    clock: Clocked,
    verified: Recall<Arc<TokenIdentity>>,
}

/// A clock that can be shown.
struct Clocked(Arc<dyn Clock>);

impl std::fmt::Debug for Clocked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl TokenProvider {
    /// Takes the tokens of an issuer that meet these demands.
    #[must_use]
    pub fn new(demands: Demands, keys: Arc<KeySet>, clock: Arc<dyn Clock>) -> Self {
        let algorithms = match keys.place() {
            keys::Place::Fixed(_) => vec![issuer::ALGORITHM],
            keys::Place::Url(_) | keys::Place::Discovered(_) => demands.kind.algorithms().to_vec(),
        };
        TokenProvider {
            demands,
            algorithms,
            keys,
            clock: Clocked(clock),
            verified: Recall::new(),
        }
    }

    /// Whether it is this issuer's word that counts.
    #[must_use]
    pub fn speaks_for(&self, issuer: &str) -> bool {
        same_issuer(&self.demands.issuer, issuer)
    }

    /// Whose tokens it takes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.demands.kind
    }

    /// The issuer's keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeySet> {
        &self.keys
    }

    /// Who bears this token.
    pub async fn verify(&self, token: &str) -> Result<Identity, Rejection> {
        let of = fingerprint(token);
        if let Some(known) = self.verified.get(&of) {
            let judged = self.demands.judge_time(&known.claims, self.clock.0.now());
            if let Err(rejection) = judged {
                self.verified.forget(&of);
                return Err(rejection);
            }
            return Ok(self.identity(known));
        }
        let claims = self.signed_claims(token).await?;
        self.demands.judge(&claims, self.clock.0.now())?;
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        let bearer = Arc::new(TokenIdentity {
            issuer: text("iss"),
            subject: text("sub"),
            claims,
        });
        self.verified.put(of, Arc::clone(&bearer));
        Ok(self.identity(bearer))
    }

    fn identity(&self, bearer: Arc<TokenIdentity>) -> Identity {
        match self.demands.kind {
            Kind::UserPool => Identity::UserPool(bearer),
            Kind::Oidc => Identity::Oidc(bearer),
        }
    }

    /// The claims, once the signature is known to be the issuer's. Keys and URLs that a token brings along are ignored.
    async fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, Rejection> {
        let header = decode_header(token).map_err(|_| Rejection::Unparsable)?;
        let extended = header.crit.is_some() || header.enc.is_some() || header.zip.is_some();
        if extended || !self.algorithms.contains(&header.alg) {
            return Err(Rejection::Missing);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await;
        let key = key.map_err(|reason| match reason {
            NoKey::Unknown => Rejection::Missing,
            NoKey::Unreachable => Rejection::Unavailable,
        })?;
        let decoded = decode::<Map<String, Value>>(token, &key, &signature_only(header.alg));
        decoded.map(|decoded| decoded.claims).map_err(|error| {
            tracing::debug!(%error, issuer = self.demands.issuer, "a token is refused");
            Rejection::Missing
        })
    }
}

/// The library judges the signature; the claims are judged by [`Demands`], with the server's own clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
