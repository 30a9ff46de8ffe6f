//! Postgres: the truth that several nodes share. One statement per batch of writes.

mod concurrently;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::Transaction;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;

use driftless_resolvers::feed::Seq;
use driftless_resolvers::storage::{Expected, Put, StorageError, TICK_AFTER, Write};
use driftless_resolvers::{Record, Timestamp, Version};

use super::database::{Arg, Dialect, Row, Statement, storage_error};
use super::ddl;
use super::group::{Batch, Outcome};
use super::migrate::{Session, Step};
use super::moment::{Moment, Moments};
use super::pooler::{self, Found};
use super::statements;
use super::table::Table;
use super::write_sql;

/// How many connections one node uses at most.
const CONNECTIONS: u32 = 16;
/// How often a batch goes after a table that other nodes change.
const REREADS: usize = 5;
/// How long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// What every connection is asked for when it starts; nothing else is kept in a session, so that poolers which hand a
/// connection to somebody else after each transaction do no harm (`sync-design.md` W1, W7).
pub(super) const OPTIONS: [(&str, &str); 4] = [
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "5000"),
    ("lock_timeout", "2000"),
    ("idle_in_transaction_session_timeout", "10000"),
];

/// An open Postgres database.
pub(super) struct Postgres {
    pool: PgPool,
    /// Whether a pooler hands connections around between transactions.
    pooled: bool,
    options: Box<PgConnectOptions>,
    /// Tables that another node changed after this one was prepared.
    reread: RwLock<HashMap<i64, Arc<Table>>>,
    moments: Moments,
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: sqlx::Error) -> StorageError {
    storage_error(&error)
}

/// What connections to a URL are asked for.
fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)
        .context("the address of the Postgres database is not valid")?
        .application_name("driftless")
        // Numbers travel in their binary form; poolers refuse to pass this one on.
        .extra_float_digits(None);
    Ok(options)
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

/// The write function does not exist, or says so of itself (`write_sql`).
fn is_unknown_function(error: &sqlx::Error) -> bool {
    has_code(error, &["42883"])
}

