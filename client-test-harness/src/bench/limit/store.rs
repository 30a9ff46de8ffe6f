//! The limit program's SQL: one row upserted and one log row appended per write, and a page by key.

use std::{str::FromStr as _, sync::Arc};

use anyhow::Context as _;
use sqlx::{
    PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, mpsc, oneshot};

/// As many writes as one statement takes.
const BATCH: usize = 64;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS limit_base (id TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS limit_log (id TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL)",
];

const POSTGRES_WRITE: &str = "WITH written AS (\
     INSERT INTO limit_base SELECT id, 1, document FROM unnest($1::text[], $2::text[]) AS new (id, document) \
     ON CONFLICT (id) DO UPDATE SET version = limit_base.version + 1, document = excluded.document \
     RETURNING id, version, document) \
     INSERT INTO limit_log SELECT id, version, document FROM written";

const SQLITE_BASE: &str = "INSERT INTO limit_base SELECT value->>0, 1, value->>1 FROM json_each($1) WHERE true \
     ON CONFLICT (id) DO UPDATE SET version = version + 1, document = excluded.document";
const SQLITE_LOG: &str = "INSERT INTO limit_log SELECT value->>0, 1, value->>1 FROM json_each($1)";

const PAGE: &str = "SELECT id, document FROM limit_base WHERE id > $1 ORDER BY id LIMIT 1000";

struct Job {
    id: String,
    document: String,
    done: oneshot::Sender<()>,
}

/// The tables and the writers in front of them.
pub(super) struct Tables {
    jobs: mpsc::UnboundedSender<Job>,
    reader: Pool,
}

#[derive(Clone)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Tables {
    /// Opens the database and starts its writers.
    pub(super) async fn open(url: &str, single: bool) -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let (writer, reader) = pools(url).await?;
        let (writers, batch) = match (&writer, single) {
            (Pool::Sqlite(_), _) => (1, BATCH),
            (Pool::Postgres(_), true) => (16, 1),
            (Pool::Postgres(_), false) => (4, BATCH),
        };
        for _ in 0..writers {
            tokio::spawn(write_for_ever(writer.clone(), Arc::clone(&queue), batch));
        }
        Ok(Self { jobs, reader })
    }

    /// Writes one record durably.
    pub(super) async fn write(&self, id: String, document: String) -> anyhow::Result<()> {
        let (done, written) = oneshot::channel();
        let job = Job { id, document, done };
        self.jobs.send(job).ok().context("the writers have ended")?;
        written.await.context("the write failed")
    }

    /// A thousand records after the key.
    pub(super) async fn page(&self, after: &str) -> anyhow::Result<Vec<(String, String)>> {
        Ok(match &self.reader {
            Pool::Postgres(pool) => sqlx::query_as(PAGE).bind(after).fetch_all(pool).await?,
            Pool::Sqlite(pool) => sqlx::query_as(PAGE).bind(after).fetch_all(pool).await?,
        })
    }
}

async fn pools(url: &str) -> anyhow::Result<(Pool, Pool)> {
    if url.starts_with("postgres") {
        let pool = PgPoolOptions::new()
            .max_connections(20)
            .connect(url)
            .await?;
        for table in TABLES {
            sqlx::query(table).execute(&pool).await?;
        }
        return Ok((Pool::Postgres(pool.clone()), Pool::Postgres(pool)));
    }
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let one = SqlitePoolOptions::new().max_connections(1);
    let writer = one.connect_with(options.clone()).await?;
    for table in TABLES {
        sqlx::query(table).execute(&writer).await?;
    }
    let reader = SqlitePoolOptions::new().connect_with(options).await?;
    Ok((Pool::Sqlite(writer), Pool::Sqlite(reader)))
}

async fn write_for_ever(
    pool: Pool,
    queue: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
    batch: usize,
) -> anyhow::Result<()> {
    loop {
        let mut jobs = Vec::with_capacity(batch);
        if queue.lock().await.recv_many(&mut jobs, batch).await == 0 {
            return Ok(());
        }
        match &pool {
            Pool::Postgres(pool) => write_postgres(pool, &jobs).await?,
            Pool::Sqlite(pool) => write_sqlite(pool, &jobs).await?,
        }
        for job in jobs {
            // The client may have gone; the write stays.
            let _ = job.done.send(());
        }
    }
}

async fn write_postgres(pool: &PgPool, jobs: &[Job]) -> anyhow::Result<()> {
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let documents: Vec<&str> = jobs.iter().map(|job| job.document.as_str()).collect();
    let write = sqlx::query(POSTGRES_WRITE).bind(ids).bind(documents);
    write.execute(pool).await?;
    Ok(())
}

async fn write_sqlite(pool: &SqlitePool, jobs: &[Job]) -> anyhow::Result<()> {
    let rows: Vec<_> = jobs.iter().map(|job| (&job.id, &job.document)).collect();
    let rows = serde_json::to_string(&rows)?;
    let mut transaction = pool.begin().await?;
    for statement in [SQLITE_BASE, SQLITE_LOG] {
        sqlx::query(statement)
            .bind(&rows)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}
