//! The embedded database: one writer, several readers, one process.

mod batch;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::TryStreamExt;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Transaction};
use tokio::sync::Mutex;

use driftless_resolvers::clock::Clock;
use driftless_resolvers::storage::{StorageError, TICK_AFTER, Write};
use driftless_resolvers::{Record, Timestamp, Version};

use super::Place;
use super::belief::{self, Belief, Reading, Ruling};
use super::database::{Dialect, Row, Statement, collect, storage_error};
use super::group::Batch;
use super::migrate::{Session, Step};
use super::moment::{Moment, Moments};
use super::statements;
use super::table::Table;

/// How many reads may run at the same time.
const READERS: u32 = 4;
/// What the writer keeps of the file's pages, in the units of SQLite (less than zero: KiB). New records have random keys: each
/// touches another page.
const WRITER_CACHE: &str = "-16384";
/// The same for each reader: SQLite's default.
const READER_CACHE: &str = "-2000";
/// How long to wait for a tool that holds the file's lock.
const BUSY: Duration = Duration::from_secs(5);

/// The one connection that writes, and what keeps it the only one.
struct Writer {
    connection: SqliteConnection,
    /// How to make another one.
    options: Box<SqliteConnectOptions>,
    /// Released with the process, however it ends.
    _locks: Vec<File>,
}

/// An open SQLite file.
pub(super) struct Sqlite {
    readers: SqlitePool,
    writer: Mutex<Option<Writer>>,
    clock: Arc<dyn Clock>,
    belief: Belief,
    moments: Moments,
    /// The directory to remove at the end, for stores that are not to last.
    scratch: Option<PathBuf>,
    path: PathBuf,
}

impl Sqlite {
    /// Where to leave a mark for a later process, unless the file goes with this one.
    pub(super) fn mark(&self) -> Option<PathBuf> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".mark");
        self.scratch.is_none().then(|| name.into())
    }

    /// Opens (or creates) the file of a `sqlite:` URL; `sqlite::memory:` is a file nobody else can find, removed at the
    /// end.
    pub(super) async fn open(place: &Place) -> anyhow::Result<Self> {
        let url = place.url.as_str();
        let ephemeral = url.contains(":memory:");
        let scratch = ephemeral.then(scratch_directory).transpose()?;
        let options = match &scratch {
            Some(directory) => SqliteConnectOptions::new().filename(directory.join("store.db")),
            None => options(url)?,
        };
        let path = itself(options.get_filename());
        let locks = lock(&path)?;
        let options = options
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if ephemeral {
                SqliteSynchronous::Off
            } else {
                SqliteSynchronous::Full
            })
            .busy_timeout(BUSY);
        let options = options.pragma("cache_size", WRITER_CACHE);
        let connected = options.connect().await;
        let mut writer = connected.map_err(|error| unopened(&path, error))?;
        super::ddl::migrations(Dialect::Sqlite)
            .run_direct(None, &mut writer, false)
            .await
            .with_context(|| format!("cannot bring {} up to date", path.display()))?;
        let readers = readers(options.clone());
        let writer = Writer {
            connection: writer,
            options: Box::new(options),
            _locks: locks,
        };
        Ok(Sqlite::over(place, path, scratch, readers, Some(writer)))
    }

    /// Opens a file that may be another process's, to read it. Nothing can be written.
    pub(super) fn open_to_read(place: &Place) -> anyhow::Result<Self> {
        let options = options(&place.url)?;
        let path = itself(options.get_filename());
        if !path.exists() {
            bail!("there is no SQLite file {}", path.display());
        }
        let readers = readers(options.filename(&path).busy_timeout(BUSY));
        Ok(Sqlite::over(place, path, None, readers, None))
    }

    fn over(
        place: &Place,
        path: PathBuf,
        scratch: Option<PathBuf>,
        readers: SqlitePool,
        writer: Option<Writer>,
    ) -> Self {
        Sqlite {
            readers,
            writer: Mutex::new(writer),
            belief: Belief::new(reading(&*place.clock), Ruling::default()),
            clock: Arc::clone(&place.clock),
            moments: place.moments.clone(),
            scratch,
            path,
        }
    }

    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The time of a change that is made now.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.belief.time(self.reading()))
    }

    pub(super) fn reading(&self) -> Reading {
        reading(&*self.clock)
    }

    pub(super) fn belief(&self) -> &Belief {
        &self.belief
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        let allowance = statement.allowance;
        let rows = statement.sqlite().fetch(&self.readers);
        let rows = rows.map_ok(Row::Sqlite);
        collect(rows, allowance).await.map_err(failed)
    }

    /// Runs a statement as a transaction of the writer.
    pub(super) async fn execute(&self, statement: Statement) -> Result<(), StorageError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = begin(&mut writer).await?;
        let query = statement.sqlite();
        query.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Runs a step of a migration as one transaction of the writer.
    pub(super) async fn step<S: Step>(&self, step: &S) -> Result<S::Done, StorageError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = begin(&mut writer).await?;
        let done = step.run(&mut Session::Sqlite(&mut transaction)).await?;
        self.moments.at(Moment::Prepared).await;
        transaction.commit().await.map_err(failed)?;
        Ok(done)
    }

    /// Adds an idle tick to the log unless somebody wrote a moment ago.
    pub(super) async fn tick(&self, table: &Table) -> Result<(), StorageError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = begin(&mut writer).await?;
        let head = Head::read(&mut transaction, table).await?;
        let now = self.now();
        if head.seq == 0 || now.0 - head.changed > TICK_AFTER {
            statements::tick(table, head.seq + 1, head.time(now))
                .sqlite()
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Commits a batch: compare and swap of each write, in order, in one transaction.
    pub(super) async fn commit(
        &self,
        table: &Table,
        writes: &[Write],
    ) -> Result<Batch, StorageError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = begin(&mut writer).await?;
        let head = Head::read(&mut transaction, table).await?;
        let table = &current(&mut transaction, table, &head).await?;
        let stored = stored(&mut transaction, table, writes).await?;
        let changed = Timestamp(head.time(self.now()));
        let decided = batch::decide(writes, stored, head.first_version()?, changed, head.seq);
        if let Some(statement) = decided.statement(table) {
            let query = statement.sqlite();
            query.execute(&mut *transaction).await.map_err(failed)?;
        }
        self.moments.at(Moment::Written).await;
        transaction.commit().await.map_err(failed)?;
        Ok(decided.batch)
    }

    /// Closes every connection and lets go of the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take()
            && let Err(error) = writer.connection.close().await
        {
            tracing::warn!(%error, "closing the SQLite file failed");
        }
    }
}

