//! One of the two databases, by what they are asked to do.

use driftless_resolvers::storage::{StorageError, Write};

use super::database::{Arg, Dialect, Row, Statement};
use super::ddl::Index;
use super::group::Batch;
use super::migrate::Step;
use super::moment::{Moment, Moments, Plan};
use super::patience::patiently;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::table::Table;

/// An open database.
pub(super) enum Engine {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

impl Engine {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Engine::Postgres(_) => Dialect::Postgres,
            Engine::Sqlite(_) => Dialect::Sqlite,
        }
    }

    fn moments(&self) -> &Moments {
        match self {
            Engine::Postgres(postgres) => postgres.moments(),
            Engine::Sqlite(sqlite) => sqlite.moments(),
        }
    }

    /// Says that a moment is there.
    pub(super) async fn at(&self, moment: Moment) {
        self.moments().at(moment).await;
    }

    /// The wall clock as an argument, where the database does not ask its own.
    pub(super) fn wall(&self) -> Option<Arg> {
        match self {
            Engine::Postgres(_) => None,
            Engine::Sqlite(sqlite) => Some(Arg::Int(sqlite.now().0)),
        }
    }

    /// The clock that changes are stamped with, in milliseconds.
    pub(super) async fn now(&self) -> Result<i64, StorageError> {
        match self {
            Engine::Postgres(postgres) => {
                let asked = Statement::new("select wall_ms()", Vec::new());
                let rows = postgres.rows(asked).await?;
                let row = rows
                    .first()
                    .ok_or_else(|| StorageError::Corrupt("a clock tells no time".to_owned()))?;
                row.int(0)
            }
            Engine::Sqlite(sqlite) => Ok(sqlite.now().0),
        }
    }

    /// Reads.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        if let Some(witness) = self.moments().planner() {
            witness.plan(self.plan(&statement).await?);
        }
        self.read(statement).await
    }

    /// How the database answers a statement.
    async fn plan(&self, statement: &Statement) -> Result<Plan, StorageError> {
        let (explain, step) = match self {
            Engine::Postgres(_) => ("explain", 0),
            Engine::Sqlite(_) => ("explain query plan", 3),
        };
        let sql = format!("{explain} {}", statement.sql);
        let rows = self
            .read(Statement::new(sql, statement.args.clone()))
            .await?;
        let steps: Result<_, _> = rows.iter().map(|row| row.text(step)).collect();
        Ok(Plan {
            sql: statement.sql.clone(),
            steps: steps?,
        })
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        patiently(|| {
            let statement = statement.clone();
            async move {
                match self {
                    Engine::Postgres(postgres) => postgres.rows(statement).await,
                    Engine::Sqlite(sqlite) => sqlite.rows(statement).await,
                }
            }
        })
        .await
    }

    /// Runs one statement that writes.
    pub(super) async fn execute(&self, statement: Statement) -> Result<(), StorageError> {
        match self {
            Engine::Postgres(postgres) => postgres.execute(statement).await,
            Engine::Sqlite(sqlite) => sqlite.execute(statement).await,
        }
    }

    /// Runs a step of a migration as one transaction.
    pub(super) async fn step<S: Step>(&self, step: &S) -> Result<S::Done, StorageError> {
        match self {
            Engine::Postgres(postgres) => postgres.step(step).await,
            Engine::Sqlite(sqlite) => sqlite.step(step).await,
        }
    }

    /// Makes an index.
    pub(super) async fn build_index(&self, index: &Index) -> Result<(), StorageError> {
        match self {
            Engine::Postgres(postgres) => postgres.build_index(index).await,
            Engine::Sqlite(sqlite) => {
                let create = Statement::new(index.create(), Vec::new());
                sqlite.execute(create).await
            }
        }
    }

    /// Commits a batch of one model.
    pub(super) async fn commit(
        &self,
        table: &Table,
        writes: &[Write],
    ) -> Result<Batch, StorageError> {
        patiently(|| async {
            match self {
                Engine::Postgres(postgres) => postgres.commit(table, writes).await,
                Engine::Sqlite(sqlite) => sqlite.commit(table, writes).await,
            }
        })
        .await
    }

    /// Adds an idle tick to a model's log (`sync-design.md` 6.3).
    pub(super) async fn tick(&self, table: &Table) -> Result<(), StorageError> {
        patiently(|| async {
            match self {
                Engine::Postgres(postgres) => postgres.tick(table).await,
                Engine::Sqlite(sqlite) => sqlite.tick(table).await,
            }
        })
        .await
    }

    pub(super) async fn close(&self) {
        match self {
            Engine::Postgres(postgres) => postgres.close().await,
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}
