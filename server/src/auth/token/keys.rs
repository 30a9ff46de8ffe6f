//! The public keys of an issuer: fetched when they are needed for the first time, kept while the issuer is away, and
//! fetched again when a token names a key nobody has seen (`auth` 1.3).

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use driftless_conflict_handlers::Timestamp;
use driftless_resolvers::clock::Clock;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::claims::same_issuer;
use crate::auth::documents::Documents;

/// Keys older than this are fetched anew, while the old ones are used on.
const FRESH: i64 = 3_600_000;
/// In so many milliseconds the keys are fetched at most [`FETCHES`] times, whatever tokens claim to be signed with.
const WINDOW: i64 = 30_000;
const FETCHES: usize = 3;
/// So long a key that the issuer does not have is not asked for again.
const ABSENCE: i64 = 10_000;
/// So many absent keys are remembered.
const ABSENT: usize = 64;

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here: those of the development issuer.
    Fixed(Value),
    /// At this URL.
    Url(String),
    /// Where the discovery document of this issuer says.
    Discovered(String),
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer cannot be asked now.
    Unreachable,
}

/// One public key.
#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: Arc<DecodingKey>,
}

/// The keys of one issuer.
pub struct KeySet {
    place: Place,
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Known>>,
    /// Held while fetching: whoever needs a key meanwhile waits for the same answer.
    fetching: tokio::sync::Mutex<()>,
    history: Mutex<History>,
}

struct Known {
    keys: Vec<Key>,
    at: Timestamp,
}

#[derive(Default)]
struct History {
    /// When the keys were fetched lately.
    fetches: VecDeque<Timestamp>,
    /// Keys the issuer did not have, and when.
    absent: VecDeque<(String, Timestamp)>,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KeySet")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl KeySet {
    /// Keys that are in this place.
    #[must_use]
    pub fn new(place: Place, documents: Arc<dyn Documents>, clock: Arc<dyn Clock>) -> Self {
        super::crypto::install();
        let known = match &place {
            Place::Fixed(document) => Some(Known {
                keys: read(document).unwrap_or_default(),
                at: clock.now(),
            }),
            Place::Url(_) | Place::Discovered(_) => None,
        };
        KeySet {
            place,
            documents,
            clock,
            known: RwLock::new(known),
            fetching: tokio::sync::Mutex::new(()),
            history: Mutex::default(),
        }
    }

    /// Where the keys are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The key a token names, for this algorithm. Without a name the issuer must have exactly one such key.
    pub async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<DecodingKey>, NoKey> {
        if let Some(key) = self.look_up(id, algorithm) {
            self.refresh_if_old();
            return Ok(key);
        }
        let known_before = self.fetched_at();
        let _alone = self.fetching.lock().await;
        if self.fetched_at() != known_before
            && let Some(key) = self.look_up(id, algorithm)
        {
            return Ok(key);
        }
        self.ask_for(id)?;
        self.fetch().await?;
        self.look_up(id, algorithm).ok_or_else(|| {
            self.note_absent(id);
            NoKey::Unknown
        })
    }

    /// Fetches the keys, so that the first request finds them.
    pub async fn warm(self: &Arc<Self>) {
        let _alone = self.fetching.lock().await;
        if self.fetched_at().is_none() && self.ask_for(None).is_ok() {
            let _ = self.fetch().await;
        }
    }

    fn look_up(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let keys = &known.as_ref()?.keys;
        let mut fitting = keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        let found = fitting.next()?;
        // Two keys of one name are a mistake of the issuer; without a name the choice would be a guess.
        fitting.next().is_none().then(|| Arc::clone(&found.key))
    }