/// How to open the file of a URL.
fn options(url: &str) -> anyhow::Result<SqliteConnectOptions> {
    SqliteConnectOptions::from_str(url).with_context(|| {
        format!("`{url}` is no address of a SQLite file; write sqlite:path/to/file.db")
    })
}

/// Why a file does not open. SQLite makes others beside it; where it may not, it speaks of the file itself.
fn unopened(path: &Path, error: sqlx::Error) -> anyhow::Error {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let code: Option<u32> = code.and_then(|code| code.parse().ok());
    let hint = match code.map(|code| code & 0xff) {
        Some(8 | 14) => ", which must be writable as its folder must be",
        _ => "",
    };
    let what = format!("cannot open the SQLite file {}{hint}", path.display());
    anyhow::Error::new(error).context(what)
}

/// Connections that read, made when they are needed.
fn readers(options: SqliteConnectOptions) -> SqlitePool {
    let for_reading = options
        .read_only(true)
        .create_if_missing(false)
        .pragma("cache_size", READER_CACHE);
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_lazy_with(for_reading)
}

/// The clock of this process is the store's.
fn reading(clock: &dyn Clock) -> Reading {
    Reading {
        wall: clock.now().0,
        own: None,
        steady: belief::steady(clock),
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(directory) = &self.scratch {
            // Nothing depends on it: a leftover in the temporary directory is the system's to clean.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

impl Writer {
    /// Where a write fails, as on a full disk, SQLite may end the transaction by itself; sqlx does not see that and takes
    /// every later transaction for one inside of it. A new connection starts anew.
    async fn mend(&mut self) -> Result<(), sqlx::Error> {
        if self.connection.is_in_transaction() {
            // The end of an unfinished transaction may still be under way; this waits for it.
            self.connection.ping().await?;
        }
        if self.connection.is_in_transaction() {
            let fresh = self.options.connect().await?;
            let former = std::mem::replace(&mut self.connection, fresh);
            if let Err(error) = former.close().await {
                tracing::debug!(%error, "closing a connection to the SQLite file failed");
            }
        }
        Ok(())
    }
}

/// Starts a transaction that is the only one to write.
async fn begin(writer: &mut Option<Writer>) -> Result<Transaction<'_, sqlx::Sqlite>, StorageError> {
    let closed = || StorageError::Unavailable("the store is closed".to_owned());
    let writer = writer.as_mut().ok_or_else(closed)?;
    writer.mend().await.map_err(failed)?;
    writer
        .connection
        .begin_with("begin immediate")
        .await
        .map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: sqlx::Error) -> StorageError {
    storage_error(&error)
}

/// The last row of a model's log.
struct Head {
    seq: i64,
    changed: i64,
    floor: i64,
    layout: Option<String>,
    /// The version before the first one of a record.
    offset: i64,
}

impl Head {
    async fn read(connection: &mut SqliteConnection, table: &Table) -> Result<Head, StorageError> {
        let row = statements::head(table)
            .sqlite()
            .fetch_one(connection)
            .await
            .map_err(failed)?;
        let row = Row::Sqlite(row);
        Ok(Head {
            seq: row.int(0)?,
            changed: row.int(1)?,
            floor: row.int(2)?,
            layout: row.maybe_text(3)?,
            offset: row.int(4)?,
        })
    }

    /// The version of a record that is new.
    fn first_version(&self) -> Result<Version, StorageError> {
        let first = u32::try_from(self.offset + 1);
        first
            .map(Version)
            .map_err(|_| StorageError::Corrupt("a version offset is none".to_owned()))
    }

    /// The time of the next row: never before the last one's.
    fn time(&self, now: Timestamp) -> i64 {
        now.0.max(self.changed).max(self.floor)
    }
}

/// The table with the columns it has by now: a batch may have waited while a schema added some.
async fn current<'a>(
    connection: &mut SqliteConnection,
    table: &'a Table,
    head: &Head,
) -> Result<Cow<'a, Table>, StorageError> {
    if head.layout.as_ref() == Some(&table.layout) {
        return Ok(Cow::Borrowed(table));
    }
    let query = super::ddl::layout_of(table).sqlite();
    let rows = query.fetch_all(connection).await.map_err(failed)?;
    let rows: Vec<_> = rows.into_iter().map(Row::Sqlite).collect();
    super::ddl::described(table, &rows).map(Cow::Owned)
}

