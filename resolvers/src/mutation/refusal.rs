//! Why a mutation is refused, in AppSync's words (`sync-semantics` 8.1).

use ring::digest::{SHA256, digest};

use crate::Record;
use crate::api::error::{ErrorType, FieldError};
use crate::authz::WritePermit;

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no record to change.
    Missing,
    /// The stored version is another one, and the strategy gives way to it.
    Conflict,
    /// The client's condition does not hold, or the record to create exists already.
    Condition,
    /// The version cannot be counted any further (META-1).
    VersionsUsedUp,
}

/// The error a client sees; it shows what is stored (`errata.md` row 16).
pub(super) fn error(
    permit: &WritePermit<'_>,
    refusal: Refusal,
    stored: Option<Record>,
) -> FieldError {
    let error = match refusal {
        Refusal::Missing => FieldError::new(
            ErrorType::ConditionalCheckFailed,
            format!(
                "No existing item found in the data source : {}",
                failed(permit)
            ),
        ),
        Refusal::Conflict => FieldError::new(
            ErrorType::ConflictUnhandled,
            "Conflict resolver rejects mutation.",
        ),
        Refusal::Condition => FieldError::new(ErrorType::ConditionalCheckFailed, failed(permit)),
        Refusal::VersionsUsedUp => FieldError::new(
            ErrorType::InternalFailure,
            "The record has used up its version numbers.",
        ),
    };
    match stored.and_then(|record| permit.shown(record)) {
        Some(record) => error.with_record(record),
        None => error,
    }
}

/// The error of an update that would leave a record nobody can read. Existence comes first (MUT-4).
pub(super) fn invalid(
    permit: &WritePermit<'_>,
    fault: &FieldError,
    stored: Option<Record>,
) -> FieldError {
    match stored {
        Some(record) => match permit.shown(record) {
            Some(record) => fault.clone().with_record(record),
            None => fault.clone(),
        },
        None => error(permit, Refusal::Missing, None),
    }
}

fn failed(permit: &WritePermit<'_>) -> String {
    format!(
        "The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: {}, Extended Request ID: null)",
        request_id(&permit.engine().ids.fresh_id())
    )
}

/// 52 capital letters and digits, as DynamoDB's are: base 32 of 256 bits.
fn request_id(seed: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let digest = digest(&SHA256, seed.as_bytes());
    let mut id = String::with_capacity(52);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in digest.as_ref() {
        bits = (bits << 8) | u32::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            id.push(char::from(DIGITS[(bits >> count) as usize & 31]));
        }
    }
    id.push(char::from(DIGITS[(bits << (5 - count)) as usize & 31]));
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_look_like_dynamodbs() {
        let (one, two) = (request_id("a"), request_id("b"));
        assert_ne!(one, two);
        for id in [one, two] {
            assert_eq!(id.len(), 52);
            let is_digit = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            assert!(id.chars().all(is_digit), "{id}");
        }
    }
}
