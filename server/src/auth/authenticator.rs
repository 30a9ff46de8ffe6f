//! The configured modes, in the order in which a credential is looked at (`auth` 1.2).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use driftless_conflict_handlers::Timestamp;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::identity::{Caller, Identity};
use tokio_util::sync::CancellationToken;

use super::api_key::ApiKeys;
use super::credentials::Presented;
use super::documents::Documents;
use super::iam::{self, Iam};
use super::lambda::{Lambda, LambdaSettings};
use super::roster::{Roster, Seat};
use super::settings::{Settings, TokenSettings};
use super::token::claims::Demands;
use super::token::issuer::{self, DevelopmentIssuer};
use super::token::keys::KeySet;
use super::token::{Kind, TokenProvider, claimed_issuer};

/// How far the clocks of the local cloud and of its own issuer differ.
const NO_LEEWAY: i64 = 0;

/// Why nobody is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// No credential in a form this API knows, or a token that is none of a configured issuer.
    Missing,
    /// A signature, but signatures are no mode of this API.
    Signature,
    /// A text that is no token, where tokens are asked for.
    Unparsable,
    /// A token that was good once.
    Expired,
    /// A credential that is not good.
    Refused,
    /// A signature that is not the one this request has.
    BadSignature,
    /// A signature of another time.
    StaleSignature,
    /// A signer, or a session, that is not configured.
    UnknownSigner,
    /// Whoever could tell cannot be asked now.
    Unavailable,
}

/// What the authenticator works with besides its settings.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Key sets of issuers.
    pub documents: Arc<dyn Documents>,
}

/// Recognises callers. The modes can be replaced while requests run.
pub struct Authenticator {
    world: World,
    modes: RwLock<Arc<Modes>>,
    roster: Arc<Roster>,
}

/// The modes of one configuration.
struct Modes {
    keys: Option<ApiKeys>,
    tokens: Vec<TokenProvider>,
    iam: Option<Iam>,
    lambda: Option<Lambda>,
    blocked: HashSet<String>,
}

impl Authenticator {
    /// Takes what the settings say.
    pub fn new(settings: &Settings, world: World) -> anyhow::Result<Self> {
        let modes = Modes::new(settings, &world, &[])?;
        Ok(Authenticator {
            world,
            modes: RwLock::new(Arc::new(modes)),
            roster: Arc::default(),
        })
    }

    /// Takes other settings from now on. Keys of issuers that stay are kept; connections of principals that are let in
    /// no more are ended, all others go on.
    pub fn replace(&self, settings: &Settings) -> anyhow::Result<()> {
        let key_sets = self.key_sets();
        let modes = Modes::new(settings, &self.world, &key_sets)?;
        *self.modes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(modes);
        let ended = self.roster.end(|identity| !self.still_admits(identity));
        tracing::info!(ended, "authorization is configured anew");
        Ok(())
    }

    /// The key sets of all issuers.
    #[must_use]
    pub fn key_sets(&self) -> Vec<Arc<KeySet>> {
        let providers = &self.modes().tokens;
        providers
            .iter()
            .map(|provider| Arc::clone(provider.keys()))
            .collect()
    }

    /// Who calls. A credential that was classified and refused is never tried as another mode.
    pub async fn authenticate(&self, presented: &Presented<'_>) -> Result<Identity, Rejection> {
        let modes = self.modes();
        let found = modes.recognise(presented, self.world.clock.now()).await;
        let judged = found.and_then(|identity| {
            if modes.blocks(&identity) {
                return Err(Rejection::Refused);
            }
            Ok(identity)
        });
        match &judged {
            Ok(identity) => tracing::debug!(mode = ?identity.mode(), "a caller is recognised"),
            Err(rejection) => tracing::debug!(?rejection, "a caller is not recognised"),
        }
        judged
    }

    /// Who calls, with what.
    pub async fn caller(&self, presented: &Presented<'_>) -> Result<Caller, Rejection> {
        let agents = &presented.credentials.agents;
        Ok(Caller {
            identity: self.authenticate(presented).await?,
            family: agents.family(),
            datastore: agents.datastore(),
            repeats: false,
        })
    }

    /// Whether somebody who was recognised before would not be turned away now. Expiry alone turns nobody away.
    #[must_use]
    pub fn still_admits(&self, identity: &Identity) -> bool {
        let modes = self.modes();
        modes.knows(identity) && !modes.blocks(identity)
    }

    /// Notes that somebody stays connected, until the token is cancelled; `None` if it may not any more.
    #[must_use]
    pub fn seat(&self, identity: &Identity, end: &CancellationToken) -> Option<Seat> {
        let seat = self.roster.take(identity.clone(), end.clone());
        // Asked after the seat is taken, so that no change falls between.
        self.still_admits(identity).then_some(seat)
    }

