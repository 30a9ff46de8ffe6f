//! Postgres: the truth that several nodes share. One statement per batch of writes.

mod concurrently;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use driftless_resolvers::clock::{Clock, Deadline};
use driftless_resolvers::feed::Seq;
use driftless_resolvers::storage::{Expected, Put, StorageError, TICK_AFTER, Write};
use driftless_resolvers::{Record, Timestamp, Version};

use super::Place;
use super::belief::{self, Belief, Reading, Ruling};
use super::connections::{self, Connections};
use super::database::{Arg, Dialect, Row, Statement, storage_error};
use super::ddl;
use super::doubt::Doubt;
use super::drift;
use super::group::{Batch, Outcome};
use super::migrate::{Session, Step};
use super::moment::{Moment, Moments};
use super::statements;
use super::table::Table;
use super::write_sql;

/// How often a batch goes after a table that other nodes change.
const REREADS: usize = 5;
/// Why a node cannot write whose database a newer one has prepared: clients keep what they have, and come back to that one.
const SUPERSEDED: &str = "another version of driftless has prepared the database and writes in another way; replace this node";
/// How often a read is tried: connections that broke together are found broken one after another.
const READS: usize = 3;
/// How long it is tried to learn what became of a batch whose connection was lost: as long as a fail-over takes.
const UNKNOWN: Duration = Duration::from_secs(120);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// An open Postgres database.
pub(super) struct Postgres {
    connections: Connections,
    /// Tables that another node changed after this one was prepared.
    reread: RwLock<HashMap<i64, Arc<Table>>>,
    moments: Moments,
    /// The clock of this process.
    clock: Arc<dyn Clock>,
    /// What is believed of the database's.
    belief: Belief,
    /// Cancelled at the end.
    closing: CancellationToken,
}

/// Why a batch is not known to be committed.
struct Failed {
    reason: StorageError,
    /// Whether it may be committed all the same.
    unknown: bool,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Failed {
            unknown: connections::lost(&error),
            reason: storage_error(&error),
        }
    }
}

impl From<StorageError> for Failed {
    fn from(reason: StorageError) -> Self {
        Failed {
            reason,
            unknown: false,
        }
    }
}

/// What the database is told of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// A number that no other batch has. Its writes count on from it.
    number: i64,
    /// How far the log is known to reach.
    known: Seq,
}

