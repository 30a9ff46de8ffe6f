//! Whole requests over the reference store.

mod documents;
mod errors;
mod events;
mod families;
mod inputs;
mod limits;
mod relations;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftless_conflict_handlers::{Record, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Api, Reply, Request};
use crate::Version;
use crate::clock::{Clock, IdSource};
use crate::engine::{Engine, Settings, Strategies};
use crate::feed::Operation;
use crate::fixtures;
use crate::identity::{Caller, Family, Identity};
use crate::page::Sealer;
use crate::schema::Schema;
use crate::schema::model::Model;
use crate::storage::memory::Memory;
use crate::storage::{
    Expected, Key, Page, Put, Query, Revision, Storage, StorageError, SyncPage, SyncQuery, Write,
};

/// A clock that stands still.
pub(super) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

impl IdSource for Noon {
    fn fresh_id(&self) -> String {
        "made-up".to_owned()
    }
}

/// The reference store, counting reads, and failing every call once `calls_left` calls have been made.
pub(super) struct Fragile {
    inner: Memory,
    pub(super) calls_left: AtomicUsize,
    pub(super) reads: AtomicUsize,
}

impl Fragile {
    fn call(&self) -> Result<(), StorageError> {
        let left = self.calls_left.load(Ordering::SeqCst);
        self.calls_left
            .store(left.saturating_sub(1), Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
        if left == 0 {
            return Err(StorageError::Unavailable("down".to_owned()));
        }
        Ok(())
    }

    fn guard<'a, T: 'a>(
        &self,
        answer: BoxFuture<'a, Result<T, StorageError>>,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        match self.call() {
            Ok(()) => answer,
            Err(error) => async move { Err(error) }.boxed(),
        }
    }
}

impl Storage for Fragile {
    fn prepare<'a>(&'a self, schema: &'a Schema) -> BoxFuture<'a, Result<(), StorageError>> {
        self.inner.prepare(schema)
    }

    fn get<'a>(
        &'a self,
        model: &'a Model,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>, StorageError>> {
        self.guard(self.inner.get(model, keys))
    }

    fn query<'a>(
        &'a self,
        model: &'a Model,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        self.guard(self.inner.query(model, query))
    }

    fn query_all<'a>(
        &'a self,
        model: &'a Model,
        queries: &'a [Query],
    ) -> BoxFuture<'a, Result<Vec<Page>, StorageError>> {
        self.guard(self.inner.query_all(model, queries))
    }

    fn sync<'a>(
        &'a self,
        model: &'a Model,
        query: &'a SyncQuery,
    ) -> BoxFuture<'a, Result<SyncPage, StorageError>> {
        self.guard(self.inner.sync(model, query))
    }

    fn put<'a>(
        &'a self,
        model: &'a Model,
        write: Write,
    ) -> BoxFuture<'a, Result<Put, StorageError>> {
        self.guard(self.inner.put(model, write))
    }

    fn revision<'a>(
        &'a self,
        model: &'a Model,
        key: &'a Key,
        version: Version,
    ) -> BoxFuture<'a, Result<Option<Revision>, StorageError>> {
        self.guard(self.inner.revision(model, key, version))
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[u8; 32], StorageError>> {
        self.inner.secret(name)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.ping()
    }
}

/// A served fixture schema and its store.
pub(super) struct Served {
    pub(super) api: Arc<Api>,
    pub(super) store: Arc<Fragile>,
    pub(super) caller: Caller,
}

pub(super) fn serve() -> Served {
    serve_schema(fixtures::schema())
}

pub(super) fn serve_schema(schema: Schema) -> Served {
    serve_configured(schema, Settings::default())
}

pub(super) fn serve_configured(schema: Schema, settings: Settings) -> Served {
    let store = Arc::new(Fragile {
        inner: Memory::new(Arc::new(Noon)),
        calls_left: AtomicUsize::new(usize::MAX),
        reads: AtomicUsize::new(0),
    });
    let engine = Engine {
        rules: crate::authz::Rules::of(&schema, &crate::authz::Settings::default()),
        schema: Arc::new(schema),
        storage: Arc::clone(&store) as Arc<dyn Storage>,
        clock: Arc::new(Noon),
        ids: Arc::new(Noon),
        sealer: Sealer::new([7; 32]),
        strategies: Strategies::default(),
        journal: crate::journal::Notebook::default(),
        bulletin: Arc::new(crate::notice::Nobody),
        pacing: crate::pacing::Pacing::default(),
        settings,
    };
    Served {
        api: Arc::new(Api::new(engine)),
        store,
        caller: caller(Family::JavaScript),
    }
}

pub(super) fn caller(family: Family) -> Caller {
    Caller {
        identity: Identity::ApiKey {
            id: "key".to_owned(),
        },
        family,
        datastore: true,
        repeats: false,
    }
}

pub(super) fn request(query: &str, variables: Value) -> Request {
    Request {
        query: query.to_owned(),
        operation_name: None,
        variables: fixtures::object(variables),
    }
}

impl Served {
    pub(super) async fn reply(&self, query: &str, variables: Value) -> Reply {
        self.api
            .execute(&request(query, variables), &self.caller)
            .await
    }

    /// The body as text.
    pub(super) async fn text(&self, query: &str, variables: Value) -> String {
        match self.reply(query, variables).await {
            Reply::Answer(body) => String::from_utf8(body).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The body as JSON.
    pub(super) async fn ask(&self, query: &str, variables: Value) -> Value {
        serde_json::from_str(&self.text(query, variables).await).unwrap()
    }

    /// The message of the only error.
    pub(super) async fn message(&self, query: &str, variables: Value) -> String {
        let body = self.ask(query, variables).await;
        let errors = body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors: {body}"));
        assert_eq!(errors.len(), 1, "{body}");
        errors[0]["message"].as_str().unwrap().to_owned()
    }

    pub(super) async fn create(&self, model: &str, input: Value) {
        let document = format!(
            "mutation M($input: Create{model}Input!) {{ create{model}(input: $input) {{ __typename }} }}"
        );
        let body = self.ask(&document, json!({ "input": input })).await;
        assert_eq!(body.get("errors"), None, "{body}");
    }

    /// Puts fields into the store that no mutation would.
    pub(super) async fn store_raw(&self, model: &str, fields: Value) {
        let model = &self.api.engine.schema.models[model];
        let fields = fixtures::object(fields);
        let write = Write {
            key: Key::of(model, &fields).unwrap(),
            expected: Expected::Absent,
            operation: Operation::Create,
            fields,
            deleted: false,
            actor: None,
            request: None,
        };
        assert!(matches!(
            self.store.put(model, write).await.unwrap(),
            Put::Done(_)
        ));
    }
}