    /// Ends the connections of a principal; how many there were.
    pub fn disconnect(&self, principal: &str) -> usize {
        self.roster
            .end(|identity| identity.principal() == principal)
    }

    /// How often each principal is connected.
    #[must_use]
    pub fn principals(&self) -> BTreeMap<String, usize> {
        self.roster.principals()
    }

    fn modes(&self) -> Arc<Modes> {
        let modes = self.modes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&modes)
    }
}

impl Modes {
    fn new(settings: &Settings, world: &World, known: &[Arc<KeySet>]) -> anyhow::Result<Self> {
        let mut issuers = settings.tokens.clone();
        if let Some(path) = &settings.development {
            let place = DevelopmentIssuer::open(path)?.place();
            issuers.extend([Kind::UserPool, Kind::Oidc].map(|kind| TokenSettings {
                demands: development(kind),
                keys: place.clone(),
            }));
        }
        let provider = |issuer: TokenSettings| {
            let keys = known.iter().find(|keys| *keys.place() == issuer.keys);
            let keys = keys.cloned().unwrap_or_else(|| {
                let (documents, clock) = (Arc::clone(&world.documents), Arc::clone(&world.clock));
                Arc::new(KeySet::new(issuer.keys, documents, clock))
            });
            TokenProvider::new(issuer.demands, keys, Arc::clone(&world.clock))
        };
        Ok(Modes {
            keys: settings.api_keys.clone().map(ApiKeys::new),
            tokens: issuers.into_iter().map(provider).collect(),
            iam: settings.iam.as_ref().map(Iam::new),
            lambda: settings
                .lambda
                .clone()
                .map(|settings| lambda(settings, world))
                .transpose()?,
            blocked: settings.blocked.iter().cloned().collect(),
        })
    }

    async fn recognise(
        &self,
        presented: &Presented<'_>,
        now: Timestamp,
    ) -> Result<Identity, Rejection> {
        let credentials = presented.credentials;
        if credentials.is_ambiguous() {
            return Err(Rejection::Refused);
        }
        let authorization = credentials.authorization.as_deref().unwrap_or_default();
        if authorization.starts_with(iam::SCHEME) {
            let iam = self.iam.as_ref().ok_or(Rejection::Signature)?;
            return iam.verify(presented, now);
        }
        if let Some(key) = &credentials.api_key {
            let keys = self.keys.as_ref().ok_or(Rejection::Refused)?;
            let id = keys.find(key, now).ok_or(Rejection::Refused)?;
            return Ok(Identity::ApiKey { id: id.to_owned() });
        }
        if authorization.is_empty() {
            return Err(Rejection::Missing);
        }
        let bare = without_scheme(authorization);
        let claimed = claimed_issuer(bare);
        let issuer = claimed.as_deref().and_then(|issuer| self.issuer(issuer));
        if let Some(provider) = issuer {
            return provider.verify(bare).await;
        }
        match &self.lambda {
            Some(lambda) if lambda.takes(authorization) => {
                lambda.verify(authorization, presented).await
            }
            Some(_) => Err(Rejection::Refused),
            None if claimed.is_none() && !self.tokens.is_empty() => Err(Rejection::Unparsable),
            None => Err(Rejection::Missing),
        }
    }

    /// User pools before other issuers (`auth` 1.2).
    fn issuer(&self, issuer: &str) -> Option<&TokenProvider> {
        let of_kind = |kind: Kind| {
            let mut providers = self.tokens.iter();
            providers.find(|provider| provider.kind() == kind && provider.speaks_for(issuer))
        };
        of_kind(Kind::UserPool).or_else(|| of_kind(Kind::Oidc))
    }

    fn knows(&self, identity: &Identity) -> bool {
        match identity {
            Identity::ApiKey { id } => self.keys.as_ref().is_some_and(|keys| keys.has(id)),
            Identity::UserPool(bearer) | Identity::Oidc(bearer) => {
                self.issuer(&bearer.issuer).is_some()
            }
            Identity::Iam(signer) => self.iam.as_ref().is_some_and(|iam| iam.has(signer)),
            Identity::Lambda(_) => self.lambda.is_some(),
        }
    }

    fn blocks(&self, identity: &Identity) -> bool {
        !self.blocked.is_empty() && self.blocked.contains(&identity.principal())
    }
}

fn lambda(settings: LambdaSettings, world: &World) -> anyhow::Result<Lambda> {
    let authorizer = settings.target.open(settings.patience)?;
    let clock = Arc::clone(&world.clock);
    Ok(Lambda::new(settings, authorizer, clock))
}

