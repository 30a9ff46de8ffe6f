//! Poolers that hand a connection to somebody else after each transaction, such as PgBouncer.
//!
//! Through one, nothing that belongs to a session can be relied on: no setting, no prepared statement, no `LISTEN`. Even
//! the two halves of one statement (parse, then execute) may reach different connections of the database. Inside of a
//! transaction everything is as usual, so that is where all statements go.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use super::conduct::{self, Conduct};

/// How a transaction starts that does not know what its session was told; the settings are those of a session otherwise.
pub(super) const BEGIN: &str = "begin isolation level read committed; set local statement_timeout = 5000; \
    set local lock_timeout = 2000; set local idle_in_transaction_session_timeout = 10000";

/// The same where commits are answered before they are on the disk otherwise.
pub(super) const BEGIN_LASTING: &str = "begin isolation level read committed; set local statement_timeout = 5000; \
    set local lock_timeout = 2000; set local idle_in_transaction_session_timeout = 10000; \
    set local synchronous_commit = local";

/// How often it is tried to catch a pooler at handing a connection around.
const TRIALS: usize = 3;

/// How connections are made, and whether a pooler is between.
pub(super) struct Found {
    pub(super) options: PgConnectOptions,
    pub(super) pooled: bool,
    pub(super) conduct: Conduct,
}

/// Connects, to learn why it is not possible (a pool only says that it waited in vain), and finds out whether a pooler
/// is between. Some refuse the settings of a session; then it is one, and the plain options are used.
pub(super) async fn try_out(
    settled: PgConnectOptions,
    plain: PgConnectOptions,
) -> anyhow::Result<Found> {
    let mut connection = match settled.connect().await {
        Err(error) if refuses_settings(&error) => {
            let mut connection = plain.connect().await?;
            let conduct = conduct::observe(&mut connection).await?;
            connection.close().await?;
            return Ok(Found {
                options: plain,
                pooled: true,
                conduct,
            });
        }
        connected => connected?,
    };
    let mut other = settled.connect().await?;
    let pooled = is_pooled(&mut connection, &mut other).await?;
    let conduct = conduct::observe(&mut connection).await?;
    connection.close().await?;
    other.close().await?;
    Ok(Found {
        options: settled,
        pooled,
        conduct,
    })
}

/// `unsupported startup parameter`: a protocol violation, for a server that knows nothing of settings.
fn refuses_settings(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message().contains("startup parameter"))
}

/// Two connections of a database never have one process. Through a pooler they do, or one of them changes its own.
async fn is_pooled(
    connection: &mut PgConnection,
    other: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let mut seen = None;
    for _ in 0..TRIALS {
        let mine = process(connection).await?;
        let mut transaction = other.begin().await?;
        let theirs = process(&mut transaction).await?;
        let again = process(connection).await?;
        transaction.rollback().await?;
        if mine == theirs || mine != again || seen.is_some_and(|seen| seen != mine) {
            return Ok(true);
        }
        seen = Some(mine);
    }
    Ok(false)
}

/// The database's process of a connection, asked without preparing anything.
async fn process(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let row = connection
        .fetch_one(sqlx::raw_sql("select pg_backend_pid()::text"))
        .await?;
    row.try_get(0)
}

/// Makes a connection of the database forget statements that were prepared with names that others may use, too.
pub(super) async fn forget_statements(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(sqlx::raw_sql("deallocate all"))
        .await
        .map(drop)
}
