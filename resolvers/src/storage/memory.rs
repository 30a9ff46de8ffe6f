//! The reference store: the executable meaning of [`super::Storage`].
//!
//! Everything is under one lock and every read walks everything; it is for tests, and for being read.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use tokio::sync::watch;

use driftless_conflict_handlers::{Record, Timestamp, Version};

use super::attributes::{self, Attributes, compare};
use super::{
    Expected, Horizon, Key, Page, Place, Position, Put, Query, Revision, Scope, Storage,
    StorageError, SyncCursor, SyncFrom, SyncPage, SyncPlace, SyncQuery, TICK_AFTER, Write,
};
use crate::clock::Clock;
use crate::feed::{Event, Feed, Seq, Stretch};
use crate::schema::Schema;
use crate::schema::model::Model;
use crate::sync::{self, LogState};

mod journal;
mod upkeep;

pub use upkeep::Backup;

/// Records in memory, gone with the process.
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    conflicts: journal::Conflicts,
}

#[derive(Default)]
struct State {
    shelves: HashMap<String, Shelf>,
    /// The shelf of a model, by its name in a schema that was served.
    names: HashMap<String, String>,
    secrets: HashMap<String, [u8; 32]>,
}

/// What is kept of one model.
#[derive(Default)]
struct Shelf {
    kept: Kept,
    hints: watch::Sender<Seq>,
}

/// What a backup holds of one model.
#[derive(Clone, Default)]
struct Kept {
    records: BTreeMap<Key, Stored>,
    log: Vec<LogRow>,
    /// A `lastSync` from before this time is answered with everything.
    epoch_start: Timestamp,
    /// The version before the first one of a record.
    version_offset: u32,
}

#[derive(Clone)]
struct Stored {
    record: Record,
    seq: Seq,
    /// Where in the log it came into being.
    first: Seq,
}

#[derive(Clone)]
struct LogRow {
    seq: Seq,
    changed: Timestamp,
    /// `None` is an idle tick.
    write: Option<(Key, Revision)>,
}

impl LogRow {
    /// What subscribers are told of it; nothing of a tick.
    fn event(&self) -> Option<Event> {
        let (_, revision) = self.write.as_ref()?;
        Some(revision.clone().event(self.seq))
    }
}

impl Memory {
    /// An empty store that reads the time from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Memory {
            clock,
            state: Mutex::default(),
            conflicts: journal::Conflicts::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_shelf<T>(&self, model: &Model, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(
            self.state()
                .shelves
                .entry(model.stored_name().to_owned())
                .or_default(),
        )
    }

    fn put_now(&self, model: &Model, write: Write) -> Result<Put, StorageError> {
        let now = self.clock.now();
        self.with_shelf(model, |shelf| {
            let put = shelf.kept.put(write, now);
            shelf.hints.send_replace(shelf.kept.head());
            put
        })
    }

    fn sync_now(&self, model: &Model, query: &SyncQuery) -> SyncPage {
        let wall = self.clock.now();
        self.with_shelf(model, |shelf| shelf.kept.sync(query, wall))
    }
}

impl Kept {
    fn head(&self) -> Seq {
        self.log.last().map_or(Seq(0), |row| row.seq)
    }

    fn head_time(&self) -> Timestamp {
        self.log.last().map_or(Timestamp(0), |row| row.changed)
    }

    fn put(&mut self, write: Write, now: Timestamp) -> Result<Put, StorageError> {
        let stored = self.records.get(&write.key).map(|stored| &stored.record);
        let version = match (write.expected, stored) {
            (Expected::Absent, None) => Version(self.version_offset + 1),
            (Expected::Version(version), Some(record)) if record.version == version => {
                version.next().ok_or_else(|| spent(&write.key))?
            }
            (_, other) => return Ok(Put::Stale(other.cloned())),
        };
        let record = Record {
            fields: write.fields,
            version,
            last_changed_at: now.max(self.head_time()),
            deleted: write.deleted,
        };
        let revision = Revision {
            operation: write.operation,
            record: record.clone(),
            actor: write.actor,
            request: write.request,
        };
        let write_row = Some((write.key.clone(), revision));
        self.append(record.last_changed_at, write_row);
        let seq = self.head();
        let stored = Stored {
            record: record.clone(),
            seq,
            first: self.records.get(&write.key).map_or(seq, |it| it.first),
        };
        self.records.insert(write.key, stored);
        Ok(Put::Done(record))
    }

    fn tick(&mut self, wall: Timestamp) {
        if self.log.is_empty() || wall.0 - self.head_time().0 > TICK_AFTER {
            self.append(wall.max(self.head_time()), None);
        }
    }

    fn append(&mut self, changed: Timestamp, write: Option<(Key, Revision)>) {
        self.append_at(Seq(self.head().0 + 1), changed, write);
    }

