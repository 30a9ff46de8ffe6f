//! API keys: `da2-` and 26 lower-case letters or digits, as AppSync makes them.

use driftless_conflict_handlers::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "da2-";
const LENGTH: usize = 26;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A configured key: itself, or only its digest, so that the configuration holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySetting {
    key: Stored,
    /// From this time on it is refused, in milliseconds since 1970.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for KeySetting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.key.id)
    }
}

/// A text that is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// It looks otherwise.
    #[error("an API key is `da2-` followed by 26 lower-case letters or digits")]
    Form,
    /// It is no digest.
    #[error(
        "the digest of an API key is 64 hexadecimal digits, as `driftless keys --new` prints them"
    )]
    Digest,
}

impl KeySetting {
    /// A key given as it is.
    pub fn plain(key: &str) -> Result<Self, NotAKey> {
        let rest = key.strip_prefix(PREFIX).ok_or(NotAKey::Form)?;
        let good = rest.len() == LENGTH && rest.bytes().all(|byte| ALPHABET.contains(&byte));
        if !good {
            return Err(NotAKey::Form);
        }
        Ok(KeySetting::of_digest(digest(key)))
    }

    /// A key of which only the SHA-256 digest is known, in hexadecimal.
    pub fn hashed(hex: &str) -> Result<Self, NotAKey> {
        let mut bytes = [0_u8; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(NotAKey::Digest);
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = &hex[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAKey::Digest)?;
        }
        Ok(KeySetting::of_digest(bytes))
    }

    fn of_digest(digest: [u8; 32]) -> Self {
        KeySetting {
            key: Stored {
                id: hexadecimal(&digest[..6]),
                digest,
            },
            expires: None,
        }
    }

    /// The same key, refused from this time on.
    #[must_use]
    pub fn until(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }

    /// The id that stands for it in the store and the log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.key.id
    }
}

/// The SHA-256 digest of a key, as the configuration takes it.
#[must_use]
pub fn hash(key: &str) -> String {
    hexadecimal(&digest(key))
}

#[derive(Clone, PartialEq, Eq)]
struct Stored {
    digest: [u8; 32],
    id: String,
}

/// The accepted keys. Only their digests are kept.
#[derive(Debug, Default)]
pub struct ApiKeys {
    keys: Vec<KeySetting>,
}

impl ApiKeys {
    /// These keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = KeySetting>) -> Self {
        ApiKeys {
            keys: keys.into_iter().collect(),
        }
    }

    /// The id of a presented key that is good at this time. Every stored digest is compared in full, so that the time
    /// it takes tells nothing.
    #[must_use]
    pub fn find(&self, presented: &str, now: Timestamp) -> Option<&str> {
        let digest = digest(presented);
        let mut found = None;
        for key in &self.keys {
            let same = bool::from(key.key.digest.ct_eq(&digest));
            if same && key.expires.is_none_or(|expires| now < expires) {
                found = Some(key.id());
            }
        }
        found
    }

    /// Whether a key is configured, expired or not.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id() == id)
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fresh key.
pub fn generate() -> Result<String, ring::error::Unspecified> {
    let random = SystemRandom::new();
    let mut key = PREFIX.to_owned();
    while key.len() < PREFIX.len() + LENGTH {
        let mut byte = [0_u8; 1];
        random.fill(&mut byte)?;
        // 252 is the largest multiple of 36 in a byte; what lies above would favour some letters.
        if byte[0] < 252 {
            key.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn keys(keys: &[&str]) -> ApiKeys {
        ApiKeys::new(
            keys.iter()
                .map(|key| KeySetting::plain(key).expect("a good key")),
        )
    }

    #[test]
    fn a_generated_key_is_accepted_and_another_one_is_not() {
        let key = generate().expect("random bytes");
        let keys = keys(&[&key]);
        assert!(keys.find(&key, NOW).is_some());
        assert!(keys.find(&generate().expect("random bytes"), NOW).is_none());
        assert!(keys.find("", NOW).is_none());
    }

    #[test]
    fn several_keys_have_ids_of_their_own() {
        let (one, two) = (generate().expect("random"), generate().expect("random"));
        let keys = keys(&[&one, &two]);
        assert_ne!(keys.find(&one, NOW), keys.find(&two, NOW));
    }

    #[test]
    fn a_key_is_good_until_it_expires_and_stays_known_afterwards() {
        let key = generate().expect("random bytes");
        let setting = KeySetting::plain(&key).expect("a good key");
        let id = setting.id().to_owned();
        let keys = ApiKeys::new([setting.until(Some(NOW))]);
        assert!(keys.find(&key, Timestamp(NOW.0 - 1)).is_some());
        assert!(keys.find(&key, NOW).is_none());
        assert!(keys.has(&id));
    }

    #[test]
    fn a_digest_stands_for_its_key() {
        let key = generate().expect("random bytes");
        let setting = KeySetting::hashed(&hash(&key)).expect("a digest");
        assert!(ApiKeys::new([setting]).find(&key, NOW).is_some());
        for wrong in ["", "00", &"x".repeat(64), &"é".repeat(32)] {
            assert_eq!(KeySetting::hashed(wrong), Err(NotAKey::Digest), "{wrong}");
        }
    }

    #[test]
    fn texts_that_are_no_keys_are_refused_when_configured() {
        for text in [
            "",
            "da2-",
            "da2-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "da3-abcdefghijklmnopqrstuvwxyz",
        ] {
            assert_eq!(KeySetting::plain(text), Err(NotAKey::Form), "{text}");
        }
    }
}
