//! A database that one process after another works on.

use std::sync::Arc;

use driftless::storage::{Store, open};
use driftless_resolvers::Fields;
use driftless_resolvers::feed::Operation;
use driftless_resolvers::schema::{Options, Schema, load_with};
use driftless_resolvers::storage::{Expected, Key, Put, Write};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::pgbouncer::{Pooler, Settings};
use crate::support::postgres::Database;

/// Where the database is.
pub(super) enum Place {
    File(TempDir),
    Postgres(Database),
    Pooled(Database, Pooler),
}

impl Place {
    pub(super) fn sqlite() -> Place {
        Place::File(tempfile::tempdir().unwrap())
    }

    pub(super) async fn postgres() -> Place {
        Place::Postgres(Database::create().await)
    }

    /// Postgres behind a pooler that hands connections around after each transaction.
    pub(super) async fn pooled() -> Place {
        let database = Database::create().await;
        let pooler = Pooler::before(&database.url, Settings::Ignored).await;
        Place::Pooled(database, pooler)
    }

    pub(super) fn url(&self) -> String {
        match self {
            Place::File(folder) => format!("sqlite:{}", folder.path().join("data.db").display()),
            Place::Postgres(database) => database.url.clone(),
            Place::Pooled(_, pooler) => pooler.url.clone(),
        }
    }

    /// Its store; to be closed before another process comes.
    pub(super) async fn open(&self) -> Store {
        open(&self.url()).await.unwrap()
    }

    /// Prepares it for a schema and stores these records of a model.
    pub(super) async fn hold(&self, schema: &Schema, model: &str, records: Vec<Value>) {
        let store = self.open().await;
        store.storage.prepare(schema).await.unwrap();
        let model = Arc::clone(&schema.models[model]);
        let puts = records.into_iter().map(|record| {
            let fields: Fields = record.as_object().unwrap().clone();
            let write = Write {
                key: Key::of(&model, &fields).unwrap(),
                expected: Expected::Absent,
                operation: Operation::Create,
                fields,
                deleted: false,
                actor: None,
                request: None,
            };
            store.storage.put(&model, write)
        });
        for put in futures_util::future::join_all(puts).await {
            assert!(matches!(put.unwrap(), Put::Done(_)));
        }
        store.close().await;
    }

    pub(super) async fn remove(self) {
        match self {
            Place::File(folder) => drop(folder),
            Place::Postgres(database) => database.remove().await,
            Place::Pooled(database, pooler) => {
                drop(pooler);
                database.remove().await;
            }
        }
    }
}

pub(super) fn loaded(source: &str) -> Schema {
    match load_with(source, &Options::default()) {
        Ok(loaded) => loaded.schema,
        Err(problems) => panic!("{problems:#?}"),
    }
}