    fn append_at(&mut self, seq: Seq, changed: Timestamp, write: Option<(Key, Revision)>) {
        self.log.push(LogRow {
            seq,
            changed,
            write,
        });
    }

    /// Where a sync goes on from, or starts.
    fn cursor(&mut self, from: &SyncFrom, wall: Timestamp) -> SyncCursor {
        let (last_sync, overlap, window) = match from {
            SyncFrom::Next(cursor) => return cursor.clone(),
            SyncFrom::First {
                last_sync,
                overlap,
                window,
            } => (*last_sync, *overlap, *window),
        };
        self.tick(wall);
        let log = LogState {
            head: self.head_time(),
            wall,
            epoch_start: self.epoch_start,
            purged: Timestamp(0),
        };
        SyncCursor {
            place: SyncPlace::start(sync::choose(last_sync, overlap, window, log)),
            horizon: self.head(),
            started_at: sync::started_at(log),
        }
    }

    fn sync(&mut self, query: &SyncQuery, wall: Timestamp) -> SyncPage {
        let cursor = self.cursor(&query.from, wall);
        let rest = self.changes(&cursor.place);
        let mut matching = rest
            .into_iter()
            .filter(|(_, stored)| cursor.reaches(stored.first))
            .filter(|(_, stored)| query.rows.matches(&stored.record))
            .filter(|(_, stored)| query.filter.matches(&stored.record));
        let page: Vec<_> = matching.by_ref().take(query.limit).collect();
        let next = page
            .last()
            .filter(|_| matching.next().is_some())
            .and_then(|(key, stored)| cursor.after(key, &stored.record, stored.seq));
        let records = page.into_iter().map(|(_, stored)| stored.record.clone());
        SyncPage {
            records: records.collect(),
            next,
            started_at: cursor.started_at,
        }
    }

    fn since(&self, after: Seq, limit: usize) -> Stretch {
        let start = self.log.partition_point(|row| row.seq <= after);
        let mut stretch = Stretch {
            events: Vec::new(),
            next: after,
            whole: true,
        };
        for row in &self.log[start..] {
            if stretch.events.len() >= limit {
                break;
            }
            stretch.whole &= row.seq.0 == stretch.next.0 + 1;
            stretch.next = row.seq;
            stretch.events.extend(row.event());
        }
        stretch
    }

    /// The records after a place, in the place's order.
    fn changes(&self, place: &SyncPlace) -> Vec<(&Key, &Stored)> {
        let all = self.records.iter();
        match place {
            SyncPlace::Base(after) => all.filter(|(key, _)| *key > after).collect(),
            SyncPlace::Delta(time, seq) => {
                let place = |stored: &Stored| (stored.record.last_changed_at, stored.seq);
                let mut changed: Vec<_> = all
                    .filter(|(_, stored)| place(stored) > (*time, *seq))
                    .collect();
                changed.sort_by_key(|(_, stored)| place(stored));
                changed
            }
        }
    }

    fn horizon(&self) -> Horizon {
        Horizon {
            seq: self.head(),
            changed: self.head_time(),
        }
    }

    /// Everything in the scope that was there at the horizon, in the order in which it is read.
    fn walk(
        &self,
        model: &Model,
        scope: &Scope,
        horizon: Seq,
    ) -> Result<Vec<(Place, &Record)>, StorageError> {
        let all = self
            .records
            .iter()
            .filter(|(_, stored)| stored.first <= horizon);
        let standing = |key: &Key, sort| Place::Standing {
            sort,
            key: key.clone(),
        };
        let Scope::Index {
            index,
            partition,
            sort: tests,
            ..
        } = scope
        else {
            return Ok(all
                .map(|(key, stored)| (standing(key, Value::Null), &stored.record))
                .collect());
        };
        let attributes = Attributes::of(model, super::key_fields(model, index.as_deref())?);
        let mut found: Vec<_> = all
            .filter_map(|(key, stored)| {
                let (own, sort) = attributes.entry(key, &stored.record.fields)?;
                if compare(&own, partition).is_ne() || !attributes::passes(tests, &sort) {
                    return None;
                }
                let is_sorted = attributes.sort.is_some();
                let place = if is_sorted && self.has_moved(&attributes, key, horizon) {
                    Place::Moved(key.clone())
                } else {
                    standing(key, sort)
                };
                Some((place, &stored.record))
            })
            .collect();
        found.sort_by(|(left, _), (right, _)| order(scope, left, right));
        Ok(found)
    }

