//! A store bent back to a naive way of doing one thing: what its tests must notice.
//!
//! The server itself holds no such code. Every flaw is a design that a careful reader could have chosen
//! (`sync-design.md` 3); a test that passes over the store as it is and over one of these proves nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::{Feed, Operation, Seq, Stretch};
use driftless_resolvers::filter::Filter;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::memory::Memory;
use driftless_resolvers::storage::{
    Expected, Key, Page, Put, Query, Revision, Scope, Storage, StorageError, SyncCursor, SyncFrom,
    SyncPage, SyncPlace, SyncQuery, Write,
};
use driftless_resolvers::{Record, Timestamp, Version};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::stores::{HeldClock, Stand};

/// One naive way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A change has the time at which its statement ran, not that of its commit; a delta is what has a later one.
    EarlyStamp,
    /// `startedAt` is the time of the last change, which the next change may share.
    NoMinusOne,
    /// `startedAt` is the wall clock.
    WallClock,
    /// The version is compared with what was read before the lock was held.
    UnlockedRead,
    /// Nobody remembers which request made a version.
    NoHistory,
    /// Every page tells when it was itself read, so that the last page's time is kept.
    LateStartedAt,
    /// The next page is so many rows further on, whatever moved meanwhile.
    Offsets,
    /// A delta or a query ends when there is nothing left.
    NoHorizon,
    /// What has moved or come into being since is asked of each page anew, and not since the first one.
    LateHorizon,
    /// All pages show what the first one saw.
    OldSnapshot,
    /// Deleted records are gone.
    HardDelete,
    /// A subscription begins where the log ends when the tailer first wakes up.
    LateCursor,
    /// Events of a batch are told in any order.
    Reordered,
    /// Events are told again when the log is read again.
    Doubled,
    /// Who follows the log does not see that rows are gone.
    GapBlind,
    /// Nothing is told to DataStore in JavaScript twice.
    NoRepairs,
    /// A write is acknowledged before it is known to be committed.
    Swallowed,
    /// A store that does not answer in time counts as a failure of the request, and not as one to come back to.
    FinalErrors,
    /// What a device's own clock says is taken for the server's time.
    NoOverlap,
    /// An older state is served as if nothing was lost.
    NoEpoch,
    /// An epoch asks every device to fetch everything, and versions stay.
    EpochOfTimes,
    /// An epoch lifts the versions, and a device's `lastSync` from before is taken as it is.
    EpochOfVersions,
    /// The log is trimmed to nothing.
    TrimHead,
    /// Tombstones are purged while devices are away.
    Purge,
    /// Who makes a deleted record anew begins at version 1.
    FreshStart,
    /// A page holds the records of everybody.
    Leak,
}

/// A store that is as it was, or has one flaw; and that can be told to lose answers and hints.
pub(crate) struct Bent {
    storage: Arc<dyn Storage>,
    /// The same store, where it is the reference store.
    reference: Option<Arc<Memory>>,
    feed: Arc<dyn Feed>,
    clock: Arc<HeldClock>,
    flaw: Option<Flaw>,
    state: Mutex<State>,
    answers_to_lose: AtomicUsize,
    /// Takes the place of the store's own hints.
    hints: watch::Sender<Seq>,
    hints_are_ours: AtomicBool,
    epoch_has_begun: AtomicBool,
}

#[derive(Default)]
struct State {
    stamps: HashMap<(String, Key), Timestamp>,
    pages: Vec<SyncPage>,
    paging: Option<(SyncFrom, usize)>,
    reads: usize,
}

impl Bent {
    pub(crate) fn over(stand: &Stand, flaw: Option<Flaw>) -> Arc<Self> {
        Arc::new(Bent {
            storage: Arc::clone(&stand.storage),
            reference: stand.reference().cloned(),
            feed: Arc::clone(&stand.feed),
            clock: Arc::clone(&stand.clock),
            flaw,
            state: Mutex::default(),
            answers_to_lose: AtomicUsize::new(0),
            hints: watch::Sender::new(Seq(0)),
            hints_are_ours: AtomicBool::new(false),
            epoch_has_begun: AtomicBool::new(false),
        })
    }

