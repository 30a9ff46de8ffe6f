//! One of the two databases, by what they are asked to do.

use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::storage::{StorageError, Write};

use super::belief::{Belief, Reading, Ruling};
use super::database::{Arg, Dialect, Row, Statement};
use super::ddl::Index;
use super::group::Batch;
use super::migrate::Step;
use super::moment::{Moment, Moments, Plan};
use super::patience::patiently;
use super::postgres::{Postgres, Ticket};
use super::sqlite::Sqlite;
use super::table::Table;

/// The time now, for statements: SQLite is told, Postgres asks its own clock and is told how far to believe it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wall {
    dialect: Dialect,
    time: i64,
}

impl Wall {
    /// Adds what it needs to a statement's arguments; answers how the time is written in the statement.
    pub(super) fn bind(self, args: &mut Vec<Arg>) -> String {
        args.push(Arg::Int(self.time));
        let n = args.len();
        match self.dialect {
            Dialect::Postgres => format!("least(wall_ms(), ${n})"),
            Dialect::Sqlite => format!("${n}"),
        }
    }
}

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

    /// The time that changes get now.
    pub(super) fn wall(&self) -> Wall {
        Wall {
            dialect: self.dialect(),
            time: match self {
                Engine::Postgres(postgres) => postgres.latest(),
                Engine::Sqlite(sqlite) => sqlite.now().0,
            },
        }
    }

    /// What the clocks say now, and what all servers of the database have found out about its own.
    pub(super) async fn reading(&self) -> Result<(Reading, Ruling), StorageError> {
        match self {
            Engine::Postgres(postgres) => postgres.reading().await,
            Engine::Sqlite(sqlite) => Ok((sqlite.reading(), Ruling::default())),
        }
    }

    /// What is believed of the clock that changes are stamped with.
    pub(super) fn belief(&self) -> &Belief {
        match self {
            Engine::Postgres(postgres) => postgres.belief(),
            Engine::Sqlite(sqlite) => sqlite.belief(),
        }
    }

    /// The clock of this process.
    pub(super) fn clock(&self) -> &dyn Clock {
        match self {
            Engine::Postgres(postgres) => postgres.clock(),
            Engine::Sqlite(sqlite) => sqlite.clock(),
        }
    }

    /// The time by the store's clock, as far as this process can tell without asking.
    pub(super) fn now(&self) -> i64 {
        match self {
            Engine::Postgres(postgres) => postgres.now(),
            Engine::Sqlite(sqlite) => sqlite.now().0,
        }
    }

    /// Whether other processes work with it too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Engine::Postgres(_))
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

    /// Brings the system tables up to date where another server may have come with older ones.
    pub(super) async fn bring_up_to_date(&self) -> Result<(), StorageError> {
        match self {
            Engine::Postgres(postgres) => postgres.bring_up_to_date().await,
            // Nobody exchanges the file under the process that holds it.
            Engine::Sqlite(_) => Ok(()),
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

    /// Commits a batch of one model, whose log is known to reach so far.
    pub(super) async fn commit(
        &self,
        table: &Table,
        writes: &[Write],
        known: Seq,
    ) -> Result<Batch, StorageError> {
        match self {
            Engine::Postgres(postgres) => {
                let ticket = Ticket::new(known);
                patiently(|| postgres.commit(table, writes, ticket)).await
            }
            Engine::Sqlite(sqlite) => patiently(|| sqlite.commit(table, writes)).await,
        }
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

    /// What is known of the tables may not be true any more.
    pub(super) fn forget_tables(&self) {
        if let Engine::Postgres(postgres) = self {
            postgres.forget_tables();
        }
    }

    /// From now on nobody waits to learn what became of a write that was under way when its connection was lost.
    pub(super) fn hurry(&self) {
        if let Engine::Postgres(postgres) = self {
            postgres.hurry();
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Engine::Postgres(postgres) => postgres.close().await,
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}