    /// Whether a record has had another place in an index since a position of the log. Where so much was trimmed that nobody
    /// can tell, it has if it was written since.
    fn has_moved(&self, attributes: &Attributes, key: &Key, since: Seq) -> bool {
        let images = self.log.iter().filter_map(|row| {
            let (_, revision) = row.write.as_ref().filter(|(of, _)| of == key)?;
            Some((row.seq, attributes.entry(key, &revision.record.fields)))
        });
        let images: Vec<_> = images.collect();
        match images.first() {
            Some((first, _)) if *first <= since => images
                .windows(2)
                .any(|pair| pair[1].0 > since && !same(&pair[0].1, &pair[1].1)),
            _ => self.records.get(key).is_some_and(|it| it.seq > since),
        }
    }

    fn query(&self, model: &Model, query: &Query) -> Result<Page, StorageError> {
        let after = query.after.as_ref();
        let horizon = after.map_or_else(|| self.horizon(), |after| after.horizon);
        if self.head() < horizon.seq {
            let reason = "the log ends before the first page of the query".to_owned();
            return Err(StorageError::Unavailable(reason));
        }
        let is_after = |place: &Place| {
            after.is_none_or(|after| order(&query.scope, place, &after.place).is_gt())
        };
        let mut rest = self
            .walk(model, &query.scope, horizon.seq)?
            .into_iter()
            .filter(|(place, record)| is_after(place) && query.rows.matches(record))
            .filter(|(_, record)| query.filter.matches(record));
        let page: Vec<_> = rest.by_ref().take(query.limit).collect();
        let next = page
            .last()
            .filter(|_| rest.next().is_some())
            .map(|(place, _)| Position {
                place: place.clone(),
                horizon,
            });
        let records = page.into_iter().map(|(_, record)| record.clone()).collect();
        Ok(Page { records, next })
    }
}

/// The order of a scope.
fn order(scope: &Scope, left: &Place, right: &Place) -> Ordering {
    match (left, right) {
        (
            Place::Standing { sort, key },
            Place::Standing {
                sort: other_sort,
                key: other_key,
            },
        ) => {
            let order = compare(sort, other_sort).then_with(|| key.cmp(other_key));
            match scope {
                Scope::Index { descending, .. } if *descending => order.reverse(),
                _ => order,
            }
        }
        (Place::Standing { .. }, Place::Moved(_)) => Ordering::Less,
        (Place::Moved(_), Place::Standing { .. }) => Ordering::Greater,
        (Place::Moved(key), Place::Moved(other)) => key.cmp(other),
    }
}

/// Whether two images of a record have one place in an index.
fn same(one: &Option<(Value, Value)>, other: &Option<(Value, Value)>) -> bool {
    match (one, other) {
        (Some((partition, sort)), Some((other_partition, other_sort))) => {
            compare(partition, other_partition).is_eq() && compare(sort, other_sort).is_eq()
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn spent(key: &Key) -> StorageError {
    StorageError::Corrupt(format!("record {} has used up its versions", key.0))
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    std::future::ready(value).boxed()
}

impl Storage for Memory {
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>> {
        let models = schema.models.values();
        let names = models.map(|model| (model.name.clone(), model.stored_name().to_owned()));
        self.state().names.extend(names);
        ready(Ok(()))
    }

    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>> {
        ready(Ok(self.with_shelf(model, |shelf| {
            keys.iter()
                .map(|key| {
                    shelf
                        .kept
                        .records
                        .get(key)
                        .map(|stored| stored.record.clone())
                })
                .collect()
        })))
    }

    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        ready(self.with_shelf(model, |shelf| shelf.kept.query(model, query)))
    }

    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>> {
        ready(Ok(self.sync_now(model, query)))
    }

    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>> {
        ready(self.put_now(model, write))
    }

    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>> {
        ready(Ok(self.with_shelf(model, |shelf| {
            let log = shelf.kept.log.iter();
            log.filter_map(|row| row.write.as_ref())
                .find(|(of, revision)| of == key && revision.record.version == version)
                .map(|(_, revision)| revision.clone())
        })))
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>> {
        let mut fresh = [0; 32];
        if SystemRandom::new().fill(&mut fresh).is_err() {
            let reason = "the system gives no random bytes".to_owned();
            return ready(Err(StorageError::Unavailable(reason)));
        }
        let mut state = self.state();
        ready(Ok(*state.secrets.entry(name.to_owned()).or_insert(fresh)))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        ready(Ok(()))
    }
}

impl Feed for Memory {
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>> {
        ready(Ok(self.with_shelf(model, |shelf| shelf.kept.head())))
    }

    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Stretch, StorageError>> {
        ready(Ok(
            self.with_shelf(model, |shelf| shelf.kept.since(after, limit))
        ))
    }

    fn hints(&self, model: &Model) -> watch::Receiver<Seq> {
        self.with_shelf(model, |shelf| shelf.hints.subscribe())
    }
}