    /// The next writes are committed, but whoever asked does not learn it.
    pub(crate) fn lose_answers(&self, count: usize) {
        self.answers_to_lose.store(count, Ordering::SeqCst);
    }

    /// An epoch begins, as far as this store understands it.
    pub(crate) fn begin_epoch(&self) {
        let whole = match self.flaw {
            Some(Flaw::NoEpoch | Flaw::EpochOfTimes) => None,
            _ => self.reference.as_ref(),
        };
        if let Some(reference) = whole {
            reference.begin_epoch();
        }
        self.epoch_has_begun.store(true, Ordering::SeqCst);
    }

    /// From now on the only hints are those of [`Bent::hint`].
    pub(crate) fn lose_hints(&self) {
        self.hints_are_ours.store(true, Ordering::SeqCst);
    }

    /// A hint, true or not.
    pub(crate) fn hint(&self, seq: i64) {
        self.hints.send_replace(Seq(seq));
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    async fn everything(&self, model: &Model) -> Result<Vec<Record>, StorageError> {
        let query = Query {
            scope: Scope::Table,
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: 10_000,
            after: None,
        };
        Ok(self.storage.query(model, &query).await?.records)
    }

    /// [`Flaw::UnlockedRead`].
    async fn put_unlocked(&self, model: &Model, mut write: Write) -> Result<Put, StorageError> {
        let read = self.one(model, &write.key).await?;
        let expected = read.as_ref().map(|record| record.version);
        if expected != version(write.expected) {
            return Ok(Put::Stale(read));
        }
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        loop {
            let now = self.one(model, &write.key).await?;
            write.expected =
                now.map_or(Expected::Absent, |record| Expected::Version(record.version));
            if let Put::Done(record) = self.storage.put(model, write.clone()).await? {
                return Ok(Put::Done(record));
            }
        }
    }

    async fn one(&self, model: &Model, key: &Key) -> Result<Option<Record>, StorageError> {
        let found = self.storage.get(model, std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// [`Flaw::EarlyStamp`], the half that writes.
    async fn put_stamped(&self, model: &Model, write: Write) -> Result<Put, StorageError> {
        let key = write.key.clone();
        // Whoever holds the clock holds the writer between stamp and commit, and others pass by.
        let stamp = if self.clock.holds_next() {
            let clock = Arc::clone(&self.clock);
            let read = tokio::task::spawn_blocking(move || clock.now()).await;
            read.expect("reading a clock does not panic")
        } else {
            self.clock.now()
        };
        let put = self.storage.put(model, write).await?;
        if matches!(put, Put::Done(_)) {
            self.state().stamps.insert((model.name.clone(), key), stamp);
        }
        Ok(put)
    }

    /// [`Flaw::EarlyStamp`], the half that reads.
    async fn sync_stamped(
        &self,
        model: &Model,
        last_sync: Option<i64>,
    ) -> Result<SyncPage, StorageError> {
        let all = self.everything(model).await?;
        let state = self.state();
        let stamp = |record: &Record| {
            let key = Key::of(model, &record.fields).expect("a stored record has its key");
            let stamp = state.stamps.get(&(model.name.clone(), key));
            stamp.copied().unwrap_or(record.last_changed_at)
        };
        let newest = all.iter().map(stamp).max().unwrap_or(Timestamp(1));
        let changed = all
            .into_iter()
            .filter(|record| last_sync.is_none_or(|last| stamp(record).0 > last));
        Ok(SyncPage {
            records: changed.collect(),
            next: None,
            started_at: Timestamp(newest.0 - 1),
        })
    }

    /// [`Flaw::OldSnapshot`].
    async fn sync_snapshot(
        &self,
        model: &Model,
        query: &SyncQuery,
    ) -> Result<SyncPage, StorageError> {
        if matches!(query.from, SyncFrom::Next(_)) {
            return Ok(self.state().pages.remove(0));
        }
        let mut pages = vec![self.storage.sync(model, query).await?];
        while let Some(next) = pages.last().and_then(|page| page.next.clone()) {
            let query = SyncQuery {
                from: SyncFrom::Next(next),
                ..query.clone()
            };
            pages.push(self.storage.sync(model, &query).await?);
        }
        let first = pages.remove(0);
        self.state().pages = pages;
        Ok(first)
    }

    /// [`Flaw::Offsets`].
    async fn sync_by_offset(
        &self,
        model: &Model,
        query: &SyncQuery,
    ) -> Result<SyncPage, StorageError> {
        let (from, offset) = match (&query.from, self.state().paging.take()) {
            (SyncFrom::Next(_), Some(paging)) => paging,
            (from, _) => (from.clone(), 0),
        };
        let whole = SyncQuery {
            from: from.clone(),
            rows: query.rows.clone(),
            filter: query.filter.clone(),
            limit: 10_000,
        };
        let mut page = self.storage.sync(model, query).await?;
        let rest = self.storage.sync(model, &whole).await?.records;
        page.records = rest
            .iter()
            .skip(offset)
            .take(query.limit)
            .cloned()
            .collect();
        let end = offset + query.limit;
        if end >= rest.len() {
            page.next = None;
        }
        self.state().paging = Some((from, end));
        Ok(page)
    }

    /// What is asked of the store instead.
    async fn question(&self, model: &Model, query: &SyncQuery) -> Result<SyncQuery, StorageError> {
        let mut query = query.clone();
        let epoch_has_begun = self.epoch_has_begun.load(Ordering::SeqCst);
        match (self.flaw, &mut query.from) {
            (Some(Flaw::Leak), _) => {
                query.rows = Filter::everything();
                query.filter = Filter::everything();
            }
            (Some(Flaw::NoOverlap), SyncFrom::First { overlap, .. }) => *overlap = 0,
            (Some(Flaw::EpochOfTimes), SyncFrom::First { last_sync, .. }) if epoch_has_begun => {
                *last_sync = None;
            }
            (Some(Flaw::EpochOfVersions), SyncFrom::First { last_sync, .. }) if epoch_has_begun => {
                if let Some(last) = last_sync.take() {
                    query.from = SyncFrom::Next(self.delta_since(model, last, &query).await?);
                }
            }
            _ => {}
        }
        Ok(query)
    }

    /// A delta since then, whatever the store would choose.
    async fn delta_since(
        &self,
        model: &Model,
        last_sync: i64,
        query: &SyncQuery,
    ) -> Result<SyncCursor, StorageError> {
        let horizon = self.feed.head(model).await?;
        let started_at = self.storage.sync(model, query).await?.started_at;
        Ok(SyncCursor {
            place: SyncPlace::Delta(Timestamp(last_sync), Seq(i64::MAX)),
            horizon,
            started_at,
        })
    }

    async fn sync_bent(&self, model: &Model, query: &SyncQuery) -> Result<SyncPage, StorageError> {
        match (self.flaw, &query.from) {
            (Some(Flaw::EarlyStamp), SyncFrom::First { last_sync, .. }) => {
                return self.sync_stamped(model, *last_sync).await;
            }
            (Some(Flaw::OldSnapshot), _) => return self.sync_snapshot(model, query).await,
            (Some(Flaw::Offsets), _) => return self.sync_by_offset(model, query).await,
            _ => {}
        }
        let query = &self.question(model, query).await?;
        let mut page = self.storage.sync(model, query).await?;
        match (self.flaw, &query.from) {
            (Some(Flaw::NoMinusOne), SyncFrom::First { .. }) => {
                page.started_at.0 += 1;
                if let Some(next) = &mut page.next {
                    next.started_at = page.started_at;
                }
            }
            (Some(Flaw::WallClock), SyncFrom::First { .. }) => {
                page.started_at = self.clock.now();
                if let Some(next) = &mut page.next {
                    next.started_at = page.started_at;
                }
            }
            (Some(Flaw::LateStartedAt), SyncFrom::Next(_)) => {
                let fresh = SyncFrom::First {
                    last_sync: Some(i64::MAX / 2),
                    overlap: 0,
                    window: None,
                };
                let fresh = SyncQuery {
                    from: fresh,
                    ..query.clone()
                };
                page.started_at = self.storage.sync(model, &fresh).await?.started_at;
            }
            (Some(Flaw::NoHorizon), _) => {
                if let Some(next) = &mut page.next {
                    next.horizon = Seq(i64::MAX);
                }
            }
            (Some(Flaw::HardDelete), _) => page.records.retain(|record| !record.deleted),
            _ => {}
        }
        Ok(page)
    }

    async fn query_bent(&self, model: &Model, query: &Query) -> Result<Page, StorageError> {
        let head = self.feed.head(model).await?;
        let mut query = query.clone();
        if let (Some(Flaw::NoHorizon), Some(after)) = (self.flaw, &mut query.after) {
            after.horizon.seq = head;
        }
        let mut page = self.storage.query(model, &query).await?;
        if let (Some(Flaw::LateHorizon), Some(next)) = (self.flaw, &mut page.next) {
            next.horizon.seq = head;
        }
        Ok(page)
    }

    async fn put_bent(&self, model: &Model, mut write: Write) -> Result<Put, StorageError> {
        let answer_is_lost = self.loses_answer();
        match self.flaw {
            Some(Flaw::Swallowed) if answer_is_lost => return Ok(Put::Done(self.promised(&write))),
            Some(Flaw::FreshStart) if is_rebirth(&write) => {
                if let Some(reference) = &self.reference {
                    reference.purge(model, &write.key);
                }
                write.expected = Expected::Absent;
            }
            _ => {}
        }
        let put = match self.flaw {
            Some(Flaw::UnlockedRead) => self.put_unlocked(model, write).await,
            Some(Flaw::EarlyStamp) => self.put_stamped(model, write).await,
            _ => self.storage.put(model, write).await,
        };
        match self.flaw {
            _ if !answer_is_lost => put,
            Some(Flaw::FinalErrors) => Err(StorageError::Corrupt("no answer".to_owned())),
            _ => Err(StorageError::Unavailable("the answer is lost".to_owned())),
        }
    }

    fn loses_answer(&self) -> bool {
        let count = |left: usize| left.checked_sub(1);
        let left = &self.answers_to_lose;
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count)
            .is_ok()
    }

    /// The record that a write would make.
    fn promised(&self, write: &Write) -> Record {
        let before = version(write.expected).map_or(0, |version| version.0);
        Record {
            fields: write.fields.clone(),
            version: Version(before + 1),
            last_changed_at: self.clock.now(),
            deleted: write.deleted,
        }
    }
}

/// Whether a write makes a record anew under the id of a deleted one.
fn is_rebirth(write: &Write) -> bool {
    write.operation == Operation::Create && matches!(write.expected, Expected::Version(_))
}

fn version(expected: Expected) -> Option<Version> {
    match expected {
        Expected::Absent => None,
        Expected::Version(version) => Some(version),
    }
}

impl Storage for Bent {
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>> {
        self.storage.prepare(schema)
    }

    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>> {
        self.storage.get(model, keys)
    }

    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        self.query_bent(model, query).boxed()
    }

    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>> {
        self.sync_bent(model, query).boxed()
    }

    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>> {
        self.put_bent(model, write).boxed()
    }

    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>> {
        if self.has(Flaw::NoHistory) {
            return async { Ok(None) }.boxed();
        }
        self.storage.revision(model, key, version)
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>> {
        self.storage.secret(name)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.storage.ping()
    }
}

impl Feed for Bent {
    fn head<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Result<Seq, StorageError>> {
        self.feed.head(model)
    }

    fn since<'a>(
        &'a self,
        model: &'a Model,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Stretch, StorageError>> {
        async move {
            let mut stretch = self.feed.since(model, after, limit).await?;
            if self.has(Flaw::Reordered) {
                stretch.events.reverse();
            }
            if self.has(Flaw::Doubled) {
                let doubled = stretch
                    .events
                    .into_iter()
                    .flat_map(|event| [event.clone(), event]);
                stretch.events = doubled.collect();
            }
            stretch.whole |= self.has(Flaw::GapBlind);
            if self.has(Flaw::LateCursor) && !stretch.events.is_empty() {
                let mut state = self.state();
                state.reads += 1;
                if state.reads == 1 {
                    stretch.events.clear();
                }
            }
            Ok(stretch)
        }
        .boxed()
    }

    fn hints(&self, model: &Model) -> watch::Receiver<Seq> {
        if self.hints_are_ours.load(Ordering::SeqCst) {
            return self.hints.subscribe();
        }
        self.feed.hints(model)
    }
}
