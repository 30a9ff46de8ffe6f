//! Pages of a sync: base or delta, from a snapshot of the log's state.

use driftless_resolvers::Timestamp;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{
    StorageError, SyncCursor, SyncFrom, SyncPage, SyncPlace, SyncQuery, TICK_AFTER,
};
use driftless_resolvers::sync::{self, LogState};

use super::database::{Dialect, Row};
use super::filter_sql::Tested;
use super::narrow::Narrowing;
use super::page::{Collected, Reader};
use super::range;
use super::rows::{Hit, log_state, page_hits};
use super::sql::SqlStore;
use super::statements::{self, Range, STATE_COLUMNS};
use super::table::Table;

impl SqlStore {
    /// A page of a sync.
    pub(super) async fn sync_page(
        &self,
        model: &Model,
        query: &SyncQuery,
    ) -> Result<SyncPage, StorageError> {
        let table = self.table(model)?;
        let mut reader = self.reader(&query.rows, &query.filter, query.limit);
        let way = Way {
            narrowing: Narrowing::of(model, &table, reader.filter()),
            table: &table,
        };
        let (mut cursor, mut answer) = match &query.from {
            SyncFrom::Next(cursor) => {
                let answer = self.changes(&way, cursor, &reader).await?;
                (cursor.clone(), answer)
            }
            SyncFrom::First {
                last_sync,
                overlap,
                window,
            } => {
                let start = Start {
                    last_sync: *last_sync,
                    overlap: *overlap,
                    window: *window,
                };
                self.start(&way, &start, &reader).await?
            }
        };
        loop {
            let after = |hit: &Hit| cursor.after(&hit.key, &hit.record, hit.seq);
            let Answer { want, tested, hits } = answer;
            let (records, next) = match reader.take(want, tested, hits, |_| true) {
                Collected::Page { records, last } => (records, last.as_ref().and_then(after)),
                Collected::More(last) => match after(&last) {
                    Some(next) => {
                        cursor = next;
                        answer = self.changes(&way, &cursor, &reader).await?;
                        continue;
                    }
                    None => (reader.into_records(), None),
                },
                Collected::End => (reader.into_records(), None),
            };
            return Ok(SyncPage {
                records,
                next,
                started_at: cursor.started_at,
            });
        }
    }

    /// What changed after a cursor.
    async fn changes(
        &self,
        way: &Way<'_>,
        cursor: &SyncCursor,
        reader: &Reader,
    ) -> Result<Answer, StorageError> {
        let snapshot = self.snapshot(way, &cursor.place, Some(cursor.horizon), reader);
        snapshot.await?.answer(&cursor.place, reader)
    }

    /// The first page. Base or delta is guessed from the request, read together with the log's state in one snapshot,
    /// and read again if that state says otherwise or the log was idle for too long.
    async fn start(
        &self,
        way: &Way<'_>,
        start: &Start,
        reader: &Reader,
    ) -> Result<(SyncCursor, Answer), StorageError> {
        let mut place = way.turned(start.place(UNBOUNDED));
        loop {
            let snapshot = self.snapshot(way, &place, None, reader).await?;
            let Snapshot { log, head, .. } = snapshot;
            if head.0 == 0 || log.wall.0 - log.head.0 > TICK_AFTER {
                match self.engine().tick(way.table).await {
                    Ok(()) => continue,
                    // A full disk, or a database that only reads: an older `startedAt` promises less and is no harm.
                    Err(StorageError::Unavailable(reason)) if head.0 > 0 => {
                        tracing::warn!(
                            reason,
                            "the store takes no writes; it is read without a tick"
                        );
                    }
                    Err(error) => return Err(error),
                }
            }
            let chosen = way.turned(start.place(log));
            if !covers(&place, &chosen) {
                place = chosen;
                continue;
            }
            let answer = snapshot.answer(&place, reader)?;
            let cursor = SyncCursor {
                place,
                horizon: head,
                started_at: sync::started_at(log),
            };
            return Ok((cursor, answer));
        }
    }

