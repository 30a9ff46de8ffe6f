//! What the log tells of the time between the version a client saw and the stored one. Read only where a strategy, an
//! option or the search for repetitions asks for it.

use driftless_conflict_handlers::{Needs, Record, Step, Version};

use super::request::Request;
use crate::authz::WritePermit;
use crate::storage::{Revision, StorageError};

/// How many versions are looked back at most: one read of the log for each.
const LOOK_BACK: usize = 64;

/// What has been read so far; versions below the stored one never change again, so nothing is read twice.
#[derive(Default)]
pub(super) struct Past {
    base: Option<Option<Record>>,
    /// The versions after the client's, oldest first; `None` for those that the log does not hold any more.
    later: Vec<Option<Revision>>,
}

impl Past {
    /// Reads what is needed up to the stored version.
    pub(super) async fn read(
        &mut self,
        permit: &WritePermit<'_>,
        request: &Request,
        stored: &Record,
        needs: Needs,
    ) -> Result<(), StorageError> {
        let Some(seen) = request.base().filter(|seen| *seen < stored.version) else {
            return Ok(());
        };
        if needs.base && self.base.is_none() {
            let revision = permit.revision(&request.key, seen).await?;
            self.base = Some(revision.map(|revision| revision.record));
        }
        // More would tell half the story.
        if needs.steps && between(seen, stored.version) <= LOOK_BACK {
            self.later(permit, request, stored.version).await?;
        }
        Ok(())
    }

    /// The versions after the client's up to this one, oldest first, as far as is looked back.
    pub(super) async fn later(
        &mut self,
        permit: &WritePermit<'_>,
        request: &Request,
        last: Version,
    ) -> Result<&[Option<Revision>], StorageError> {
        let seen = request.base().unwrap_or(last);
        let wanted = between(seen, last).min(LOOK_BACK);
        for version in (seen.0 + 1..=last.0).take(wanted).skip(self.later.len()) {
            let revision = permit.revision(&request.key, Version(version)).await?;
            self.later.push(revision);
        }
        Ok(&self.later[..wanted])
    }

    /// The record as the client saw it.
    pub(super) fn base(&self) -> Option<&Record> {
        self.base.as_ref()?.as_ref()
    }

    /// Every version since then up to the stored one, oldest first; none where one of them is not known.
    pub(super) fn steps(&self, stored: &Record) -> Vec<Step> {
        let newest = self.later.last().and_then(Option::as_ref);
        if newest.is_none_or(|newest| newest.record.version != stored.version) {
            return Vec::new();
        }
        let steps = self.later.iter().cloned().map(|row| row.map(step));
        steps.collect::<Option<_>>().unwrap_or_default()
    }
}

/// How many versions lie after one, up to another.
fn between(seen: Version, last: Version) -> usize {
    usize::try_from(last.0.saturating_sub(seen.0)).unwrap_or(usize::MAX)
}

fn step(revision: Revision) -> Step {
    Step {
        record: revision.record,
        writer: revision.actor,
    }
}
