//! The connections to Postgres: made, tried out, given up in time, and used in the way that what lies between allows.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};
use tokio::time::timeout;

use super::database::{Allowance, Row, collect};
use super::doubt::Doubt;
use super::pooler::{self, Found};
use super::write_sql;

/// How many connections one node uses at most.
const MOST: u32 = 16;
/// How long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a statement may take: longer than the database allows it to, so that only a network that has fallen silent
/// is the reason.
const LONGEST: Duration = Duration::from_secs(6);
/// A connection that rested for longer is asked whether it still works, and must say so within the second time. One
/// that was used a moment ago is not: asking costs a round trip.
const RESTED: Duration = Duration::from_secs(1);
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// How long connections may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What every connection is asked for when it starts; nothing else is kept in a session, so that poolers which hand a
/// connection to somebody else after each transaction do no harm (`sync-design.md` W1, W7).
const OPTIONS: [(&str, &str); 4] = [
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "5000"),
    ("lock_timeout", "2000"),
    ("idle_in_transaction_session_timeout", "10000"),
];

/// And this where the database answers commits before they are on the disk. It waits for no replica then, as it does not
/// otherwise.
const LASTING: [(&str, &str); 1] = [("synchronous_commit", "local")];

/// What a connection is asked for that must not be hurried.
const PATIENT: [(&str, &str); 2] = [("statement_timeout", "0"), ("lock_timeout", "0")];

/// The connections of one node.
pub(super) struct Connections {
    pool: PgPool,
    /// Whether a pooler hands connections around between transactions.
    pooled: bool,
    /// How a transaction begins.
    begin: &'static str,
    options: Box<PgConnectOptions>,
    /// Raised by every new connection.
    doubt: Arc<Doubt>,
}

impl Connections {
    /// Connects to a URL.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let plain = options(url)?;
        let place = format!("{}:{}", plain.get_host(), plain.get_port());
        let unreachable = || format!("cannot connect to Postgres at {place}");
        let trial = pooler::try_out(plain.clone().options(OPTIONS), plain);
        let Found {
            options,
            pooled,
            conduct,
        } = timeout(ACQUIRE, trial)
            .await
            .context("it does not answer")
            .flatten()
            .with_context(unreachable)?;
        if pooled {
            tracing::info!("the database is reached through a pooler of transactions");
        }
        let (begin, options) = match (conduct.answers_early, pooled) {
            (false, _) => (pooler::BEGIN, options),
            // Its sessions are no place for settings.
            (true, true) => (pooler::BEGIN_LASTING, options),
            (true, false) => (pooler::BEGIN_LASTING, options.options(LASTING)),
        };
        let doubt = Arc::new(Doubt::default());
        let raise = Arc::clone(&doubt);
        let pool = PgPoolOptions::new()
            .max_connections(MOST)
            .after_connect(move |_, _| {
                raise.raise();
                std::future::ready(Ok(())).boxed()
            })
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| works(connection, metadata).boxed())
            .connect_with(options.clone())
            .await
            .with_context(unreachable)?;
        Ok(Connections {
            pool,
            pooled,
            begin,
            options: Box::new(options),
            doubt,
        })
    }

    /// Whether they lead to the database whose log was looked at.
    pub(super) fn doubt(&self) -> &Arc<Doubt> {
        &self.doubt
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

    /// Runs a statement that commits by itself. Behind a pooler it gets a transaction around it, which keeps its parts
    /// on one connection, and says in it what [`OPTIONS`] say otherwise.
    pub(super) async fn fetch(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        allowance: Option<Allowance>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        self.run(self.pool.acquire().await?, query, allowance).await
    }

    /// The same for what clients are shown afterwards, where nothing can have been lost since the logs were looked at. The
    /// query is made for the server that they were looked at on.
    pub(super) async fn write<'q>(
        &self,
        query: impl FnOnce(i64) -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let trusted = async {
            loop {
                let connection = self.pool.acquire().await?;
                if self.doubt.is_settled() {
                    return Ok(connection);
                }
                // Whoever looks needs one, too.
                drop(connection);
                self.doubt.settled().await;
            }
        };
        let connection = timeout(ACQUIRE, trusted).await;
        let connection = connection.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        self.run(connection, query(self.doubt.server()), None).await
    }

    async fn run(
        &self,
        connection: PoolConnection<Postgres>,
        query: Query<'_, Postgres, PgArguments>,
        allowance: Option<Allowance>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let mut lent = Lent {
            connection,
            answered: false,
        };
        match timeout(LONGEST, self.ask(&mut lent.connection, query, allowance)).await {
            Ok(answer) => {
                lent.answered = true;
                answer
            }
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn ask(
        &self,
        connection: &mut PgConnection,
        query: Query<'_, Postgres, PgArguments>,
        allowance: Option<Allowance>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        if !self.pooled {
            return collect(query.fetch(connection).map_ok(Row::Postgres), allowance).await;
        }
        let mut transaction = connection.begin_with(self.begin).await?;
        let rows = query.persistent(false).fetch(&mut *transaction);
        let rows = collect(rows.map_ok(Row::Postgres), allowance).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// A connection of its own, for what takes as long as it takes: whoever makes an index, or waits for a node that
    /// makes one.
    pub(super) async fn patient(&self) -> Result<PgConnection, sqlx::Error> {
        let options = (*self.options).clone();
        if self.pooled {
            // A pooler may refuse settings; its sessions have no time limits of ours.
            return options.connect().await;
        }
        options.options(PATIENT).connect().await
    }

    /// A transaction.
    pub(super) async fn transaction(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(self.begin).await
    }

    /// A transaction that may change tables; others that want to wait for its end.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut transaction = self.transaction().await?;
        sqlx::raw_sql(write_sql::LOCK_SCHEMA)
            .execute(&mut *transaction)
            .await?;
        if self.pooled {
            pooler::forget_statements(&mut transaction).await?;
        }
        Ok(transaction)
    }

    /// Commits such a transaction.
    pub(super) async fn commit(
        &self,
        mut transaction: Transaction<'static, Postgres>,
    ) -> Result<(), sqlx::Error> {
        if self.pooled {
            pooler::forget_statements(&mut transaction).await?;
        }
        transaction.commit().await
    }

    pub(super) async fn close(&self) {
        if timeout(FAREWELL, self.pool.close()).await.is_err() {
            tracing::warn!("some connections to the database do not end in time");
        }
    }
}

/// A connection in use. Dropped before its answer has come, it is closed: the pool would wait for that answer.
struct Lent {
    connection: PoolConnection<Postgres>,
    answered: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.answered {
            self.connection.close_on_drop();
        }
    }
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

/// Whether a connection may be used again.
async fn works(
    connection: &mut PgConnection,
    metadata: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    if metadata.idle_for < RESTED {
        return Ok(true);
    }
    let answered = timeout(SIGN_OF_LIFE, connection.ping()).await;
    Ok(matches!(answered, Ok(Ok(()))))
}

/// Whether an error says that a connection was lost, not that a statement is wrong: another connection may do.
pub(super) fn lost(error: &sqlx::Error) -> bool {
    let ended = |code: &str| code.starts_with("57P0") || code.starts_with("08");
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().as_deref().is_some_and(ended),
        _ => false,
    }
}
