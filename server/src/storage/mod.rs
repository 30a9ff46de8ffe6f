//! The stores over SQL: embedded SQLite and Postgres, one logic with two dialects.
//!
//! Per model one table (the newest state of each record) and one append-only log of all models; writes of a model commit
//! one after another, in batches. In reading order:
//!
//! * [`sql`] – the ports: reads, and writes handed to the queue of their model;
//! * `shelf`, `group` – a model in use and its queue; `engine` – what the two databases are asked to do; `postgres`, `sqlite` – how they do it;
//! * `wake` – how subscribers and other nodes learn of a write; `connections`, `pooler`, `conduct` – the way to Postgres;
//! * `statements`, `range`, `narrow`, `filter_sql`, `column_sql`, `page` – reading: text, where from, which rows, until when;
//! * `check` – whether what a database holds can be true;
//! * `epoch` – what is done when writes are missing that clients have seen; `lineage`, `mark` – how that is noticed, `doubt` – when nothing is written before it is, `roll` – whom a node waits for then; `trim` – how the log stays small;
//! * `belief`, `drift` – until when a clock is believed, and what is said of one that jumps;
//! * `dismissals` – word to other nodes that somebody's sockets are to be closed;
//! * `patience` – waiting for locks; [`moment`] – when a crash matters, for those who try one out;
//! * `migrate` – how a database comes to a schema; `ddl`, `table`, `view_sql` – what is made for it; `database`, `rows`, `secret` – encodings.

mod belief;
mod check;
mod column_sql;
mod conduct;
mod connections;
mod database;
mod ddl;
mod dismissals;
mod doubt;
mod drift;
mod engine;
mod epoch;
mod filter_sql;
mod group;
mod journal;
mod lineage;
mod mark;
mod migrate;
pub mod moment;
mod narrow;
mod page;
mod patience;
mod pooler;
mod postgres;
mod range;
mod roll;
mod rows;
mod secret;
mod shelf;
mod sql;
mod sqlite;
mod statements;
mod syncs;
mod table;
mod together;
mod trim;
mod view_sql;
mod wake;
mod write_sql;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use driftless_resolvers::clock::{Clock, System};
use driftless_resolvers::feed::Feed;
use driftless_resolvers::journal::{Journal, Notebook, Retention};
use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::{PAGE_BYTES, Storage, StorageError};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use check::{Finding, Verdict};
use database::Dialect;
use engine::Engine;
use lineage::Lineage;
use mark::Marker;
pub use migrate::{Count, Leftover, Outlook, Prepared, Progress, Work};
use moment::Moments;
use postgres::Postgres;
use roll::Roll;
use sql::SqlStore;
use sqlite::Sqlite;
use wake::{Board, Nats, Way};
pub use wake::{Certificate, Credentials, NatsPlace};

/// How long a last word to other nodes may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open store, as the two ports it implements.
#[derive(Clone)]
pub struct Store {
    /// Records.
    pub storage: Arc<dyn Storage>,
    /// Their changes.
    pub feed: Arc<dyn Feed>,
    sql: Arc<SqlStore>,
    board: Arc<Board>,
    /// What this process is called among those of its database.
    node: Arc<str>,
    /// What tells and hears of writes; ends with the store.
    waking: Arc<Mutex<JoinSet<()>>>,
    /// Those who write conflicts down, and when they end.
    keeping: TaskTracker,
    closing: CancellationToken,
    /// Of a store in a file.
    marker: Option<Arc<Marker>>,
}

