//! Requests signed by configured principals (`auth` 1.6). The signature is computed anew over what arrived; nothing in
//! a request is believed before.

mod authorization;
mod canonical;

use std::collections::HashMap;
use std::sync::Arc;

use driftless_conflict_handlers::Timestamp;
use driftless_resolvers::identity::{IamIdentity, Identity};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use subtle::ConstantTimeEq;

use super::Rejection;
use super::credentials::Presented;
use authorization::Authorization;
pub(super) use authorization::SCHEME;

/// The service that clients sign for.
const SERVICE: &str = "appsync";
/// How far the clocks of signer and server may differ, in milliseconds.
const WINDOW: i64 = 300_000;
/// The account of principals that name none.
pub const ACCOUNT: &str = "000000000000";

/// The configured principals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IamSettings {
    /// The region that clients sign for; any, if `None`.
    pub region: Option<String>,
    /// The names clients know this server by; a name without a port stands for every port.
    pub hosts: Vec<String>,
    /// Who may sign.
    pub principals: Vec<Principal>,
}

/// Who may sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    /// The secret access key.
    pub secret: String,
    /// What has to come along in `x-amz-security-token`.
    pub session_token: Option<String>,
    /// Who it is.
    pub identity: Arc<IamIdentity>,
}

impl std::fmt::Debug for Principal {
    /// Never shows a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Principal")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Verifies signatures.
#[derive(Debug)]
pub struct Iam {
    region: Option<String>,
    hosts: Vec<String>,
    principals: HashMap<String, Principal>,
}

impl Iam {
    /// Verifies signatures of these principals.
    #[must_use]
    pub fn new(settings: &IamSettings) -> Self {
        let principals = settings.principals.iter().cloned();
        Iam {
            region: settings.region.clone(),
            hosts: settings
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            principals: principals
                .map(|principal| (principal.identity.access_key.clone(), principal))
                .collect(),
        }
    }

    /// Whether a principal is configured as it is known.
    #[must_use]
    pub fn has(&self, signer: &IamIdentity) -> bool {
        let known = self.principals.get(&signer.access_key);
        known.is_some_and(|principal| *principal.identity == *signer)
    }

    /// Who signed this.
    pub fn verify(&self, presented: &Presented<'_>, now: Timestamp) -> Result<Identity, Rejection> {
        let header = presented.credentials.authorization.as_deref();
        let authorization = header
            .and_then(Authorization::parse)
            .ok_or(Rejection::BadSignature)?;
        let principal = self.principal(presented, &authorization)?;
        let date = self.scope(presented, &authorization, now)?;
        self.check_host(presented, &authorization)?;
        check_digest(presented)?;
        let matches = presented.signed.paths.iter().any(|path| {
            let names = authorization.signed_headers;
            let request = canonical::request(&presented.signed, path, names, presented.credentials);
            request.is_some_and(|request| {
                let ours = canonical::signature(&principal.secret, &authorization, date, &request);
                bool::from(ours.as_bytes().ct_eq(authorization.signature.as_bytes()))
            })
        });
        if matches {
            return Ok(Identity::Iam(Arc::clone(&principal.identity)));
        }
        Err(Rejection::BadSignature)
    }

    fn principal(
        &self,
        presented: &Presented<'_>,
        authorization: &Authorization<'_>,
    ) -> Result<&Principal, Rejection> {
        let principal = self.principals.get(authorization.access_key);
        let principal = principal.ok_or(Rejection::UnknownSigner)?;
        let sent = presented.credentials.header("x-amz-security-token");
        // An empty token is none: some signers always send the header.
        let sent = sent.filter(|token| !token.is_empty());
        let good = match (sent, principal.session_token.as_deref()) {
            (None, None) => true,
            (Some(sent), Some(wanted)) => bool::from(sent.as_bytes().ct_eq(wanted.as_bytes())),
            _ => false,
        };
        if good {
            return Ok(principal);
        }
        Err(Rejection::UnknownSigner)
    }

    /// The time of the signature, once it and the scope make sense.
    fn scope<'a>(
        &self,
        presented: &Presented<'a>,
        authorization: &Authorization<'_>,
        now: Timestamp,
    ) -> Result<&'a str, Rejection> {
        let date = presented.credentials.header("x-amz-date");
        let date = date.ok_or(Rejection::BadSignature)?;
        let signed = milliseconds(date).ok_or(Rejection::BadSignature)?;
        let region = self.region.as_deref();
        let fits = authorization.signs("x-amz-date")
            && authorization.service == SERVICE
            && region.is_none_or(|region| region == authorization.region)
            && date.starts_with(authorization.date)
            && authorization.date.len() == 8;
        if !fits {
            return Err(Rejection::BadSignature);
        }
        if (now.0 - signed).abs() > WINDOW {
            return Err(Rejection::StaleSignature);
        }
        Ok(date)
    }

    /// A signature is for the server it names, and for no other one that knows the same principals.
    fn check_host(
        &self,
        presented: &Presented<'_>,
        authorization: &Authorization<'_>,
    ) -> Result<(), Rejection> {
        let host = presented.credentials.header("host").unwrap_or_default();
        let host = host.to_ascii_lowercase();
        let known = self
            .hosts
            .iter()
            .any(|known| *known == host || known == without_port(&host));
        if known && authorization.signs("host") {
            return Ok(());
        }
        tracing::debug!(host, "a signature is for a host that is not configured");
        Err(Rejection::BadSignature)
    }
}

/// A digest that comes along must be that of the body, which is signed anyway.
fn check_digest(presented: &Presented<'_>) -> Result<(), Rejection> {
    match presented.credentials.header("x-amz-content-sha256") {
        Some(digest) if digest != canonical::digest(presented.signed.body) => {
            Err(Rejection::BadSignature)
        }
        _ => Ok(()),
    }
}

/// A host's name without its port and without the brackets of an address.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// `YYYYMMDDTHHMMSSZ`.
fn milliseconds(text: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp().as_millisecond())
}
