//! API keys: `da2-` and 26 lower-case letters or digits, as AppSync makes them.

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "da2-";
const LENGTH: usize = 26;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// The accepted keys. Only their digests are kept.
#[derive(Debug, Default)]
pub struct ApiKeys {
    keys: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    digest: [u8; 32],
    id: String,
}

/// A text that is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `da2-` followed by 26 lower-case letters or digits")]
pub struct NotAKey;

impl ApiKeys {
    /// These keys, each checked for its form.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Result<Self, NotAKey> {
        let keys = keys.into_iter().map(|key| Stored::new(&key));
        Ok(ApiKeys {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// The id of a presented key. Every stored digest is compared in full, so that the time tells nothing.
    #[must_use]
    pub fn find(&self, presented: &str) -> Option<&str> {
        let digest = digest(presented);
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key.id.as_str());
            }
        }
        found
    }
}

impl Stored {
    fn new(key: &str) -> Result<Self, NotAKey> {
        let rest = key.strip_prefix(PREFIX).ok_or(NotAKey)?;
        let good = rest.len() == LENGTH && rest.bytes().all(|byte| ALPHABET.contains(&byte));
        if !good {
            return Err(NotAKey);
        }
        let digest = digest(key);
        let id = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Stored { digest, id })
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
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

    #[test]
    fn a_generated_key_is_accepted_and_another_one_is_not() {
        let key = generate().expect("random bytes");
        let keys = ApiKeys::new([key.clone()]).expect("a good key");
        assert!(keys.find(&key).is_some());
        assert!(keys.find(&generate().expect("random bytes")).is_none());
        assert!(keys.find("").is_none());
    }

    #[test]
    fn several_keys_have_ids_of_their_own() {
        let (one, two) = (generate().expect("random"), generate().expect("random"));
        let keys = ApiKeys::new([one.clone(), two.clone()]).expect("good keys");
        assert_ne!(keys.find(&one), keys.find(&two));
    }

    #[test]
    fn texts_that_are_no_keys_are_refused_when_configured() {
        for text in [
            "",
            "da2-",
            "da2-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "da3-abcdefghijklmnopqrstuvwxyz",
        ] {
            assert_eq!(
                ApiKeys::new([text.to_owned()]).err(),
                Some(NotAKey),
                "{text}"
            );
        }
    }
}
