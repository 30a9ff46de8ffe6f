//! The storage port: versioned records, written by compare-and-swap and read by key, index, or what changed.
//!
//! [`memory::Memory`] is the executable meaning of the trait; the SQL stores pass the same contract tests.

pub mod attributes;
pub mod memory;

use std::sync::Arc;

use driftless_conflict_handlers::{Fields, Record, Timestamp, Version};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Number, Value};

use crate::asked::Asked;
use crate::feed::{Event, Operation, Seq};
use crate::filter::{Filter, Test};
use crate::schema::Schema;
use crate::schema::model::{Base, KeyFields, Model};
use crate::sync::Choice;

/// The records of a page weigh at most so many bytes unless something else is said (`errata.md` row 39).
pub const PAGE_BYTES: usize = 32 << 20;

/// How long a model's log may be idle before a first sync page adds a tick to it, in milliseconds: `startedAt` then
/// stays near the present, durably (`sync-design.md` 6.3).
pub const TICK_AFTER: i64 = 10_000;

/// The fields of an index of `model` by name; `None` is the primary key.
pub fn key_fields<'a>(
    model: &'a Model,
    index: Option<&str>,
) -> Result<&'a KeyFields, StorageError> {
    let Some(name) = index else {
        return Ok(&model.key);
    };
    model
        .index(name)
        .map(|index| &index.key)
        .ok_or_else(|| StorageError::Corrupt(format!("model {} has no index {name}", model.name)))
}

/// A record's primary key in its canonical form: a JSON array of the key fields' values in key order, e.g.
/// `["p1"]` or `["sku-1","eu",3]`. Unlike AppSync's `a#b` it cannot collide, whatever the values hold, and a number has
/// one text whatever literal it was sent as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub String);

impl Key {
    /// The key of a record of `model`, or the name of the first key field that is missing. The text of a number is the
    /// number where the field is one: the API calls every `id` an `ID`, and clients do so too (`client-native` R25).
    pub fn of<'a>(model: &'a Model, fields: &Fields) -> Result<Key, &'a str> {
        let mut values = Vec::with_capacity(1 + model.key.sort.len());
        for name in model.key.fields() {
            match fields.get(name) {
                None | Some(Value::Null) => return Err(name),
                Some(value) => values.push(as_number(model, name, value)),
            }
        }
        Ok(Key::from_values(&values))
    }

    /// The key that has these values, in key order.
    #[must_use]
    pub fn from_values(values: &[Value]) -> Key {
        let texts = values.iter().map(|value| match value {
            Value::Number(number) => attributes::number(number),
            other => other.to_string(),
        });
        Key(format!("[{}]", texts.collect::<Vec<_>>().join(",")))
    }
}

/// A value for a key field; text becomes a number where the field is one.
fn as_number(model: &Model, name: &str, value: &Value) -> Value {
    let numeric = model
        .fields
        .get(name)
        .is_some_and(|field| matches!(&field.ty.base, Base::Scalar(scalar) if scalar.is_number()));
    let number = value.as_str().filter(|_| numeric);
    let number = number.and_then(|text| text.parse::<Number>().ok());
    number.map_or_else(|| value.clone(), Value::Number)
}

/// So many queries of one batch run at the same time where a store has no better way.
const CONCURRENT_QUERIES: usize = 8;

/// What must be stored for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No record, or only the shell of a purged tombstone.
    Absent,
    /// Exactly this version.
    Version(Version),
}

/// One write: the whole next image of a record. Decided outside any transaction, so it holds no logic.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// What must be stored now; otherwise nothing happens and the answer is [`Put::Stale`].
    pub expected: Expected,
    /// What the write is, for the log.
    pub operation: Operation,
    /// The document after the write.
    pub fields: Fields,
    /// Whether the record is a tombstone after the write.
    pub deleted: bool,
    /// Who asked for it ([`crate::identity::Identity::principal`]), for the log.
    pub actor: Option<String>,
    /// The client's request.
    pub request: Option<Asked>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// Committed: the record as stored, with the version and time the store gave it.
    Done(Record),
    /// Something else is stored than expected (the second value); nothing was written.
    Stale(Option<Record>),
}