fn development(kind: Kind) -> Demands {
    Demands {
        kind,
        issuer: issuer::name(kind).to_owned(),
        audience: None,
        iat_ttl: None,
        auth_ttl: None,
        leeway: NO_LEEWAY,
    }
}

/// Amplify's clients send a token bare, others after a scheme (`auth` 1.1).
fn without_scheme(authorization: &str) -> &str {
    match authorization.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_start(),
        _ => authorization,
    }
}

#[cfg(test)]
mod tests {
    use driftless_resolvers::clock::System;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use serde_json::Value;

    use super::*;
    use crate::auth::{Credentials, KeySetting, Signed};

    const KEY: &str = "da2-abcdefghijklmnopqrstuvwxyz";

    struct Nowhere;

    impl Documents for Nowhere {
        fn get<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<Value, String>> {
            async { Err("nowhere".to_owned()) }.boxed()
        }
    }

    fn with_key() -> Settings {
        let mut settings = Settings::default();
        settings.add_key(KeySetting::plain(KEY).expect("a good key"));
        settings
    }

    fn authenticator(settings: &Settings) -> Authenticator {
        let world = World {
            clock: Arc::new(System),
            documents: Arc::new(Nowhere),
        };
        Authenticator::new(settings, world).expect("good settings")
    }

    async fn told(
        authenticator: &Authenticator,
        pairs: &[(&str, &str)],
    ) -> Result<Identity, Rejection> {
        let mut credentials = Credentials::default();
        for (name, value) in pairs {
            credentials.read(name, value);
        }
        let presented = Presented {
            credentials: &credentials,
            signed: Signed::CONNECT,
            operation: None,
            source: None,
            request_id: "",
        };
        authenticator.authenticate(&presented).await
    }

    #[tokio::test]
    async fn a_configured_key_is_recognised_whatever_the_case_of_the_header() {
        let found = told(&authenticator(&with_key()), &[("X-Api-Key", KEY)]).await;
        assert!(matches!(found, Ok(Identity::ApiKey { .. })));
    }

    #[tokio::test]
    async fn an_unknown_key_is_refused_and_not_tried_as_something_else() {
        let pairs = [
            ("x-api-key", "da2-00000000000000000000000000"),
            ("authorization", "ey.ey.ey"),
        ];
        let found = told(&authenticator(&with_key()), &pairs).await;
        assert_eq!(found, Err(Rejection::Refused));
    }

    #[tokio::test]
    async fn a_token_alone_is_no_credential_of_an_api_with_keys_only() {
        let found = told(
            &authenticator(&with_key()),
            &[("authorization", "ey.ey.ey")],
        )
        .await;
        assert_eq!(found, Err(Rejection::Missing));
    }

    #[tokio::test]
    async fn a_signature_wins_over_a_key_and_is_refused_where_signatures_are_no_mode() {
        let pairs = [
            ("authorization", "AWS4-HMAC-SHA256 Credential=…"),
            ("x-api-key", KEY),
        ];
        let found = told(&authenticator(&with_key()), &pairs).await;
        assert_eq!(found, Err(Rejection::Signature));
    }

    #[tokio::test]
    async fn two_different_keys_in_one_request_are_refused_and_the_same_one_twice_is_not() {
        let other = ("x-api-key", "da2-00000000000000000000000000");
        let authenticator = authenticator(&with_key());
        for pairs in [[("x-api-key", KEY), other], [other, ("x-api-key", KEY)]] {
            let found = told(&authenticator, &pairs).await;
            assert_eq!(found, Err(Rejection::Refused));
        }
        let twice = [("x-api-key", KEY), ("X-API-KEY", KEY)];
        assert!(told(&authenticator, &twice).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_is_taken_out_and_a_principal_that_is_blocked_are_admitted_no_more() {
        let authenticator = authenticator(&with_key());
        let caller = told(&authenticator, &[("x-api-key", KEY)])
            .await
            .expect("a caller");
        assert!(authenticator.still_admits(&caller));
        let mut blocking = with_key();
        blocking.blocked.push(caller.principal());
        authenticator.replace(&blocking).expect("good settings");
        assert!(!authenticator.still_admits(&caller));
        let found = told(&authenticator, &[("x-api-key", KEY)]).await;
        assert_eq!(found, Err(Rejection::Refused));
        authenticator
            .replace(&Settings::default())
            .expect("good settings");
        assert!(!authenticator.still_admits(&caller));
    }

    #[test]
    fn credentials_never_print_their_secrets() {
        let mut credentials = Credentials::default();
        credentials.read("x-api-key", KEY);
        credentials.read("authorization", "secret");
        let text = format!("{credentials:?}");
        assert!(!text.contains(KEY) && !text.contains("secret"), "{text}");
    }
}
