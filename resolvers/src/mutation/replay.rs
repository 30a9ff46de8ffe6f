//! Repeated requests: a client that lost the answer sends the same mutation again (`client-js` 10.5).

use driftless_conflict_handlers::Version;

use super::document;
use super::past::Past;
use super::request::{Create, Intent, Request};
use crate::Record;
use crate::asked::Asked;
use crate::authz::WritePermit;
use crate::feed::Operation;
use crate::storage::{Revision, StorageError};

/// The lowest version of a create over a shell: created, deleted, created again.
const FIRST_REBIRTH: Version = Version(3);

/// How many versions a repeated create may be behind: one read of the log for each.
const LOOK_BACK: usize = 64;

/// Whether this create made the stored record: same caller, and every field it sent is in its first version (`errata.md`
/// row 14). A record deleted since blocks its id like any other tombstone (`sync-semantics` 2.2 row 3), and one that has
/// become somebody else's since like any record of somebody else.
pub(super) async fn of_create(
    permit: &WritePermit<'_>,
    create: &Create,
    stored: &Record,
) -> Result<bool, StorageError> {
    if stored.deleted {
        return Ok(false);
    }
    let (first, actor) = match birth(permit, create, stored).await? {
        Some(revision) => (revision.record, revision.actor),
        None if stored.version == Version::FIRST => (stored.clone(), None),
        None => return Ok(false),
    };
    let same_caller = actor.is_none_or(|actor| permit.identity().is_actor(&actor));
    let same_content = create
        .sent
        .iter()
        .all(|name| document::same(create.fields.get(name), first.fields.get(name)));
    let own = first.version == stored.version || permit.may_read(stored);
    Ok(same_caller && same_content && own)
}

/// Whether this very create made the record that has been deleted since: done again it would undo a delete that its
/// sender has not heard of.
pub(super) async fn of_past_create(
    permit: &WritePermit<'_>,
    create: &Create,
    tombstone: &Record,
) -> Result<bool, StorageError> {
    let birth = birth(permit, create, tombstone).await?;
    Ok(birth.is_some_and(|made| {
        made.actor
            .is_some_and(|actor| permit.identity().is_actor(&actor))
            && is_of(&made.request, &create.digest)
    }))
}

/// The log row of the create that made the stored record: version 1, or a later one if the id was used before and a
/// create went over the shell. No repetition is looked for further back than [`LOOK_BACK`] versions.
async fn birth(
    permit: &WritePermit<'_>,
    create: &Create,
    stored: &Record,
) -> Result<Option<Revision>, StorageError> {
    if stored.version < FIRST_REBIRTH {
        return permit.revision(&create.key, Version::FIRST).await;
    }
    for version in (1..=stored.version.0).rev().take(LOOK_BACK) {
        match permit.revision(&create.key, Version(version)).await? {
            Some(revision) if revision.operation != Operation::Create => {}
            end => return Ok(end),
        }
    }
    Ok(None)
}

/// Whether this update or delete has been done already: the version after the one it is based on was made by the same
/// caller with the same request (`errata.md` row 15).
///
/// Where equal changes add up, two devices that each sell one piece send the same request with the same API key. There
/// only a caller that is certainly one device repeats itself; it may do so behind any number of others' changes.
pub(super) async fn of_write(
    permit: &WritePermit<'_>,
    request: &Request,
    stored: &Record,
    past: &mut Past,
) -> Result<bool, StorageError> {
    let Some(made) = request.base().and_then(Version::next) else {
        return Ok(false);
    };
    let identity = permit.identity();
    if !permit.handler().accumulates() {
        let later = past.later(permit, request, made).await?;
        return Ok(later.iter().flatten().any(|made| {
            made.actor
                .as_deref()
                .is_some_and(|actor| identity.is_actor(actor))
                && made_by(made, request)
        }));
    }
    let Some(device) = identity.device() else {
        return Ok(false);
    };
    let later = past.later(permit, request, stored.version).await?;
    Ok(later
        .iter()
        .flatten()
        .any(|made| made.actor.as_deref() == Some(device.as_str()) && made_by(made, request)))
}

/// Whether a request like this one made the revision.
fn made_by(made: &Revision, request: &Request) -> bool {
    let operation = match request.intent {
        Intent::Update(_) => Operation::Update,
        Intent::Delete(_) => Operation::Delete,
    };
    made.operation == operation && is_of(&made.request, &request.digest)
}

fn is_of(asked: &Option<Asked>, digest: &str) -> bool {
    asked.as_ref().is_some_and(|asked| asked.digest == digest)
}
