//! Why a mutation is refused, in AppSync's words (`sync-semantics` 8.1).

use driftless_conflict_handlers::decision::{CustomError, Rejection};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::Record;
use crate::api::error::{Custom, ErrorType, FieldError};
use crate::authz::WritePermit;
use crate::engine::RejectionData;
use crate::identity::Family;

/// Why nothing is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// There is no record to change.
    Missing,
    /// The stored version is another one, and the strategy gives way to it.
    Conflict(Rejection),
    /// A plugin or function refuses in its own words.
    Custom(CustomError),
    /// A plugin or function gave no answer that can be used.
    Handler,
    /// A plugin or function was asked as often as it may be.
    MaxConflicts,
    /// The client's condition does not hold, or the record to create exists already.
    Condition,
    /// The version cannot be counted any further (META-1).
    VersionsUsedUp,
}

/// The error a client sees; it shows what is stored (`errata.md` row 16).
pub(super) fn error(
    permit: &WritePermit<'_>,
    refusal: &Refusal,
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
        Refusal::Conflict(words) => {
            let message = words.message.as_deref();
            let message = message.unwrap_or("Conflict resolver rejects mutation.");
            said(
                ErrorType::ConflictUnhandled,
                message,
                None,
                words.info.as_ref(),
            )
        }
        Refusal::Custom(own) => {
            let error_type = Some(own.error_type.clone());
            said(
                ErrorType::ConflictError,
                &own.message,
                error_type,
                own.info.as_ref(),
            )
        }
        Refusal::Handler => FieldError::new(ErrorType::ConflictError, "Conflict handler failed."),
        Refusal::MaxConflicts => FieldError::new(
            ErrorType::MaxConflicts,
            "Maximum number of conflict resolution attempts reached.",
        ),
        Refusal::Condition => FieldError::new(ErrorType::ConditionalCheckFailed, failed(permit)),
        Refusal::VersionsUsedUp => FieldError::new(
            ErrorType::InternalFailure,
            "The record has used up its version numbers.",
        ),
    };
    if !matches!(refusal, Refusal::Condition) || shows_always(permit) {
        with_record(permit, error, stored)
    } else {
        error
    }
}

/// The error of a write over a shell. JavaScript takes over the record of any error, native clients that of a conflict
/// only (`client-js` 10.2, `client-native` 1.5, 2.6); they send a version with everything but creates.
/// None where a rejection shows what AppSync's shows: nothing of a record that is gone.
pub(super) fn gone(
    permit: &WritePermit<'_>,
    has_version: bool,
    shell: Record,
) -> Option<FieldError> {
    if !shows_always(permit) {
        return None;
    }
    let refusal = if has_version && permit.family().is_native() {
        Refusal::Conflict(Rejection::default())
    } else {
        Refusal::Missing
    };
    Some(error(permit, &refusal, Some(shell)))
}

/// The error of a create whose id is taken. Of a deleted record it takes another form to Android, which takes over the
/// record of a conflict only and would keep for good what it has made (`docs/decisions/0020`).
pub(super) fn taken(permit: &WritePermit<'_>, stored: Record) -> FieldError {
    let lets_go = stored.deleted
        && permit.family() == Family::Android
        && shows_always(permit)
        && permit.may_read(&stored);
    let refusal = match lets_go {
        true => Refusal::Conflict(Rejection::default()),
        false => Refusal::Condition,
    };
    error(permit, &refusal, Some(stored))
}

fn shows_always(permit: &WritePermit<'_>) -> bool {
    permit.engine().settings.rejection_data == RejectionData::Always
}

/// An error that shows what the caller may see of a record.
fn with_record(permit: &WritePermit<'_>, error: FieldError, stored: Option<Record>) -> FieldError {
    match stored.and_then(|record| permit.shown(record)) {
        Some(record) => error.with_record(record),
        None => error,
    }
}

/// An error in the words of the user's code.
fn said(
    error_type: ErrorType,
    message: &str,
    own_type: Option<String>,
    info: Option<&Value>,
) -> FieldError {
    let error = FieldError::new(error_type, message);
    if own_type.is_none() && info.is_none() {
        return error;
    }
    error.with_custom(Custom {
        error_type: own_type,
        info: info.cloned(),
    })
}

/// The error of an update that would leave a record nobody can read. Existence comes first (MUT-4).
pub(super) fn invalid(
    permit: &WritePermit<'_>,
    fault: &FieldError,
    stored: Option<Record>,
) -> FieldError {
    match stored {
        Some(record) if shows_always(permit) => with_record(permit, fault.clone(), Some(record)),
        Some(_) => fault.clone(),
        None => error(permit, &Refusal::Missing, None),
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