/// One row of a record's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The write's kind.
    pub operation: Operation,
    /// The image after the write.
    pub record: Record,
    /// Who wrote it.
    pub actor: Option<String>,
    /// The request that caused it.
    pub request: Option<Asked>,
}

impl Revision {
    /// The write as an event of its log, at this place.
    #[must_use]
    pub fn event(self, seq: Seq) -> Event {
        Event {
            seq,
            operation: self.operation,
            record: Arc::new(self.record),
            selected: self.request.and_then(|asked| asked.selected),
        }
    }
}

/// A read of many records by filter or by key.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which records, in which order.
    pub scope: Scope,
    /// The records that are there for whoever asks. All others count for nothing: a page is not short because of them.
    pub rows: Filter,
    /// Which of them.
    pub filter: Filter,
    /// At most so many matching records, at least 1.
    pub limit: usize,
    /// Go on after this place.
    pub after: Option<Position>,
}

/// The records a query walks over.
#[derive(Debug, Clone, PartialEq)]
pub enum Scope {
    /// Every record, in key order.
    Table,
    /// The records with this partition value, ordered by sort value, then key. Records without the attributes of the
    /// index are not in it.
    Index {
        /// The name of the index; `None` is the primary key.
        index: Option<String>,
        /// The value of the partition field.
        partition: Value,
        /// Tests the sort value must pass, all of them. Several sort fields are one string, joined with `#`
        /// (`transformer.md` 5).
        sort: Vec<Test>,
        /// Descending order.
        descending: bool,
    },
}

/// Where a page ended: enough to go on after it by range, whatever was written meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// Behind which record.
    pub place: Place,
    /// Where the log ended when the first page was read.
    pub horizon: Horizon,
}

/// A place among the records of a query.
///
/// First come the records that stand where they stood at the horizon, in the order of the scope. Then, in an index with sort
/// fields, those that have moved in it since: they are told apart because one that is moved ahead of the reader again and
/// again would be read again and again, and one that is moved behind it never. What has moved since stays among those that
/// have, and their order, that of their keys, does not change: so both parts end, and hide none (`sync-design.md` D5).
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Among the records that stand where they stood.
    Standing {
        /// The sort value of the last record (index scopes only; `Null` otherwise).
        sort: Value,
        /// The key of the last record.
        key: Key,
    },
    /// Among those that have moved: behind this key, which is empty at their beginning.
    Moved(Key),
}

impl Place {
    /// The key of the last record.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Place::Standing { key, .. } | Place::Moved(key) => key,
        }
    }
}

/// The end of a model's log at one moment. Records that come into being behind it are for a query that is begun anew, so that
/// the one that began there ends however fast they are made (`sync-design.md` D5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The position of the last row.
    pub seq: Seq,
    /// Its time: what changed later in the log has no earlier one.
    pub changed: Timestamp,
}

/// A page of a query. It may hold fewer records than asked for and still have a continuation (scan bound).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The matching records.
    pub records: Vec<Record>,
    /// Where to go on, `None` at the end.
    pub next: Option<Position>,
}

/// A sync read.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncQuery {
    /// First page or continuation.
    pub from: SyncFrom,
    /// The records that are there for whoever asks ([`Query::rows`]).
    pub rows: Filter,
    /// Which records (tombstones are matched by the fields they keep).
    pub filter: Filter,
    /// At most so many records, at least 1.
    pub limit: usize,
}

/// Where a sync read starts.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncFrom {
    /// The first page; the store chooses base or delta with [`crate::sync::choose`] in the same snapshot as the page.
    First {
        /// What the client sent, in milliseconds; `None` asks for everything.
        last_sync: Option<i64>,
        /// How far to reach back before `last_sync`, in milliseconds, for clients that send their own clock.
        overlap: i64,
        /// The configured delta window in milliseconds; `None` is unlimited.
        window: Option<i64>,
    },
    /// A later page.
    Next(SyncCursor),
}