impl Store {
    /// Prepares for a schema, as [`Storage::prepare`] does, and tells what has been done after every step. Where the
    /// observer breaks, the rest is left to the next call, of whichever process; the answer is `false` then.
    pub async fn migrate(
        &self,
        schema: &Schema,
        observer: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<bool, StorageError> {
        self.sql.migrate(schema, observer).await
    }

    /// The schema that the database was prepared for last.
    pub async fn prepared(&self) -> Result<Option<Prepared>, StorageError> {
        migrate::last(self.sql.engine()).await
    }

    /// Whether the database was ever prepared for a schema.
    pub async fn knows(&self, schema: &Schema) -> Result<bool, StorageError> {
        migrate::knows(self.sql.engine(), schema).await
    }

    /// What is left to do for a schema, and what is there that it does not need.
    pub async fn look(&self, schema: &Schema) -> Result<Outlook, StorageError> {
        migrate::patiently(self.sql.engine(), &migrate::Look { schema }).await
    }

    /// Removes everything that [`Store::look`] calls a leftover, records included. Nodes with a former schema must be gone.
    pub async fn contract(&self, schema: &Schema) -> Result<(), StorageError> {
        migrate::contract(self.sql.engine(), schema).await
    }

    /// Starts a new epoch: writes are missing that clients have seen, because a backup was restored. Every version
    /// becomes greater than any that was shown, and every client fetches everything at its next sync.
    pub async fn begin_epoch(&self) -> Result<bool, StorageError> {
        let known = epoch::current(self.sql.engine()).await?;
        epoch::renew(self.sql.engine(), known, &[], None).await
    }

    /// [`check_at`] on the store's own connections.
    pub async fn check(&self) -> Result<Verdict, StorageError> {
        check::check(self.sql.engine()).await
    }

    /// Removes rows of the log that are older than so many milliseconds; answers how many. A store with a
    /// [`Place::log_ttl`] does so by itself.
    pub async fn trim(&self, ttl: i64) -> Result<u64, StorageError> {
        trim::trim(self.sql.engine(), ttl).await
    }

    /// Tells the other nodes of the database to close a principal's sockets.
    pub async fn dismiss(&self, principal: &str) -> Result<(), StorageError> {
        dismissals::leave(self.sql.engine(), &self.node, principal).await
    }

    /// Does this for every principal that another node of the database dismisses, until the store is closed.
    pub fn on_dismissal(&self, act: impl Fn(&str) + Send + 'static) {
        let engine = Arc::clone(self.sql.engine());
        if matches!(*engine, Engine::Sqlite(_)) {
            // A file has no other nodes.
            return;
        }
        self.spawn(dismissals::hear(engine, Arc::clone(&self.node), act));
    }

    fn waking(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.waking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.waking().spawn(task);
    }

    /// Watches from now on whether the clock that changes are stamped with goes as time does, and says so where it does
    /// not.
    pub fn watch_clock(&self) {
        self.spawn(drift::watch(Arc::clone(self.sql.engine())));
    }

    /// The time that changes get, as this process counts it: what is compared with it should be told by it.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(drift::StoreClock(Arc::clone(self.sql.engine())))
    }

    /// How far that clock is ahead of what is believed, where it jumped: changes get the time that has really passed.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<Duration> {
        let ahead = u64::try_from(self.sql.engine().belief().ahead()).unwrap_or_default();
        (ahead > 0).then(|| Duration::from_millis(ahead))
    }

    /// Tells every server of a Postgres database that its clock is right, within seconds; answers `false` for SQLite,
    /// whose clock is believed by whoever opens the file.
    pub async fn believe_clock(&self) -> Result<bool, StorageError> {
        let engine = self.sql.engine();
        if engine.is_shared() {
            drift::pardon(engine).await?;
        }
        Ok(engine.is_shared())
    }

    /// Whether word of other processes' writes arrives at once; they are looked for now and then in any case.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.board.hears()
    }

    /// The conflict journal.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.sql) as Arc<dyn Journal>
    }

    /// Where mutations leave their conflicts; what is in it is written down until the store is closed.
    #[must_use]
    pub fn notebook(&self, retention: Retention) -> Notebook {
        let (notebook, work) = Notebook::kept_by(self.journal(), retention, self.closing.clone());
        self.keeping.spawn(work);
        notebook
    }

    /// Commits what callers have handed over, closes all connections and lets go of the file. Later calls fail.
    pub async fn close(&self) {
        self.sql.engine().hurry();
        self.sql.finish().await;
        self.closing.cancel();
        self.keeping.close();
        self.keeping.wait().await;
        let mut waking = std::mem::take(&mut *self.waking());
        waking.shutdown().await;
        self.leave().await;
        if let Some(marker) = &self.marker
            && let Err(error) = marker.write().await
        {
            tracing::warn!(error = format!("{error:#}"), "the mark cannot be kept");
        }
        self.sql.close().await;
    }

    /// Lets the other nodes know that this one is not to be waited for; where the database is away, they find out.
    async fn leave(&self) {
        let engine = self.sql.engine();
        if engine.is_shared() {
            let left = tokio::time::timeout(FAREWELL, roll::leave(engine, &self.node)).await;
            if !matches!(left, Ok(Ok(()))) {
                tracing::debug!("the other nodes are not told of the end of this one");
            }
        }
    }
}

