//! Secrets as the database keeps them: 32 random bytes in hexadecimal.

use ring::rand::{SecureRandom, SystemRandom};

use driftless_resolvers::storage::StorageError;

/// A new secret, encoded.
pub(super) fn fresh() -> Result<String, StorageError> {
    use std::fmt::Write as _;
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StorageError::Unavailable("the system gives no random bytes".to_owned()))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// The bytes of an encoded secret.
pub(super) fn decode(text: &str) -> Result<[u8; 32], StorageError> {
    let corrupt = || StorageError::Corrupt("a secret is not 64 hexadecimal digits".to_owned());
    if text.len() != 64 || !text.is_ascii() {
        return Err(corrupt());
    }
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).map_err(|_| corrupt())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_garbage_does_not() {
        let text = fresh().unwrap();
        let bytes = decode(&text).unwrap();
        assert_eq!(bytes.map(|byte| format!("{byte:02x}")).concat(), text);
        assert!(decode("zz").is_err());
        assert!(decode(&"g".repeat(64)).is_err());
    }
}
