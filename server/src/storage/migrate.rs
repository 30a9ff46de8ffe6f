//! Brings a database to a schema, in steps that may end anywhere and are gone on with by whoever comes next.
//!
//! Every step is one short transaction under the schema lock. It finds out by itself what is left to do, so a node that
//! is killed leaves nothing half-done, and several nodes that start together share the work. Old nodes go on reading and
//! writing all the while:
//!
//! 1. [`expand`] adds tables and empty columns and replaces the function that writes them. It holds the model's own lock,
//!    so a write comes either before (and is filled like every older record) or after (and brings its values itself);
//!    a caller with the former function is sent back to the registry by the function.
//! 2. [`view`] makes the SQL views of models anew, which only people read.
//! 3. [`fill`] gives stored records their values, so many at a time.
//! 4. [`index`] makes the indexes, on Postgres while others write.
//! 5. [`memory`] notes the schema that the database is prepared for now.
//!
//! What a schema does not need any more stays until [`contract`] is asked to remove it.

mod contract;
mod expand;
mod fill;
mod index;
mod inventory;
mod memory;
mod outlook;
mod view;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::StorageError;

use super::database::{Dialect, Row, Statement, storage_error};
use super::engine::Engine;
use super::table::{Table, quoted};
pub(super) use contract::contract;
use expand::Expand;
use fill::Fill;
pub use memory::Prepared;
pub(super) use memory::{knows, last};
pub(super) use outlook::Look;
pub use outlook::{Count, Leftover, Outlook, Work};
use view::Show;

/// The Postgres schema in which everything is made, whatever its name.
const HERE: &str = "quote_ident(current_schema())::regnamespace";

/// How often a step is tried that others keep from its locks.
const ATTEMPTS: u32 = 30;
/// How long it lets them go on in between.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection inside the transaction of a step.
pub(super) enum Session<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Session<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Session::Postgres(_) => Dialect::Postgres,
            Session::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(super) async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        match self {
            Session::Postgres(connection) => {
                // Prepared under no name: behind a pooler a name could be somebody else's.
                let query = statement.postgres().persistent(false);
                let rows = query.fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
            Session::Sqlite(connection) => {
                let rows = statement.sqlite().fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
        }
        .map_err(|error| storage_error(&error))
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<(), StorageError> {
        self.rows(statement).await.map(drop)
    }

    /// Runs a statement without arguments.
    async fn run(&mut self, sql: String) -> Result<(), StorageError> {
        self.execute(Statement::new(sql, Vec::new())).await
    }

    /// Keeps writes of a model out until the step ends (SQLite has one writer anyway).
    pub(super) async fn lock(&mut self, shard: i64) -> Result<(), StorageError> {
        match self.dialect() {
            Dialect::Postgres => {
                self.run(format!("select pg_advisory_xact_lock(7001, {shard})"))
                    .await
            }
            Dialect::Sqlite => Ok(()),
        }
    }
}

/// One short transaction. It may be tried several times.
pub(super) trait Step: Sync {
    /// What it answers.
    type Done: Send;

    fn run(
        &self,
        session: &mut Session<'_>,
    ) -> impl Future<Output = Result<Self::Done, StorageError>> + Send;
}

/// What has been done on the way to a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Tables, columns and write functions are there.
    Expanded,
    /// The SQL views of models show what the schema says.
    Shown,
    /// So many further records of a model have their values of new columns.
    Filled {
        /// The model.
        model: String,
        /// How many records.
        records: usize,
    },
    /// An index of a model is there.
    Indexed {
        /// The model.
        model: String,
    },
}

/// Is told what has been done, and says whether to go on.
pub(super) type Observer<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Send + Sync);

/// Makes what the schema's models need; answers their tables in the schema's order, or `None` if the observer stopped it.
pub(super) async fn prepare(
    engine: &Engine,
    schema: &Schema,
    observer: Observer<'_>,
) -> Result<Option<Vec<Table>>, StorageError> {
    let tables = patiently(engine, &Expand { schema }).await?;
    if observer(Progress::Expanded).is_break() {
        return Ok(None);
    }
    let views = view::outdated(engine, schema, &tables).await?;
    if !views.is_empty() {
        patiently(engine, &Show { views: &views }).await?;
        if observer(Progress::Shown).is_break() {
            return Ok(None);
        }
    }
    let unfinished = fill::unfinished(engine).await?;
    for (model, table) in schema.models.keys().zip(&tables) {
        let mut left = unfinished.contains(&table.shard);
        while left {
            let filled = patiently(engine, &Fill { table }).await?;
            left = !filled.all;
            let (model, records) = (model.clone(), filled.records);
            if observer(Progress::Filled { model, records }).is_break() {
                return Ok(None);
            }
        }
    }
    let complete = index::complete(engine.dialect());
    let complete: Result<HashSet<_>, _> = engine
        .rows(complete)
        .await?
        .iter()
        .map(|row| row.text(0).map(|name| quoted(&name)))
        .collect();
    let complete = complete?;
    for (model, table) in schema.models.values().zip(&tables) {
        for index in index::wanted(model, table) {
            if complete.contains(&index.name) {
                continue;
            }
            engine.build_index(&index).await?;
            let model = model.name.clone();
            if observer(Progress::Indexed { model }).is_break() {
                return Ok(None);
            }
        }
    }
    let source = schema.source.as_ref();
    let last = last(engine).await?;
    if !source.is_empty() && last.is_none_or(|last| last.source != source) {
        let wall = engine.wall();
        patiently(engine, &memory::Remember { source, wall }).await?;
    }
    Ok(Some(tables))
}

/// Tries a step until nobody is in its way.
pub(super) async fn patiently<S: Step>(engine: &Engine, step: &S) -> Result<S::Done, StorageError> {
    let mut attempt = 1;
    loop {
        match engine.step(step).await {
            Err(StorageError::Timeout(reason)) if attempt < ATTEMPTS => {
                tracing::info!(
                    reason,
                    attempt,
                    "somebody keeps the tables locked; trying again"
                );
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}
