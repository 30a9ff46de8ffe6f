//! The stores over SQL: embedded SQLite and Postgres, one logic with two dialects.
//!
//! Per model one table (the newest state of each record) and one append-only log of all models; writes of a model commit
//! one after another, in batches. In reading order:
//!
//! * [`sql`] – the ports: reads, and writes handed to the queue of their model;
//! * `shelf`, `group` – a model in use and its queue; `engine` – what the two databases are asked to do; `postgres`, `sqlite` – how they do it;
//! * `statements`, `range`, `filter_sql`, `column_sql`, `page` – reading: text, where from, which rows, until when;
//! * `ddl`, `table` – what is made for a schema; `database`, `rows`, `secret` – encodings.

mod column_sql;
mod database;
mod ddl;
mod engine;
mod filter_sql;
mod group;
mod page;
mod postgres;
mod range;
mod rows;
mod secret;
mod shelf;
mod sql;
mod sqlite;
mod statements;
mod table;
mod write_sql;

use std::sync::Arc;

use anyhow::bail;
use driftless_resolvers::clock::{Clock, System};
use driftless_resolvers::feed::Feed;
use driftless_resolvers::storage::Storage;

use engine::Engine;
use sql::SqlStore;

/// An open store, as the two ports it implements.
#[derive(Clone)]
pub struct Store {
    /// Records.
    pub storage: Arc<dyn Storage>,
    /// Their changes.
    pub feed: Arc<dyn Feed>,
    sql: Arc<SqlStore>,
}

impl Store {
    /// Commits what callers have handed over, closes all connections and lets go of the file. Later calls fail.
    pub async fn close(&self) {
        self.sql.close().await;
    }
}

/// Opens the store of a URL: `sqlite:path/to/file.db`, `sqlite::memory:` (gone at the end), `postgres://…`.
pub async fn open(url: &str) -> anyhow::Result<Store> {
    open_with(url, Arc::new(System)).await
}

/// Opens a store whose SQLite reads the time from `clock`. Postgres always reads its own (`sync-design.md` W3).
pub async fn open_with(url: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Store> {
    let engine = match url.split(':').next() {
        Some("sqlite") => Engine::Sqlite(sqlite::Sqlite::open(url, clock).await?),
        Some("postgres" | "postgresql") => Engine::Postgres(postgres::Postgres::open(url).await?),
        _ => bail!(
            "`{url}` is no address of a store; write sqlite:path/to/file.db or postgres://user:password@host/database"
        ),
    };
    let sql = Arc::new(SqlStore::new(engine));
    Ok(Store {
        storage: Arc::clone(&sql) as Arc<dyn Storage>,
        feed: Arc::clone(&sql) as Arc<dyn Feed>,
        sql,
    })
}
