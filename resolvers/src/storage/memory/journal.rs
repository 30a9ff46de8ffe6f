//! The conflict journal of the reference store.

use std::sync::{Mutex, PoisonError};

use driftless_conflict_handlers::Recorded;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::Memory;
use crate::journal::{Journal, JournalEntry, JournalQuery, Retention};
use crate::storage::StorageError;

/// What is kept, oldest first, and the number of the last one.
#[derive(Default)]
pub(super) struct Conflicts(Mutex<(i64, Vec<JournalEntry>)>);

impl Conflicts {
    fn with<T>(&self, work: impl FnOnce(&mut i64, &mut Vec<JournalEntry>) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, entries) = &mut *kept;
        work(last, entries)
    }
}

impl Memory {
    /// The conflict with the image of the version its client saw.
    fn with_base(&self, mut conflict: Recorded) -> Recorded {
        if conflict.base.is_none()
            && let Some(version) = conflict.client_version
        {
            let state = self.state();
            // A model may be kept under the name that it had before (`@mapsTo`).
            let name = state.names.get(&conflict.model).unwrap_or(&conflict.model);
            let rows = state.shelves.get(name).map(|shelf| &shelf.kept.log);
            let mut writes = rows
                .into_iter()
                .flatten()
                .filter_map(|row| row.write.as_ref());
            let seen = writes.find(|(key, revision)| {
                key.0 == conflict.key && revision.record.version == version
            });
            conflict.base = seen.map(|(_, revision)| revision.record.clone());
        }
        conflict
    }
}

impl Journal for Memory {
    fn append<'a>(
        &'a self,
        conflicts: &'a [Recorded],
        retention: Retention,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        let conflicts: Vec<_> = conflicts
            .iter()
            .map(|conflict| self.with_base(conflict.clone()))
            .collect();
        self.conflicts.with(|last, kept| {
            let newest = conflicts.iter().map(|conflict| conflict.at.0).max();
            for conflict in conflicts {
                *last += 1;
                kept.push(JournalEntry {
                    id: *last,
                    conflict,
                });
            }
            if let Some(newest) = newest {
                kept.retain(|entry| {
                    entry.id > *last - i64::from(retention.entries)
                        && entry.conflict.at.0 >= newest - retention.age
                });
            }
        });
        ready(Ok(())).boxed()
    }

    fn conflicts<'a>(
        &'a self,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<Vec<JournalEntry>, StorageError>> {
        let wanted = |entry: &&JournalEntry| {
            let conflict = &entry.conflict;
            query
                .model
                .as_ref()
                .is_none_or(|model| *model == conflict.model)
                && query.key.as_ref().is_none_or(|key| *key == conflict.key)
                && query.before.is_none_or(|before| entry.id < before)
        };
        let found = self.conflicts.with(|_, kept| {
            let newest_first = kept.iter().rev().filter(wanted);
            newest_first.take(query.limit).cloned().collect()
        });
        ready(Ok(found)).boxed()
    }

    fn conflict(&self, id: i64) -> BoxFuture<'_, Result<Option<JournalEntry>, StorageError>> {
        let found = self
            .conflicts
            .with(|_, kept| kept.iter().find(|entry| entry.id == id).cloned());
        ready(Ok(found)).boxed()
    }
}