    fn fetched_at(&self) -> Option<Timestamp> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| known.at)
    }

    fn refresh_if_old(self: &Arc<Self>) {
        let now = self.clock.now();
        let old = self.fetched_at().is_some_and(|at| now.0 - at.0 > FRESH);
        if old && self.place_is_remote() && self.ask_for(None).is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move {
                let _alone = keys.fetching.lock().await;
                let _ = keys.fetch().await;
            });
        }
    }

    fn place_is_remote(&self) -> bool {
        !matches!(self.place, Place::Fixed(_))
    }

    /// Takes one of the few permits to ask the issuer. Whoever gets none is told to come back rather than that the token
    /// is wrong: the key may have been made a moment ago.
    fn ask_for(&self, id: Option<&str>) -> Result<(), NoKey> {
        if !self.place_is_remote() {
            return Err(NoKey::Unknown);
        }
        let now = self.clock.now();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Timestamp, span: i64| now.0 - at.0 < span;
        history.absent.retain(|(_, at)| recent(at, ABSENCE));
        if id.is_some_and(|id| history.absent.iter().any(|(absent, _)| absent == id)) {
            return Err(NoKey::Unknown);
        }
        history.fetches.retain(|at| recent(at, WINDOW));
        if history.fetches.len() >= FETCHES {
            return Err(NoKey::Unreachable);
        }
        history.fetches.push_back(now);
        Ok(())
    }

    fn note_absent(&self, id: Option<&str>) {
        let Some(id) = id else { return };
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.absent.len() >= ABSENT {
            history.absent.pop_front();
        }
        let now = self.clock.now();
        history.absent.push_back((id.to_owned(), now));
    }

    /// Asks the issuer. What it said before holds on while it cannot be reached.
    async fn fetch(&self) -> Result<(), NoKey> {
        match self.fetched().await {
            Ok(keys) => {
                let at = self.clock.now();
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Some(Known { keys, at });
                Ok(())
            }
            Err(reason) => {
                tracing::warn!(place = ?self.place, reason, "the keys of an issuer cannot be fetched");
                Err(NoKey::Unreachable)
            }
        }
    }

    async fn fetched(&self) -> Result<Vec<Key>, String> {
        let document = match &self.place {
            Place::Fixed(document) => document.clone(),
            Place::Url(url) => self.documents.get(url).await?,
            Place::Discovered(issuer) => {
                let url = self.discovered(issuer).await?;
                self.documents.get(&url).await?
            }
        };
        read(&document).ok_or_else(|| "the answer is no key set".to_owned())
    }

    async fn discovered(&self, issuer: &str) -> Result<String, String> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let document = self.documents.get(&url).await?;
        let said = document["issuer"].as_str().unwrap_or_default();
        if !same_issuer(said, issuer) {
            return Err(format!(
                "the discovery document is that of \"{said}\"; set the issuer so, or jwks_url"
            ));
        }
        let keys = document["jwks_uri"].as_str();
        keys.map(str::to_owned)
            .ok_or_else(|| "the discovery document names no jwks_uri".to_owned())
    }
}

/// The keys in a key set that are for signatures and of a kind we know; others are no concern of ours.
fn read(document: &Value) -> Option<Vec<Key>> {
    let keys = document.get("keys")?.as_array()?;
    Some(keys.iter().filter_map(key).collect())
}

fn key(value: &Value) -> Option<Key> {
    let jwk = Jwk::deserialize_from(value)?;
    let common = &jwk.common;
    let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let mut algorithms = algorithms(&jwk.algorithm);
    if let Some(declared) = common.key_algorithm {
        let declared = Algorithm::from_str(&declared.to_string()).ok()?;
        algorithms.retain(|algorithm| *algorithm == declared);
    }
    if !signs || algorithms.is_empty() {
        return None;
    }
    Some(Key {
        id: common.key_id.clone(),
        algorithms,
        key: Arc::new(DecodingKey::from_jwk(&jwk).ok()?),
    })
}