/// What is stored of the records of a batch.
async fn stored(
    connection: &mut SqliteConnection,
    table: &Table,
    writes: &[Write],
) -> Result<HashMap<String, Record>, StorageError> {
    let statement = statements::many(Dialect::Sqlite, table, batch::keys(writes));
    let rows = statement.sqlite().fetch_all(connection).await;
    let rows = rows.map_err(failed)?.into_iter().map(Row::Sqlite);
    rows.map(|row| super::rows::hit(&row, 0).map(|hit| (hit.key.0, hit.record)))
        .collect()
}

/// Where a file is, or will be, whichever links lead there: SQLite keeps the newest commits in another one beside it.
fn itself(path: &Path) -> PathBuf {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let missing = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    let found = path.canonicalize().ok().or_else(missing);
    // What cannot be found is spoken of as it was written.
    found.unwrap_or_else(|| path.to_owned())
}

/// Keeps other processes away: two writers with their own clocks would break the order of the log. A file beside it keeps
/// out whoever comes by the same path. Who comes by another one, a hard link or a mount, would not even see the newest
/// commits: Linux locks the file itself, too, apart from the locks that SQLite takes there; elsewhere the two are one.
fn lock(path: &Path) -> anyhow::Result<Vec<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = File::create(&name)
        .with_context(|| format!("cannot create the lock file {}", Path::new(&name).display()))?;
    let mut locks = vec![locked(beside, path)?];
    if cfg!(target_os = "linux") {
        let itself = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot open the SQLite file {}", path.display()))?;
        locks.push(locked(itself, path)?);
    }
    Ok(locks)
}

fn locked(file: File, path: &Path) -> anyhow::Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "{} is in use by another process; stop it first, or use Postgres to run several",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn scratch_directory() -> anyhow::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("driftless-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}