    /// A page and the state of the log at one time, which is not before anything that clients were told by this process,
    /// nor before the first page: behind an address that leads to a replica that lags, a client would never hear of what
    /// lies between (`sync-design.md` D1, S3).
    async fn snapshot(
        &self,
        way: &Way<'_>,
        place: &SyncPlace,
        horizon: Option<Seq>,
        reader: &Reader,
    ) -> Result<Snapshot, StorageError> {
        let line = self.board().line(way.table.shard);
        // Asked before: a page need not show what is written while it is read.
        let known = line.known().max(horizon.unwrap_or_default());
        let dialect = self.engine().dialect();
        let range = way.range(dialect, place, horizon, reader);
        let tested = range.tested();
        let want = reader.want(tested);
        let wall = self.engine().wall();
        let statement = statements::sync_page(dialect, way.table, range, want, wall);
        let statement = statement.within(reader.allowance(STATE_COLUMNS));
        let rows = self.engine().rows(statement).await?;
        let (log, head) = log_state(&rows)?;
        if head < known {
            return Err(behind());
        }
        line.shows(head);
        Ok(Snapshot {
            log,
            head,
            want,
            tested,
            rows,
        })
    }
}

/// Why whoever has seen more waits for its database.
pub(super) fn behind() -> StorageError {
    StorageError::Unavailable(
        "the database lacks writes that clients have seen, as a replica does that lags behind"
            .to_owned(),
    )
}

/// A page and the state of the log in which it was read.
struct Snapshot {
    log: LogState,
    head: Seq,
    want: usize,
    tested: Tested,
    rows: Vec<Row>,
}

impl Snapshot {
    fn answer(self, place: &SyncPlace, reader: &Reader) -> Result<Answer, StorageError> {
        Ok(Answer {
            want: self.want,
            tested: self.tested,
            hits: page_hits(&self.rows, place, |hits| reader.is_cut(hits))?,
        })
    }
}

/// What a sync walks over.
struct Way<'a> {
    table: &'a Table,
    narrowing: Option<Narrowing>,
}

impl Way<'_> {
    fn range(
        &self,
        dialect: Dialect,
        place: &SyncPlace,
        horizon: Option<Seq>,
        reader: &Reader,
    ) -> Range {
        let (filter, narrowing) = (reader.filter(), self.narrowing.as_ref());
        range::changes(dialect, place, horizon, filter, narrowing)
    }

    /// Where it begins.
    fn turned(&self, place: SyncPlace) -> SyncPlace {
        match &self.narrowing {
            Some(narrowing) => narrowing.turned(place),
            None => place,
        }
    }
}

/// The rows of a sync, and how many were asked for.
struct Answer {
    want: usize,
    tested: Tested,
    hits: Vec<Hit>,
}

/// What a client asked a sync to start from.
struct Start {
    last_sync: Option<i64>,
    overlap: i64,
    window: Option<i64>,
}

/// The state of a log that makes every `lastSync` a delta: the first guess.
const UNBOUNDED: LogState = LogState {
    head: Timestamp(i64::MAX),
    wall: Timestamp(i64::MIN),
    epoch_start: Timestamp(i64::MIN),
    purged: Timestamp(i64::MIN),
};

impl Start {
    fn place(&self, log: LogState) -> SyncPlace {
        SyncPlace::start(sync::choose(self.last_sync, self.overlap, self.window, log))
    }
}

/// Whether a sync from one place brings everything that a sync from the other one does.
fn covers(read: &SyncPlace, chosen: &SyncPlace) -> bool {
    match (read, chosen) {
        (SyncPlace::Delta(read, _), SyncPlace::Delta(chosen, _)) => read <= chosen,
        (SyncPlace::Base(_), _) => true,
        (SyncPlace::Delta(..), SyncPlace::Base(_)) => false,
    }
}
