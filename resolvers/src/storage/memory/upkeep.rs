//! What happens to a database behind the server's back: its log is trimmed, a backup is put back, an epoch begins.

use std::collections::HashMap;

use driftless_conflict_handlers::Timestamp;

use super::{Kept, Memory};
use crate::feed::Seq;
use crate::schema::model::Model;
use crate::storage::Key;
use crate::sync::FUTURE_TOLERANCE;

/// How far versions and positions jump at the start of an epoch: further than writes can have been lost.
const JUMP: u32 = 1_000_000;
/// A record whose version is above this keeps it: `_version` has 31 bits.
const HIGHEST: u32 = i32::MAX as u32 - JUMP;

/// Everything a store held at one moment.
pub struct Backup(HashMap<String, Kept>);

impl Memory {
    /// Removes the log of a model up to a position. The last row is the model's clock, so whoever trims leaves it
    /// (`sync-design.md` L8).
    pub fn trim(&self, model: &Model, up_to: Seq) {
        self.with_shelf(model, |shelf| {
            shelf.kept.log.retain(|row| row.seq > up_to);
        });
    }

    /// Removes a record, and leaves nothing in its place but its rows of the log. Devices that hold it never learn of
    /// it, and whoever makes it anew begins with a version that they have seen (`sync-design.md` L10).
    pub fn purge(&self, model: &Model, key: &Key) {
        self.with_shelf(model, |shelf| shelf.kept.records.remove(key));
    }

    /// A copy of everything, secrets aside.
    #[must_use]
    pub fn backup(&self) -> Backup {
        let state = self.state();
        let shelves = state.shelves.iter();
        Backup(
            shelves
                .map(|(model, shelf)| (model.clone(), shelf.kept.clone()))
                .collect(),
        )
    }

    /// Puts a copy in the place of everything. What was written since is lost, and clients may have seen it: an epoch
    /// has to begin before anybody is served.
    pub fn put_back(&self, backup: &Backup) {
        for (model, shelf) in &mut self.state().shelves {
            shelf.kept = backup.0.get(model).cloned().unwrap_or_default();
        }
    }

    /// Begins an epoch: every version is greater than any that was ever shown, every `lastSync` so far asks for
    /// everything, and the log goes on behind a gap (`sync-design.md` 10).
    pub fn begin_epoch(&self) {
        let wall = self.clock.now();
        for shelf in self.state().shelves.values_mut() {
            shelf.kept.begin_epoch(wall);
            shelf.hints.send_replace(shelf.kept.head());
        }
    }
}

impl Kept {
    fn begin_epoch(&mut self, wall: Timestamp) {
        let revisions = self.log.iter_mut().filter_map(|row| row.write.as_mut());
        let logged = revisions.map(|(_, revision)| &mut revision.record);
        let stored = self.records.values_mut().map(|stored| &mut stored.record);
        for record in logged.chain(stored) {
            if record.version.0 <= HIGHEST {
                record.version.0 += JUMP;
            }
        }
        if self.version_offset <= HIGHEST {
            self.version_offset += JUMP;
        }
        let latest = self.head_time().0.max(wall.0 + FUTURE_TOLERANCE);
        self.epoch_start = Timestamp(latest);
        let gap = Seq(self.head().0 + i64::from(JUMP));
        self.append_at(Seq(gap.0 + 1), Timestamp(latest + 1), None);
    }
}