/// What a key of this kind can verify. A key that is a shared secret verifies nothing.
fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    let named: &[Algorithm] = match parameters {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => {
            &[Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        _ => &[],
    };
    named.to_vec()
}

/// Reading a key without the borrowing that `serde_json::from_value` asks for.
trait FromJson: Sized {
    fn deserialize_from(value: &Value) -> Option<Self>;
}

impl FromJson for Jwk {
    fn deserialize_from(value: &Value) -> Option<Self> {
        serde::Deserialize::deserialize(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;

    /// An issuer whose answer changes, and which counts how often it is asked.
    #[derive(Default)]
    struct Issuer {
        answer: Mutex<Option<Value>>,
        asked: AtomicUsize,
        now: AtomicI64,
    }

    impl Documents for Issuer {
        fn get<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<Value, String>> {
            async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let answer = self.answer.lock().expect("a lock").clone();
                answer.ok_or_else(|| "away".to_owned())
            }
            .boxed()
        }
    }

    impl Clock for Issuer {
        fn now(&self) -> Timestamp {
            Timestamp(self.now.load(Ordering::Relaxed))
        }
    }

    impl Issuer {
        fn has(&self, ids: &[&str]) {
            let keys: Vec<Value> = ids
                .iter()
                .map(|id| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": "AAAA"}))
                .collect();
            *self.answer.lock().expect("a lock") = Some(json!({ "keys": keys }));
        }

        fn is_away(&self) {
            *self.answer.lock().expect("a lock") = None;
        }

        fn passes(&self, milliseconds: i64) {
            self.now.fetch_add(milliseconds, Ordering::Relaxed);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn keys(issuer: &Arc<Issuer>) -> Arc<KeySet> {
        let place = Place::Url("http://issuer/keys".to_owned());
        Arc::new(KeySet::new(place, issuer.clone(), issuer.clone()))
    }

    async fn find(keys: &Arc<KeySet>, id: &str) -> Result<(), NoKey> {
        keys.find(Some(id), Algorithm::EdDSA).await.map(|_| ())
    }

    #[tokio::test]
    async fn keys_are_fetched_once_and_a_new_one_when_a_token_names_it() {
        let issuer = Arc::new(Issuer::default());
        issuer.has(&["a"]);
        let keys = keys(&issuer);
        for _ in 0..5 {
            assert_eq!(find(&keys, "a").await, Ok(()));
        }
        assert_eq!(issuer.asked(), 1);
        issuer.has(&["a", "b"]);
        assert_eq!(find(&keys, "b").await, Ok(()));
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn unknown_keys_make_the_issuer_be_asked_a_few_times_only() {
        let issuer = Arc::new(Issuer::default());
        issuer.has(&["a"]);
        let keys = keys(&issuer);
        assert_eq!(find(&keys, "x").await, Err(NoKey::Unknown));
        for _ in 0..10 {
            assert_eq!(
                find(&keys, "x").await,
                Err(NoKey::Unknown),
                "not asked again"
            );
        }
        assert_eq!(issuer.asked(), 1);
        for number in 0..100 {
            let _ = find(&keys, &format!("forged-{number}")).await;
        }
        assert_eq!(issuer.asked(), FETCHES);
        // Nobody can tell now whether it exists, so its bearer shall come back.
        assert_eq!(find(&keys, "new").await, Err(NoKey::Unreachable));
        assert_eq!(find(&keys, "a").await, Ok(()));
        issuer.has(&["a", "new"]);
        issuer.passes(WINDOW);
        assert_eq!(find(&keys, "new").await, Ok(()));
    }

    #[tokio::test]
    async fn an_issuer_that_is_away_leaves_its_keys_behind() {
        let issuer = Arc::new(Issuer::default());
        let keys = keys(&issuer);
        assert_eq!(find(&keys, "a").await, Err(NoKey::Unreachable));
        issuer.has(&["a"]);
        assert_eq!(find(&keys, "a").await, Ok(()));
        issuer.is_away();
        issuer.passes(FRESH * 24);
        assert_eq!(find(&keys, "a").await, Ok(()));
        assert_eq!(find(&keys, "b").await, Err(NoKey::Unreachable));
    }

    #[tokio::test]
    async fn old_keys_are_fetched_anew_in_the_background_so_that_withdrawn_ones_go() {
        let issuer = Arc::new(Issuer::default());
        issuer.has(&["a"]);
        let keys = keys(&issuer);
        assert_eq!(find(&keys, "a").await, Ok(()));
        issuer.has(&["b"]);
        issuer.passes(FRESH + 1);
        assert_eq!(find(&keys, "a").await, Ok(()), "nobody waits");
        while issuer.asked() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(find(&keys, "b").await, Ok(()));
        issuer.passes(ABSENCE);
        assert_eq!(find(&keys, "a").await, Err(NoKey::Unknown));
    }

    #[test]
    fn only_public_keys_for_signatures_are_keys() {
        let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"});
        let with = |name: &str, value: &str| {
            let mut key = rsa.clone();
            key[name] = value.into();
            key
        };
        let cases = [
            (rsa.clone(), 6),
            (with("alg", "RS384"), 1),
            (with("use", "sig"), 6),
            (with("use", "enc"), 0),
            (with("alg", "HS256"), 0),
            (with("alg", "RSA-OAEP"), 0),
            (json!({"kty": "oct", "k": "AAAA", "kid": "s"}), 0),
            (
                json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
                0,
            ),
            (
                json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
                1,
            ),
            (json!({"kty": "strange"}), 0),
            (json!("no key"), 0),
        ];
        for (value, count) in cases {
            let found = key(&value).map_or(0, |key| key.algorithms.len());
            assert_eq!(found, count, "{value}");
        }
    }
}