impl Postgres {
    /// Connects and brings the system tables up to date.
    pub(super) async fn open(url: &str, moments: Moments) -> anyhow::Result<Self> {
        let plain = options(url)?;
        let place = format!("{}:{}", plain.get_host(), plain.get_port());
        let trial = pooler::try_out(plain.clone().options(OPTIONS), plain);
        let Found { options, pooled } = timeout(ACQUIRE, trial)
            .await
            .context("it does not answer")
            .flatten()
            .with_context(|| format!("cannot connect to Postgres at {place}"))?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.clone())
            .await
            .with_context(|| format!("cannot connect to Postgres at {place}"))?;
        if pooled {
            tracing::info!(
                place,
                "the database is reached through a pooler of transactions"
            );
        }
        let postgres = Postgres {
            pool,
            pooled,
            options: Box::new(options),
            reread: RwLock::default(),
            moments,
        };
        postgres
            .migrate()
            .await
            .with_context(|| format!("cannot bring the database at {place} up to date"))?;
        Ok(postgres)
    }

    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    async fn migrate(&self) -> anyhow::Result<()> {
        let mut transaction = self.begin().await?;
        if self.pooled {
            pooler::forget_statements(&mut transaction).await?;
        }
        ddl::migrations(Dialect::Postgres)
            .run_direct(None, &mut *transaction, false)
            .await?;
        if self.pooled {
            pooler::forget_statements(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// A transaction that may change tables; others that want to wait for its end.
    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, sqlx::Error> {
        let mut transaction = self.pool.begin_with(pooler::BEGIN).await?;
        sqlx::raw_sql(write_sql::LOCK_SCHEMA)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    /// How to connect to where notifications arrive; `None` where a pooler is between and no other address is known.
    pub(super) fn listening(
        &self,
        direct: Option<&str>,
    ) -> anyhow::Result<Option<PgConnectOptions>> {
        match direct {
            Some(url) => options(url).map(Some),
            None => Ok((!self.pooled).then(|| (*self.options).clone())),
        }
    }

    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        self.fetch(statement.postgres()).await.map_err(failed)
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<(), StorageError> {
        self.rows(statement).await.map(drop)
    }

    /// Runs a step of a migration as one transaction that other nodes wait for.
    pub(super) async fn step<S: Step>(&self, step: &S) -> Result<S::Done, StorageError> {
        let mut transaction = self.begin().await.map_err(failed)?;
        let done = step.run(&mut Session::Postgres(&mut transaction)).await?;
        self.moments.at(Moment::Prepared).await;
        transaction.commit().await.map_err(failed)?;
        Ok(done)
    }

    pub(super) async fn tick(&self, table: &Table) -> Result<(), StorageError> {
        let args = vec![Arg::Int(table.shard), Arg::Int(TICK_AFTER)];
        self.execute(Statement::new("select log_tick($1::int, $2)", args))
            .await
    }

    /// Commits a batch in one round trip: the function locks the shard, compares and swaps each item, and the
    /// statement's own transaction commits (`sync-design.md` W2).
    pub(super) async fn commit(
        &self,
        table: &Table,
        writes: &[Write],
    ) -> Result<Batch, StorageError> {
        let rows = self.call_current(table, writes).await?;
        if rows.len() != writes.len() {
            return Err(StorageError::Corrupt(
                "a batch got fewer answers than it has writes".to_owned(),
            ));
        }
        let mut batch = Batch::with_capacity(writes.len());
        for (row, write) in rows.iter().zip(writes) {
            let outcome = outcome(row, write)?;
            let done = matches!(outcome, Ok(Put::Done(_)));
            batch.push(outcome, done.then(|| row.int(5).map(Seq)).transpose()?);
        }
        Ok(batch)
    }

    /// Calls the write function that is the model's now. Another node, with another schema, may have given the table
    /// columns that this one does not know: then the function it knows is gone, or sends it away.
    async fn call_current(
        &self,
        table: &Table,
        writes: &[Write],
    ) -> Result<Vec<Row>, StorageError> {
        let mut table = self
            .newest(table)
            .unwrap_or_else(|| Arc::new(table.clone()));
        for _ in 0..REREADS {
            match self.call(&table, writes).await {
                Err(error) if is_unknown_function(&error) => table = self.reread(&table).await?,
                other => return other.map_err(failed),
            }
        }
        self.call(&table, writes).await.map_err(failed)
    }

    async fn call(&self, table: &Table, writes: &[Write]) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch(call(table, writes)).await
    }

    /// Runs a statement that commits by itself. Behind a pooler it gets a transaction around it, which keeps its parts
    /// on one connection, and says in it what [`OPTIONS`] say otherwise.
    async fn fetch(
        &self,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        if !self.pooled {
            let rows = query.fetch(&self.pool).map_ok(Row::Postgres);
            return rows.try_collect().await;
        }
        let mut transaction = self.pool.begin_with(pooler::BEGIN).await?;
        let rows = query.persistent(false).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    fn newest(&self, table: &Table) -> Option<Arc<Table>> {
        let reread = self.reread.read().unwrap_or_else(PoisonError::into_inner);
        reread.get(&table.shard).cloned()
    }

    async fn reread(&self, table: &Table) -> Result<Arc<Table>, StorageError> {
        let rows = self.rows(ddl::layout_of(table)).await?;
        let table = Arc::new(ddl::described(table, &rows)?);
        let mut reread = self.reread.write().unwrap_or_else(PoisonError::into_inner);
        reread.insert(table.shard, Arc::clone(&table));
        Ok(table)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The call of the model's write function: one array per column.
fn call(
    table: &Table,
    writes: &[Write],
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let each = |of: fn(&Write) -> String| writes.iter().map(of).collect::<Vec<_>>();
    let maybe = |of: fn(&Write) -> Option<String>| writes.iter().map(of).collect::<Vec<_>>();
    let mut query = sqlx::query(sqlx::AssertSqlSafe(write_sql::call(table)))
        .bind(each(|write| write.key.0.clone()))
        .bind(writes.iter().map(expected).collect::<Vec<_>>())
        .bind(each(|write| statements::letter(write.operation).to_owned()))
        .bind(writes.iter().map(|write| write.deleted).collect::<Vec<_>>())
        .bind(each(|write| statements::document(&write.fields)))
        .bind(maybe(|write| write.actor.clone()))
        .bind(maybe(|write| write.request.clone()));
    for column in &table.columns {
        let values = writes
            .iter()
            .map(|write| column.attribute.value(&write.fields));
        query = if column.is_number() {
            let number = |value: serde_json::Value| value.as_f64();
            query.bind(
                values
                    .map(|value| value.and_then(number))
                    .collect::<Vec<_>>(),
            )
        } else {
            let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
            query.bind(values.map(|value| value.and_then(text)).collect::<Vec<_>>())
        };
    }
    query
}

/// The version that must be stored; 0 is none.
fn expected(write: &Write) -> i32 {
    match write.expected {
        Expected::Absent => 0,
        Expected::Version(version) => i32::try_from(version.0).unwrap_or(-1),
    }
}

/// The answer for one item: what happened, then what is stored.
fn outcome(row: &Row, write: &Write) -> Result<Outcome, StorageError> {
    let version = |at| -> Result<Version, StorageError> {
        u32::try_from(row.int(at)?)
            .map(Version)
            .map_err(|_| StorageError::Corrupt("a version is out of range".to_owned()))
    };
    Ok(match row.text(0)?.as_str() {
        "done" => Ok(Put::Done(Record {
            fields: write.fields.clone(),
            version: version(2)?,
            last_changed_at: Timestamp(row.int(4)?),
            deleted: write.deleted,
        })),
        "stale" => Ok(Put::Stale(Some(super::rows::hit(row, 1)?.record))),
        "absent" => Ok(Put::Stale(None)),
        "spent" => Err(super::rows::spent(&write.key)),
        other => Err(StorageError::Corrupt(format!(
            "the write function answered {other}"
        ))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_is_not_there_is_named_with_the_reason() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let opened = Postgres::open(
            &format!("postgres://someone@{address}/db"),
            Moments::default(),
        )
        .await;
        let error = format!("{:#}", opened.err().expect("nobody listens there"));
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("refused"), "{error}");
    }
}
