//! What every store promises (`resolvers::storage::Storage` and `resolvers::feed::Feed`), tried on all three, and on
//! Postgres behind a pooler of transactions.

#![expect(
    clippy::unwrap_used,
    reason = "what a store must answer is what the case tests"
)]

use std::collections::{BTreeMap, HashSet};

use driftless_resolvers::feed::{Event, Operation, Seq, Stretch};
use driftless_resolvers::filter::{Filter, Test};
use driftless_resolvers::schema::model::{Model, Scalar};
use driftless_resolvers::storage::{
    Expected, Key, Put, Query, Scope, StorageError, SyncFrom, SyncPage, SyncPlace, SyncQuery, Write,
};
use driftless_resolvers::{Fields, Record, Timestamp, Version};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::models::{model, owned, schema};
use crate::support::stores::Stand;

/// Runs each case on a fresh store of every kind.
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        on_every_store!(@store memory: $($case),+);
        on_every_store!(@store sqlite: $($case),+);
        on_every_store!(@store postgres: $($case),+);
        on_every_store!(@store pooled: $($case),+);
    };
    (@store $store:ident: $($case:ident),+) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $case() {
                    let stand = crate::support::stores::Stand::$store().await;
                    super::$case(&stand).await;
                    stand.finish().await;
                }
            )+
        }
    };
}

mod batches;
mod checking;
mod clocks;
mod durable;
mod fallback;
mod filters;
mod journal;
mod laws;
mod move_laws;
mod moves;
mod queries;
mod recovery;
mod slowness;
mod syncs;
mod trimming;
mod writes;

fn post() -> Model {
    let fields = [
        ("id", Scalar::Id),
        ("title", Scalar::String),
        ("blog", Scalar::Id),
        ("rating", Scalar::Int),
        ("score", Scalar::Float),
        ("status", Scalar::String),
    ];
    let indexes: [(&str, &[&str]); 4] = [
        ("byBlog", &["blog"]),
        ("byTitle", &["blog", "title"]),
        ("byScore", &["blog", "score"]),
        ("byStatus", &["blog", "status", "rating"]),
    ];
    owned(model("Post", &fields, &["id"], &indexes), &["status"])
}

async fn ready(stand: &Stand) -> Model {
    let model = post();
    let schema = schema(&[&model]);
    stand.storage.prepare(&schema).await.unwrap();
    stand.storage.prepare(&schema).await.unwrap();
    model
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no document"),
    }
}

fn write(model: &Model, expected: Expected, document: Value) -> Write {
    let fields = fields(document);
    Write {
        key: Key::of(model, &fields).unwrap(),
        expected,
        operation: match expected {
            Expected::Absent => Operation::Create,
            Expected::Version(_) => Operation::Update,
        },
        fields,
        deleted: false,
        actor: None,
        request: None,
    }
}

async fn put(stand: &Stand, model: &Model, expected: Expected, document: Value) -> Put {
    let write = write(model, expected, document);
    stand.storage.put(model, write).await.unwrap()
}

async fn create(stand: &Stand, model: &Model, document: Value) -> Record {
    done(put(stand, model, Expected::Absent, document).await)
}

async fn update(stand: &Stand, model: &Model, version: u32, document: Value) -> Record {
    done(put(stand, model, Expected::Version(Version(version)), document).await)
}

fn done(put: Put) -> Record {
    match put {
        Put::Done(record) => record,
        Put::Stale(stored) => panic!("stale: {stored:?}"),
    }
}

fn key(id: &str) -> Key {
    Key(json!([id]).to_string())
}

async fn get(stand: &Stand, model: &Model, id: &str) -> Option<Record> {
    let found = stand.storage.get(model, &[key(id)]).await.unwrap();
    found.into_iter().next().flatten()
}

/// The first hundred events of a model's log.
async fn log(stand: &Stand, model: &Model) -> Vec<Event> {
    let log = stand.feed.since(model, Seq(0), 100).await.unwrap();
    log.events
}

fn ids(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.fields["id"].as_str().unwrap())
        .collect()
}

/// Every page of a sync, and its `startedAt`.
async fn sync(stand: &Stand, model: &Model, last_sync: Option<i64>) -> (Vec<Record>, i64) {
    let mut page = first_page(stand, model, last_sync, 3).await;
    let started_at = page.started_at;
    let mut records = std::mem::take(&mut page.records);
    while page.next.is_some() {
        page = next_page(stand, model, &page, 3).await;
        assert_eq!(page.started_at, started_at);
        records.append(&mut page.records);
    }
    (records, started_at.0)
}

/// The first page of a sync of everything.
fn first(last_sync: Option<i64>, limit: usize) -> SyncQuery {
    SyncQuery {
        from: SyncFrom::First {
            last_sync,
            overlap: 0,
            window: None,
        },
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit,
    }
}

async fn first_page(
    stand: &Stand,
    model: &Model,
    last_sync: Option<i64>,
    limit: usize,
) -> SyncPage {
    let query = first(last_sync, limit);
    stand.storage.sync(model, &query).await.unwrap()
}

async fn next_page(stand: &Stand, model: &Model, page: &SyncPage, limit: usize) -> SyncPage {
    let query = SyncQuery {
        from: SyncFrom::Next(page.next.clone().expect("another page")),
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit,
    };
    stand.storage.sync(model, &query).await.unwrap()
}

fn partition(index: &str, value: Value, sort: Vec<Test>, descending: bool) -> Scope {
    Scope::Index {
        index: (!index.is_empty()).then(|| index.to_owned()),
        partition: value,
        sort,
        descending,
    }
}

/// Everything in a scope, page by page.
async fn walk(stand: &Stand, model: &Model, scope: Scope, limit: usize) -> Vec<Record> {
    let mut query = Query {
        scope,
        rows: Filter::everything(),
        filter: Filter::everything(),
        limit,
        after: None,
    };
    let mut records = Vec::new();
    loop {
        let page = stand.storage.query(model, &query).await.unwrap();
        records.extend(page.records);
        match page.next {
            None => return records,
            next => query.after = next,
        }
    }
}
