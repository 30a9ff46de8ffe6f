//! `nextToken`: sealed, so that a client can neither read nor forge it, and bound to what it belongs to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::api::error::{ErrorType, FieldError};
use crate::api::outcome::Arguments;

/// The first byte of a token: the format that follows. Another number is another format.
const FORMAT: u8 = 1;

/// Seals and opens page tokens with one key.
pub struct Sealer {
    secret: [u8; 32],
    random: SystemRandom,
}

impl Sealer {
    /// A sealer for the store's secret ([`crate::storage::Storage::secret`]): tokens survive restarts and node changes.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Sealer {
            secret,
            random: SystemRandom::new(),
        }
    }

    /// A token holding `content` that opens only with the same `purpose` (operation, arguments, principal).
    #[must_use]
    pub fn seal(&self, purpose: &str, content: &Value) -> String {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .expect("the operating system has random numbers");
        let mut sealed = content.to_string().into_bytes();
        self.key(purpose)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from([FORMAT]),
                &mut sealed,
            )
            .expect("a page token is far shorter than the cipher's limit");
        let mut token = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        token.push(FORMAT);
        token.extend_from_slice(&nonce);
        token.append(&mut sealed);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The content of a token, or `None` if it is not one of ours for this purpose.
    #[must_use]
    pub fn open(&self, purpose: &str, token: &str) -> Option<Value> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&format, rest) = token.split_first()?;
        if format != FORMAT {
            return None;
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let content = self
            .key(purpose)
            .open_in_place(nonce, Aad::from([format]), &mut sealed)
            .ok()?;
        serde_json::from_slice(content).ok()
    }

    /// A key of its own for every purpose: a token opened for another one fails like a forged one, and no key ever
    /// seals so many tokens that random nonces could meet.
    fn key(&self, purpose: &str) -> LessSafeKey {
        let secret = Salt::new(HKDF_SHA256, b"driftless page token").extract(&self.secret);
        let info = [purpose.as_bytes()];
        let material = secret
            .expand(&info, &AES_256_GCM)
            .expect("the cipher's key is shorter than the derivation's limit");
        LessSafeKey::new(UnboundKey::from(material))
    }
}

/// The `limit` of a page: the caller's, or the default; clamped to `maximum` (`errata.md` row 40 and 2.1).
pub(crate) fn limit(args: &Arguments, default: usize, maximum: usize) -> Result<usize, FieldError> {
    let wanted = match args.get("limit").and_then(Value::as_f64) {
        None => default,
        // A float cast saturates, so that no `limit` overflows.
        Some(wanted) if wanted >= 1.0 => wanted as usize,
        Some(_) => {
            return Err(FieldError::new(
                ErrorType::InvalidArguments,
                "Argument 'limit' must be at least 1.",
            ));
        }
    };
    Ok(wanted.clamp(1, maximum.max(1)))
}

/// What a page token of a query belongs to: the field, its place, its arguments and the caller. Neither `limit` (JS
/// changes it on the last page) nor the token itself is part of it.
pub(crate) fn purpose(field: &str, anchor: &Value, args: &Arguments, principal: &str) -> String {
    let arguments: Arguments = args
        .iter()
        .filter(|(name, value)| !matches!(name.as_str(), "limit" | "nextToken") && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    canonical(&json!([field, anchor, arguments, principal]))
}

/// The content of the caller's `nextToken`, if there is one.
pub(crate) fn resume(
    sealer: &Sealer,
    purpose: &str,
    args: &Arguments,
) -> Result<Option<Value>, FieldError> {
    match args.get("nextToken") {
        None | Some(Value::Null) => Ok(None),
        Some(token) => token
            .as_str()
            .and_then(|token| sealer.open(purpose, token))
            .map(Some)
            .ok_or_else(invalid_token),
    }
}

/// The answer to a token that is not one of this query's (`sync-semantics` Q-7).
pub(crate) fn invalid_token() -> FieldError {
    FieldError::new(
        ErrorType::InvalidToken,
        "com.amazonaws.deepdish.common.pagination.InvalidPaginationTokenException: Invalid pagination token given.",
    )
}

/// JSON whose objects are sorted by key: the same text for the same meaning, for token purposes and digests.
pub(crate) fn canonical(value: &Value) -> String {
    sorted(value).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            Value::Object(
                names
                    .into_iter()
                    .map(|(name, value)| (name.clone(), sorted(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sealer() -> Sealer {
        Sealer::new([7; 32])
    }

    #[test]
    fn a_token_opens_for_its_own_purpose() {
        let content = json!({"after": ["p1"]});
        let token = sealer().seal("listPosts|k1", &content);
        assert_eq!(sealer().open("listPosts|k1", &token), Some(content));
    }

    #[test]
    fn a_token_opens_for_no_other_purpose_and_with_no_other_secret() {
        let token = sealer().seal("listPosts|k1", &json!(1));
        assert_eq!(sealer().open("listPosts|k2", &token), None);
        assert_eq!(Sealer::new([8; 32]).open("listPosts|k1", &token), None);
    }

    #[test]
    fn a_changed_token_does_not_open() {
        let token = sealer().seal("p", &json!({"secret": "value"}));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(sealer().open("p", &URL_SAFE_NO_PAD.encode(changed)), None);
        }
        for length in 0..bytes.len() {
            assert_eq!(
                sealer().open("p", &URL_SAFE_NO_PAD.encode(&bytes[..length])),
                None
            );
        }
    }

    #[test]
    fn two_tokens_of_one_place_differ_and_show_nothing() {
        let content = json!({"city": "Zürich"});
        let (one, two) = (sealer().seal("p", &content), sealer().seal("p", &content));
        assert_ne!(one, two);
        let bytes = URL_SAFE_NO_PAD.decode(&one).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"city"));
    }

    #[test]
    fn canonical_text_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"b":[{"y":1,"x":2.0}],"a":null}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":null,"b":[{"x":2.0,"y":1}]}"#);
    }

    fn limited(args: Value) -> Result<usize, FieldError> {
        limit(&crate::fixtures::object(args), 100, 1_000)
    }

    #[test]
    fn a_limit_has_a_default_and_a_maximum() {
        assert_eq!(limited(json!({})), Ok(100));
        assert_eq!(limited(json!({"limit": null})), Ok(100));
        assert_eq!(limited(json!({"limit": 1})), Ok(1));
        assert_eq!(limited(json!({"limit": 2_147_483_647})), Ok(1_000));
    }

    #[test]
    fn a_limit_below_one_is_an_invalid_argument() {
        for low in [0, -1] {
            let error = limited(json!({"limit": low})).unwrap_err();
            assert_eq!(error.error_type, Some(ErrorType::InvalidArguments));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_that_does_not_open(text in ".{0,200}") {
            prop_assert_eq!(sealer().open("p", &text), None);
        }
    }
}