/// The state of a sync between its pages; carried in the sealed token.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncCursor {
    /// Where the next page starts.
    pub place: SyncPlace,
    /// The log position of page one. A delta ends there, and a base sync leaves out what came into being after it, so that
    /// both end under any load (`sync-design.md` D5, R2).
    pub horizon: Seq,
    /// Page one's `startedAt`.
    pub started_at: Timestamp,
}

/// The place of a [`SyncCursor`].
#[derive(Debug, Clone, PartialEq)]
pub enum SyncPlace {
    /// Base: keyset on the primary key, in canonical text order.
    Base(Key),
    /// Delta: keyset on (changed, seq).
    Delta(Timestamp, Seq),
}

impl SyncPlace {
    /// Before the first record of a base or delta sync.
    #[must_use]
    pub fn start(choice: Choice) -> SyncPlace {
        match choice {
            Choice::Base => SyncPlace::Base(Key(String::new())),
            Choice::Delta(after) => SyncPlace::Delta(after, Seq(i64::MAX)),
        }
    }
}

impl SyncCursor {
    /// Whether a record that came into being at `first` is for this sync. One that did so after page one of a base sync is
    /// not: it comes with the next delta and by subscription, and without it a base sync ends however fast records are made
    /// and changed ahead of it (`sync-design.md` D5).
    #[must_use]
    pub fn reaches(&self, first: Seq) -> bool {
        match self.place {
            SyncPlace::Base(_) => first <= self.horizon,
            SyncPlace::Delta(..) => true,
        }
    }

    /// The cursor of the page after the one that ends with this record, or `None` where a delta has passed its horizon
    /// (`sync-design.md` R2).
    #[must_use]
    pub fn after(&self, key: &Key, record: &Record, seq: Seq) -> Option<SyncCursor> {
        let place = match &self.place {
            SyncPlace::Base(_) => SyncPlace::Base(key.clone()),
            SyncPlace::Delta(..) if seq >= self.horizon => return None,
            SyncPlace::Delta(..) => SyncPlace::Delta(record.last_changed_at, seq),
        };
        Some(SyncCursor {
            place,
            ..self.clone()
        })
    }
}

/// A page of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPage {
    /// The newest state of each record, tombstones included.
    pub records: Vec<Record>,
    /// The rest, `None` at the end.
    pub next: Option<SyncCursor>,
    /// The value every page of this sync reports.
    pub started_at: Timestamp,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The store cannot be reached, is starting or is overloaded; trying again later makes sense.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store took too long.
    #[error("the store did not answer in time: {0}")]
    Timeout(String),
    /// The stored data or an answer is not what this program wrote.
    #[error("the store holds unexpected data: {0}")]
    Corrupt(String),
}

/// Versioned records.
///
/// Guarantees (`sync-design.md` section 2): writes of one model commit one after another; a reader that sees the log's
/// head sees every write up to it; `_lastChangedAt` never runs backwards within a model; a committed write yields
/// exactly one version and one log row, atomically.
pub trait Storage: Send + Sync {
    /// Makes the store ready for a schema: tables, columns and indexes of new models. Never removes data.
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>>;

    /// The records with these keys, in the order of the keys; tombstones included.
    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>>;

    /// A page of records; tombstones included. A later page is not read where the log ends before the first one's horizon, as
    /// at a replica that lags: it would hide what is not there yet ([`StorageError::Unavailable`]).
    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>>;

    /// A page for every query, in their order: what relations lead to from the records of a page.
    fn query_all<'a>(
        &'a self,
        model: &'a Model,
        queries: &'a [Query],
    ) -> BoxFuture<'a, Result<Vec<Page>, StorageError>> {
        let pages: Vec<_> = queries
            .iter()
            .map(|query| self.query(model, query))
            .collect();
        stream::iter(pages)
            .buffered(CONCURRENT_QUERIES)
            .try_collect()
            .boxed()
    }

    /// A page of a base or delta sync.
    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>>;

    /// Compare and swap. The answer comes after the commit is durable.
    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>>;

    /// The log row that made this version of a record, while the log still holds it.
    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>>;

    /// A secret of 32 random bytes kept under a name: made by whoever asks first, the same for all nodes and restarts.
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>>;

    /// Whether the store answers now (for readiness probes).
    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>>;
}
