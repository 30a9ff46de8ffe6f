//! The issuer of the local cloud: tokens that look like those of a Cognito user pool or of another issuer, so that every
//! rule can be tried without a further service. Only `driftless dev` takes them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use driftless_conflict_handlers::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Kind;
use super::keys::Place;
use crate::files;

/// What it signs with. `ring` makes no RSA keys, and no client looks at a signature.
pub(super) const ALGORITHM: Algorithm = Algorithm::ES256;
/// The application its tokens are for: `client_id`, `aud`.
pub const CLIENT: &str = "driftless";

/// `iss` of the tokens it makes. The name leads to this machine, whatever port the server has.
#[must_use]
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::UserPool => "http://driftless.localhost/local_user-pool",
        Kind::Oidc => "http://driftless.localhost/oidc",
    }
}

/// The key of the local cloud's issuer.
pub struct DevelopmentIssuer {
    private: EncodingKey,
    id: String,
    public: Value,
}

impl std::fmt::Debug for DevelopmentIssuer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DevelopmentIssuer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Whom a token is for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    /// The name: `username`, `cognito:username`.
    pub name: String,
    /// `sub`; made from the name if not told.
    pub subject: Option<String>,
    /// `cognito:groups`.
    pub groups: Vec<String>,
    /// Further claims; they win over those made here.
    pub claims: Map<String, Value>,
}

/// Which of the two tokens of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// What Amplify's clients send.
    Access,
    /// What tells an application about its user.
    Id,
}

impl DevelopmentIssuer {
    /// The issuer whose key is in this file; the first start makes one.
    pub fn open(path: &Path) -> Result<Self> {
        let pkcs8 = match std::fs::read_to_string(path) {
            Ok(text) => BASE64_STANDARD
                .decode(text.trim())
                .with_context(|| format!("{} holds no key; delete it", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let random = SystemRandom::new();
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                let made = made.map_err(|_| anyhow!("the system gives no random bytes"))?;
                files::write_private(path, &BASE64_STANDARD.encode(made.as_ref()))?;
                made.as_ref().to_vec()
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        DevelopmentIssuer::new(&pkcs8)
            .ok_or_else(|| anyhow!("{} holds no key; delete it", path.display()))
    }

    fn new(pkcs8: &[u8]) -> Option<Self> {
        super::crypto::install();
        let random = SystemRandom::new();
        let scheme = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(scheme, pkcs8, &random).ok()?;
        // Uncompressed: a byte that says so, then both coordinates.
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let id = coordinate(&Sha256::digest(x)[..9]);
        let public = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
            "x": coordinate(x), "y": coordinate(y)});
        Some(DevelopmentIssuer {
            private: EncodingKey::from_ec_der(pkcs8),
            id,
            public,
        })
    }

    /// Its key set, for whoever wants to verify its tokens.
    #[must_use]
    pub fn key_set(&self) -> Value {
        json!({"keys": [self.public]})
    }

    /// Where this server finds its keys: here.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::Fixed(self.key_set())
    }

    /// A token for a user, good for so many seconds from now.
    pub fn token(
        &self,
        kind: Kind,
        user: &User,
        purpose: Use,
        now: Timestamp,
        seconds: i64,
    ) -> Result<String> {
        let mut header = Header::new(ALGORITHM);
        header.kid = Some(self.id.clone());
        let mut claims = claims(kind, user, purpose);
        let now = now.0.div_euclid(1000);
        for (name, value) in [
            ("iat", json!(now)),
            ("auth_time", json!(now)),
            ("exp", json!(now.saturating_add(seconds))),
            ("jti", json!(uuid::Uuid::new_v4().to_string())),
        ] {
            claims.insert(name.to_owned(), value);
        }
        claims.extend(user.claims.clone());
        encode(&header, &claims, &self.private).map_err(|error| anyhow!("no token: {error}"))
    }
}

/// What a user's access token says, the times aside.
#[must_use]
pub fn claims_of(kind: Kind, user: &User) -> Map<String, Value> {
    let mut claims = claims(kind, user, Use::Access);
    claims.extend(user.claims.clone());
    claims
}

/// The claims of a Cognito token, as far as clients and rules look at them.
fn claims(kind: Kind, user: &User, purpose: Use) -> Map<String, Value> {
    let subject = user.subject.clone().unwrap_or_else(|| subject(&user.name));
    let mut claims = Map::new();
    let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    say("sub", subject.into());
    say("iss", name(kind).into());
    match (kind, purpose) {
        (Kind::UserPool, Use::Access) => {
            say("username", user.name.clone().into());
            say("client_id", CLIENT.into());
            say("token_use", "access".into());
            say("scope", "aws.cognito.signin.user.admin".into());
            say("origin_jti", uuid::Uuid::new_v4().to_string().into());
        }
        (Kind::UserPool, Use::Id) => {
            say("cognito:username", user.name.clone().into());
            say("aud", CLIENT.into());
            say("token_use", "id".into());
            say("email", format!("{}@example.com", user.name).into());
            say("email_verified", true.into());
        }
        (Kind::Oidc, Use::Access | Use::Id) => {
            say("username", user.name.clone().into());
            say("aud", CLIENT.into());
            say("azp", CLIENT.into());
        }
    }
    if !user.groups.is_empty() {
        // Rules look here by default, whoever issued the token (`auth` 3.1).
        claims.insert("cognito:groups".to_owned(), json!(user.groups));
    }
    claims
}

/// The same `sub` for the same name, always: records of yesterday still belong to their owner.
fn subject(name: &str) -> String {
    let digest = Sha256::digest(format!("driftless user {name}").as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}