impl Ticket {
    pub(super) fn new(known: Seq) -> Ticket {
        let (random, _) = Uuid::new_v4().as_u64_pair();
        Ticket {
            // 62 bits, the lowest ones left to the places in the batch.
            number: i64::try_from(random >> 2).unwrap_or_default() & !0xffff,
            known,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: sqlx::Error) -> StorageError {
    storage_error(&error)
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

/// The database may lack what was seen of the log.
fn is_in_doubt(error: &sqlx::Error) -> bool {
    has_code(error, &[write_sql::IN_DOUBT])
}

impl Postgres {
    /// Connects and brings the system tables up to date.
    pub(super) async fn open(place: &Place) -> anyhow::Result<Self> {
        let connections = Connections::open(&place.url).await?;
        migrate(&connections)
            .await
            .context("cannot bring the database up to date")?;
        let (reading, ruling) = read_clocks(&connections, &*place.clock).await?;
        Ok(Postgres {
            connections,
            reread: RwLock::default(),
            moments: place.moments.clone(),
            clock: Arc::clone(&place.clock),
            belief: Belief::new(reading, ruling),
            closing: CancellationToken::new(),
        })
    }

    /// Brings the system tables up to date once more: a backup of a former version may have been put back.
    pub(super) async fn bring_up_to_date(&self) -> Result<(), StorageError> {
        let brought = migrate(&self.connections).await;
        brought.map_err(|error| StorageError::Unavailable(format!("{error:#}")))
    }

    /// Whether this is still the database whose log was looked at.
    pub(super) fn doubt(&self) -> Arc<Doubt> {
        Arc::clone(self.connections.doubt())
    }

    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn belief(&self) -> &Belief {
        &self.belief
    }

    /// The latest time that a change may have now.
    pub(super) fn latest(&self) -> i64 {
        self.belief.latest(belief::steady(&*self.clock))
    }

    pub(super) fn now(&self) -> i64 {
        self.belief.now(belief::steady(&*self.clock))
    }

    pub(super) async fn reading(&self) -> Result<(Reading, Ruling), StorageError> {
        read_clocks(&self.connections, &*self.clock).await
    }

    /// Nobody waits any more for what became of a batch.
    pub(super) fn hurry(&self) {
        self.closing.cancel();
    }

    /// How to connect to where notifications arrive.
    pub(super) fn listening(
        &self,
        direct: Option<&str>,
    ) -> anyhow::Result<Option<PgConnectOptions>> {
        self.connections.listening(direct)
    }

    /// Reads, or writes what may as well be written twice.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        let mut attempt = 1;
        loop {
            let statement = statement.clone();
            let allowance = statement.allowance;
            let answer = self
                .connections
                .fetch(statement.postgres(), allowance)
                .await;
            match answer {
                Err(error) if connections::lost(&error) && attempt < READS => attempt += 1,
                answer => return answer.map_err(failed),
            }
        }
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<(), StorageError> {
        self.rows(statement).await.map(drop)
    }

    /// Runs a step of a migration as one transaction that other nodes wait for.
    pub(super) async fn step<S: Step>(&self, step: &S) -> Result<S::Done, StorageError> {
        let mut transaction = self.connections.begin().await.map_err(failed)?;
        let done = step.run(&mut Session::Postgres(&mut transaction)).await?;
        self.moments.at(Moment::Prepared).await;
        self.connections.commit(transaction).await.map_err(failed)?;
        Ok(done)
    }

    pub(super) async fn tick(&self, table: &Table) -> Result<(), StorageError> {
        let args = vec![
            Arg::Int(table.shard),
            Arg::Int(TICK_AFTER),
            Arg::Int(self.latest()),
        ];
        self.execute(Statement::new("select log_tick($1::int, $2, $3)", args))
            .await
    }

    /// Commits a batch in one round trip: the function locks the shard, compares and swaps each item, and the
    /// statement's own transaction commits (`sync-design.md` W2).
    ///
    /// If the connection is lost meanwhile nobody knows whether the batch was committed, or will be. It is handed in again
    /// then, under the same number, until the database says what became of it: what it had done is not done twice.
    pub(super) async fn commit(
        &self,
        table: &Table,
        writes: &[Write],
        ticket: Ticket,
    ) -> Result<Batch, StorageError> {
        let deadline = Deadline::after(UNKNOWN);
        let mut unknown = false;
        loop {
            let failed = match self.call_current(table, writes, ticket).await {
                Ok(rows) => return outcomes(&rows, writes),
                Err(failed) => failed,
            };
            unknown |= failed.unknown;
            let passes = !matches!(failed.reason, StorageError::Corrupt(_));
            if !unknown || !passes || deadline.left().is_zero() || self.closing.is_cancelled() {
                return Err(failed.reason);
            }
            tracing::debug!(reason = %failed.reason, "a batch whose answer was lost is handed in again");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Calls the write function that is the model's now. Another node, with another schema, may have given the table
    /// columns that this one does not know: then the function it knows is gone, or sends it away.
    async fn call_current(
        &self,
        table: &Table,
        writes: &[Write],
        ticket: Ticket,
    ) -> Result<Vec<Row>, Failed> {
        let mut table = self
            .newest(table)
            .unwrap_or_else(|| Arc::new(table.clone()));
        let mut reread = 0;
        loop {
            match self.call(&table, writes, ticket).await {
                Err(error) if is_unknown_function(&error) && reread == REREADS => {
                    return Err(StorageError::Unavailable(SUPERSEDED.to_owned()).into());
                }
                Err(error) if is_unknown_function(&error) => table = self.reread(&table).await?,
                Err(error) if is_in_doubt(&error) && reread < REREADS => {
                    self.connections.doubt().raise();
                }
                other => return other.map_err(Failed::from),
            }
            reread += 1;
        }
    }

    async fn call(
        &self,
        table: &Table,
        writes: &[Write],
        ticket: Ticket,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let call = |server| call(table, writes, self.latest(), ticket, server);
        self.connections.write(call).await
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

    pub(super) fn forget_tables(&self) {
        let mut reread = self.reread.write().unwrap_or_else(PoisonError::into_inner);
        reread.clear();
    }

    pub(super) async fn close(&self) {
        self.connections.close().await;
    }
}

async fn migrate(connections: &Connections) -> anyhow::Result<()> {
    let mut transaction = connections.begin().await?;
    ddl::migrations(Dialect::Postgres)
        .run_direct(None, &mut *transaction, false)
        .await?;
    connections.commit(transaction).await?;
    Ok(())
}

/// What the clocks say, and what the servers of the database have found out about its own.
async fn read_clocks(
    connections: &Connections,
    clock: &dyn Clock,
) -> Result<(Reading, Ruling), StorageError> {
    // Before the question: if the answer takes its time, the database is not taken to be ahead.
    let (own, steady) = (Some(clock.now().0), belief::steady(clock));
    let rows = connections.fetch(drift::asked().postgres(), None).await;
    let (wall, ruling) = drift::told(&rows.map_err(failed)?)?;
    Ok((Reading { wall, own, steady }, ruling))
}

/// The call of the model's write function: one array per column.
fn call(
    table: &Table,
    writes: &[Write],
    latest: i64,
    ticket: Ticket,
    server: i64,
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
        .bind(maybe(|write| {
            write.request.as_ref().map(ToString::to_string)
        }))
        .bind(latest)
        .bind(ticket.number)
        .bind(server)
        .bind(ticket.known.0);
    for column in &table.columns {
        let values = writes
            .iter()
            .map(|write| column.attribute.value(&write.key, &write.fields));
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

/// The answers for a batch.
fn outcomes(rows: &[Row], writes: &[Write]) -> Result<Batch, StorageError> {
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
        let opened = Postgres::open(&Place::at(&format!("postgres://someone@{address}/db"))).await;
        let error = format!("{:#}", opened.err().expect("nobody listens there"));
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("refused"), "{error}");
    }
}
