//! Repeated requests: a client that lost the answer sends the same mutation again (`client-js` 10.5).

use driftless_conflict_handlers::Version;

use super::document;
use super::request::{Create, Intent, Request};
use crate::Record;
use crate::authz::Permit;
use crate::feed::Operation;
use crate::storage::StorageError;

/// Whether this create made the stored record: same caller, and every field it sent is in version 1 (`errata.md`
/// row 14). A record deleted since blocks its id like any other tombstone (`sync-semantics` 2.2 row 3).
pub(super) async fn of_create(
    permit: &Permit<'_>,
    create: &Create,
    stored: &Record,
) -> Result<bool, StorageError> {
    if stored.deleted {
        return Ok(false);
    }
    let (first, actor) = match permit.revision(&create.key, Version::FIRST).await? {
        Some(revision) => (revision.record, revision.actor),
        None if stored.version == Version::FIRST => (stored.clone(), None),
        None => return Ok(false),
    };
    let same_caller = actor.is_none_or(|actor| actor == permit.principal());
    let same_content = create
        .sent
        .iter()
        .all(|name| document::same(create.fields.get(name), first.fields.get(name)));
    Ok(same_caller && same_content)
}

/// Whether this update or delete has been done already: the version after the one it is based on was made by the same
/// caller with the same request (`errata.md` row 15).
pub(super) async fn of_write(permit: &Permit<'_>, request: &Request) -> Result<bool, StorageError> {
    let Some(made) = request.base().and_then(Version::next) else {
        return Ok(false);
    };
    let Some(revision) = permit.revision(&request.key, made).await? else {
        return Ok(false);
    };
    let operation = match request.intent {
        Intent::Update(_) => Operation::Update,
        Intent::Delete(_) => Operation::Delete,
    };
    Ok(revision.operation == operation
        && revision.actor.as_deref() == Some(permit.principal().as_str())
        && revision.request.as_deref() == Some(request.digest.as_str()))
}