/// Where a store is, and what it works with.
#[derive(Clone)]
pub struct Place {
    /// `sqlite:path/to/file.db`, `sqlite::memory:` (gone at the end), `postgres://…`.
    pub url: String,
    /// The same Postgres without the pooler that `url` leads through: notifications of writes arrive only there.
    pub direct_url: Option<String>,
    /// The NATS servers that carry word of writes between nodes on one Postgres, instead of its notifications.
    pub feed: Option<NatsPlace>,
    /// How long the log keeps rows, in milliseconds; `None` is for ever.
    pub log_ttl: Option<i64>,
    /// How much the records of a page weigh at most, in bytes: a page that would be larger is cut, and goes on with a token.
    pub page_bytes: usize,
    /// The time of a SQLite store. Postgres always reads its own (`sync-design.md` W3); this one counts how much of it
    /// should have passed.
    pub clock: Arc<dyn Clock>,
    /// Who looks at its writes: nobody, but in tests of crashes.
    pub moments: Moments,
}

impl Place {
    /// A store with nothing special about it.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Place {
            url: url.to_owned(),
            direct_url: None,
            feed: None,
            log_ttl: None,
            page_bytes: PAGE_BYTES,
            clock: Arc::new(System),
            moments: Moments::default(),
        }
    }
}

/// Opens the store of a URL.
pub async fn open(url: &str) -> anyhow::Result<Store> {
    open_at(&Place::at(url)).await
}

/// Opens a store.
pub async fn open_at(place: &Place) -> anyhow::Result<Store> {
    let store = opened(place).await?;
    if let Some(ttl) = place.log_ttl {
        store.spawn(trim::keep(Arc::clone(store.sql.engine()), ttl));
    }
    Ok(store)
}

/// Whether records, log and indexes tell one story. This is no server of the database: nothing of its records is changed, and
/// whoever serves it goes on.
pub async fn check_at(place: &Place) -> anyhow::Result<Verdict> {
    let engine = match dialect(&place.url)? {
        Dialect::Sqlite => Engine::Sqlite(Sqlite::open_to_read(place)?),
        Dialect::Postgres => Engine::Postgres(Postgres::open(place).await?),
    };
    let verdict = check::check(&engine).await;
    engine.close().await;
    Ok(verdict?)
}

async fn opened(place: &Place) -> anyhow::Result<Store> {
    match dialect(&place.url)? {
        Dialect::Sqlite => {
            let sqlite = Sqlite::open(place).await?;
            let engine = Arc::new(Engine::Sqlite(sqlite));
            let mut store = store(place, Arc::clone(&engine), Arc::new(Board::alone()));
            if let Engine::Sqlite(sqlite) = &*engine
                && let Some(path) = sqlite.mark()
            {
                let marker = Arc::new(Marker::new(path, Arc::clone(&engine)));
                marker.check().await?;
                store.spawn(Arc::clone(&marker).keep());
                store.marker = Some(marker);
            }
            Ok(store)
        }
        Dialect::Postgres => {
            let postgres = Postgres::open(place).await?;
            let listening = postgres.listening(place.direct_url.as_deref())?;
            let doubt = postgres.doubt();
            let engine = Arc::new(Engine::Postgres(postgres));
            let node: Arc<str> = uuid::Uuid::new_v4().to_string().into();
            // Those who know more than this node look first.
            let roll = Roll::join(&engine, Arc::clone(&node)).await?;
            Lineage::new().check(&engine, &[]).await?;
            let way = match &place.feed {
                None => Way::Notifications(listening),
                Some(feed) => {
                    let secret = sql::secret(&engine, Nats::SECRET).await?;
                    Way::Nats(Nats::new(feed, secret)?)
                }
            };
            let board = Arc::new(Board::shared(way.carries_events()));
            let store = Store {
                node,
                ..store(place, engine, Arc::clone(&board))
            };
            wake::start(&mut store.waking(), &store.sql, &board, way, doubt, roll);
            Ok(store)
        }
    }
}

/// Which database a URL means.
fn dialect(url: &str) -> anyhow::Result<Dialect> {
    match url.split(':').next() {
        Some("sqlite") => Ok(Dialect::Sqlite),
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        _ => bail!(
            "`{url}` is no address of a store; write sqlite:path/to/file.db or postgres://user:password@host/database"
        ),
    }
}

fn store(place: &Place, engine: Arc<Engine>, board: Arc<Board>) -> Store {
    let sql = Arc::new(SqlStore::new(engine, Arc::clone(&board), place.page_bytes));
    Store {
        storage: Arc::clone(&sql) as Arc<dyn Storage>,
        feed: Arc::clone(&sql) as Arc<dyn Feed>,
        sql,
        board,
        node: uuid::Uuid::new_v4().to_string().into(),
        waking: Arc::default(),
        marker: None,
        keeping: TaskTracker::new(),
        closing: CancellationToken::new(),
    }
}
