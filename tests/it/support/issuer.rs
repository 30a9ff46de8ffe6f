//! Issuers of tokens, run by the tests: a real HTTP server with key sets, and a signer that signs whatever it is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};
use serde_json::{Value, json};

const RSA: [&[u8]; 2] = [
    include_bytes!("../../keys/rsa-1.pk8"),
    include_bytes!("../../keys/rsa-2.pk8"),
];
const P256: &[u8] = include_bytes!("../../keys/p256.pk8");

/// An HTTP server with the documents of issuers at `/NAME/.well-known/…`.
pub(crate) struct Issuers {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    away: AtomicBool,
    asked: AtomicUsize,
}

impl Issuers {
    /// With these public keys.
    pub(crate) async fn start(keys: &[Value]) -> Issuers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        shared.url.lock().expect("a lock").clone_from(&url);
        *shared.keys.lock().expect("a lock") = keys.to_vec();
        let router = Router::new()
            .route("/{name}/.well-known/{document}", get(document))
            .with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, router).into_future());
        Issuers { url, shared }
    }

    /// The issuer of this name.
    pub(crate) fn issuer(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// Has these keys from now on.
    pub(crate) fn rotate(&self, keys: &[Value]) {
        *self.shared.keys.lock().expect("a lock") = keys.to_vec();
    }

    /// Answers nothing but 500 while away.
    pub(crate) fn be_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::Relaxed);
    }

    /// How many documents were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

async fn document(
    State(shared): State<Arc<Shared>>,
    Path((name, document)): Path<(String, String)>,
) -> Response {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    if shared.away.load(Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let issuer = format!("{}/{name}", shared.url.lock().expect("a lock"));
    let body = match document.as_str() {
        "jwks.json" => json!({"keys": *shared.keys.lock().expect("a lock")}),
        "openid-configuration" => json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/.well-known/jwks.json")}),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    body.to_string().into_response()
}

/// What a token is signed with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// One of two RSA keys.
    Rsa(usize),
    /// An elliptic one.
    P256,
    /// The text of a public key, misused as a shared secret.
    PublicAsSecret(usize),
    /// Nothing.
    None,
}

impl Key {
    fn rsa(number: usize) -> RsaKeyPair {
        RsaKeyPair::from_pkcs8(RSA[number]).expect("a key")
    }

    fn p256() -> EcdsaKeyPair {
        let scheme = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_pkcs8(scheme, P256, &SystemRandom::new()).expect("a key")
    }

    /// The public key with this name, as a key set holds it.
    pub(crate) fn public(self, name: &str) -> Value {
        match self {
            Key::Rsa(number) => {
                let public: PublicKeyComponents<Vec<u8>> = Key::rsa(number).public().into();
                json!({"kty": "RSA", "use": "sig", "kid": name,
                    "n": BASE64_URL_SAFE_NO_PAD.encode(public.n),
                    "e": BASE64_URL_SAFE_NO_PAD.encode(public.e)})
            }
            Key::P256 => {
                let pair = Key::p256();
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": name,
                    "x": BASE64_URL_SAFE_NO_PAD.encode(x),
                    "y": BASE64_URL_SAFE_NO_PAD.encode(y)})
            }
            Key::PublicAsSecret(_) | Key::None => json!({"kty": "oct", "kid": name, "k": "AAAA"}),
        }
    }

    fn sign(self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::None => Vec::new(),
            Key::P256 => {
                let signed = Key::p256().sign(&random, message);
                signed.expect("a signature").as_ref().to_vec()
            }
            Key::PublicAsSecret(number) => {
                let public = Key::rsa(number).public().as_ref().to_vec();
                let secret = hmac::Key::new(hmac::HMAC_SHA256, &public);
                hmac::sign(&secret, message).as_ref().to_vec()
            }
            Key::Rsa(number) => {
                let scheme: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let pair = Key::rsa(number);
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(scheme, &random, message, &mut signed)
                    .expect("a signature");
                signed
            }
        }
    }
}

/// A token with this header and these claims.
pub(crate) fn token(key: Key, header: &Value, claims: &Value) -> String {
    signed(key, header, &claims.to_string())
}

/// A token whose claims are this text, JSON or not.
pub(crate) fn signed(key: Key, header: &Value, claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(&header.to_string()), part(claims));
    let algorithm = header["alg"].as_str().unwrap_or_default();
    let signature = key.sign(algorithm, message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
