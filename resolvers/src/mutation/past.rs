//! What the log tells of the time between the version a client saw and the stored one. Read only where a strategy or an
//! option asks for it.

use driftless_conflict_handlers::{Needs, Record, Step, Version};

use super::request::Request;
use crate::authz::WritePermit;
use crate::storage::{Revision, StorageError};

/// How many versions are looked back at most: one read of the log for each.
const LOOK_BACK: u32 = 64;

/// What has been read so far; versions below the stored one never change again, so nothing is read twice.
#[derive(Default)]
pub(super) struct Past {
    base: Option<Option<Record>>,
    steps: Vec<Step>,
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
        if needs.steps && stored.version.0 - seen.0 <= LOOK_BACK {
            let known = self.steps.last().map_or(seen, |step| step.record.version);
            for version in known.0 + 1..=stored.version.0 {
                match permit.revision(&request.key, Version(version)).await? {
                    Some(revision) => self.steps.push(step(revision)),
                    None => {
                        // The log is cut: what is left of it would tell half the story.
                        self.steps.clear();
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The record as the client saw it.
    pub(super) fn base(&self) -> Option<&Record> {
        self.base.as_ref()?.as_ref()
    }

    /// Every version since then, oldest first.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn step(revision: Revision) -> Step {
    Step {
        record: revision.record,
        writer: revision.actor,
    }
}
