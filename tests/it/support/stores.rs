//! The three stores, each fresh and with a clock in the test's hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use driftless::storage::{Place, Store, open_at};
use driftless_resolvers::Timestamp;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::feed::Feed;
use driftless_resolvers::journal::Journal;
use driftless_resolvers::storage::Storage;
use driftless_resolvers::storage::memory::Memory;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::watch;

use super::pgbouncer::{Pooler, Settings};
use super::postgres::Database;

/// A clock that stands still until it is set.
pub(crate) struct HeldClock {
    now: AtomicI64,
    /// How much time has passed in the test, in milliseconds; whoever sleeps waits for it.
    passed: watch::Sender<i64>,
    /// A database with a clock of its own goes on meanwhile.
    began: Option<Instant>,
    /// Whoever reads the clock next is told the time only when somebody opens this.
    barrier: Mutex<Option<Arc<Barrier>>>,
}

impl HeldClock {
    /// A clock of its own.
    pub(crate) fn new() -> Arc<HeldClock> {
        HeldClock::from(Some(Instant::now()))
    }

    /// One beside which nothing goes on, so that a run can be played again.
    fn still() -> Arc<HeldClock> {
        HeldClock::from(None)
    }

    fn from(began: Option<Instant>) -> Arc<HeldClock> {
        Arc::new(HeldClock {
            now: AtomicI64::new(1_700_000_000_000),
            passed: watch::Sender::default(),
            began,
            barrier: Mutex::default(),
        })
    }

    /// Lets so many milliseconds pass. Time does not go back; a clock does.
    pub(crate) fn advance(&self, by: i64) {
        self.set_off(by);
        self.passed.send_modify(|passed| *passed += by.max(0));
    }

    /// Sets the clock off by so many milliseconds, while no time passes.
    pub(crate) fn set_off(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    /// Whether somebody sleeps by it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.passed.receiver_count() > 0
    }

    /// Whoever reads the clock next has read it, and is held until it has met at the barrier twice: once to say so,
    /// once to go on.
    pub(crate) fn hold_reader(&self, barrier: &Arc<Barrier>) {
        *self.barrier.lock().expect("no holder panics") = Some(Arc::clone(barrier));
    }

    /// Whether the next reader will be held.
    pub(crate) fn holds_next(&self) -> bool {
        self.barrier.lock().expect("no holder panics").is_some()
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp(self.now.load(Ordering::SeqCst));
        let barrier = self.barrier.lock().expect("no holder panics").take();
        if let Some(barrier) = barrier {
            barrier.wait();
            barrier.wait();
        }
        now
    }

    fn steady(&self) -> Duration {
        let passed = u64::try_from(*self.passed.borrow()).expect("time does not go back");
        Duration::from_millis(passed) + self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Until so much time has passed in the test.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        let mut passed = self.passed.subscribe();
        let time = i64::try_from(time.as_millis()).expect("a short time");
        let end = *passed.borrow() + time;
        async move {
            let waited = passed.wait_for(|passed| *passed >= end).await;
            waited.map(drop).expect("the clock is here");
        }
        .boxed()
    }
}

/// A fresh store.
pub(crate) struct Stand {
    /// Its records.
    pub(crate) storage: Arc<dyn Storage>,
    /// Its changes.
    pub(crate) feed: Arc<dyn Feed>,
    /// Its clock; Postgres has its own.
    pub(crate) clock: Arc<HeldClock>,
    /// Where it lives, for stores that can be closed and opened again.
    home: Home,
}

enum Home {
    Memory(Arc<Memory>),
    File(Store, TempDir),
    Database(Store, Database),
    Pooled(Store, Database, Pooler),
}

impl Stand {
    /// The reference store.
    pub(crate) async fn memory() -> Stand {
        let clock = HeldClock::still();
        let memory = Arc::new(Memory::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Stand {
            storage: Arc::clone(&memory) as Arc<dyn Storage>,
            feed: Arc::clone(&memory) as Arc<dyn Feed>,
            clock,
            home: Home::Memory(memory),
        }
    }

    /// A SQLite file.
    pub(crate) async fn sqlite() -> Stand {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = HeldClock::new();
        let store = open(&file_url(&directory), &clock, None).await;
        Stand::over(store.clone(), clock, Home::File(store, directory))
    }

    /// A Postgres database.
    pub(crate) async fn postgres() -> Stand {
        let database = Database::create().await;
        let clock = HeldClock::new();
        let store = open(&database.url, &clock, None).await;
        Stand::over(store.clone(), clock, Home::Database(store, database))
    }

    /// A Postgres database behind a pooler of transactions.
    pub(crate) async fn pooled() -> Stand {
        let database = Database::create().await;
        let pooler = Pooler::before(&database.url, Settings::Ignored).await;
        let clock = HeldClock::new();
        let store = open(&pooler.url, &clock, None).await;
        Stand::over(store.clone(), clock, Home::Pooled(store, database, pooler))
    }

    fn over(store: Store, clock: Arc<HeldClock>, home: Home) -> Stand {
        Stand {
            storage: store.storage,
            feed: store.feed,
            clock,
            home,
        }
    }

    /// Its conflicts.
    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        match &self.home {
            Home::Memory(memory) => Arc::clone(memory) as Arc<dyn Journal>,
            Home::File(store, _) | Home::Database(store, _) | Home::Pooled(store, ..) => {
                store.journal()
            }
        }
    }

    /// Whether the store reads the test's clock.
    pub(crate) fn clock_is_held(&self) -> bool {
        matches!(self.home, Home::Memory(_) | Home::File(..))
    }

    /// The URL of a store that outlives its process.
    pub(crate) fn url(&self) -> Option<String> {
        match &self.home {
            Home::Memory(_) => None,
            Home::File(_, directory) => Some(file_url(directory)),
            Home::Database(_, database) => Some(database.url.clone()),
            Home::Pooled(_, _, pooler) => Some(pooler.url.clone()),
        }
    }

    /// The store itself, unless it is the reference store.
    pub(crate) fn store(&self) -> &Store {
        match &self.home {
            Home::Memory(_) => panic!("the reference store has no database"),
            Home::File(store, _) | Home::Database(store, _) | Home::Pooled(store, _, _) => store,
        }
    }

    /// The reference store itself, if it is one.
    pub(crate) fn reference(&self) -> Option<&Arc<Memory>> {
        match &self.home {
            Home::Memory(memory) => Some(memory),
            Home::File(..) | Home::Database(..) | Home::Pooled(..) => None,
        }
    }

    /// The database it lives in, if it is Postgres.
    pub(crate) fn database(&self) -> Option<&Database> {
        match &self.home {
            Home::Database(_, database) | Home::Pooled(_, database, _) => Some(database),
            Home::Memory(_) | Home::File(..) => None,
        }
    }

    /// The same store after its process ended and started again.
    pub(crate) async fn restart(self) -> Stand {
        self.restart_with(None).await
    }

    /// The same, with a log that keeps rows for so many milliseconds.
    pub(crate) async fn restart_with(self, log_ttl: Option<i64>) -> Stand {
        let clock = self.clock;
        match self.home {
            Home::Memory(_) => panic!("the reference store ends with its process"),
            Home::File(store, directory) => {
                store.close().await;
                let store = open(&file_url(&directory), &clock, log_ttl).await;
                Stand::over(store.clone(), clock, Home::File(store, directory))
            }
            Home::Database(store, database) => {
                store.close().await;
                let store = open(&database.url, &clock, log_ttl).await;
                Stand::over(store.clone(), clock, Home::Database(store, database))
            }
            Home::Pooled(store, database, pooler) => {
                store.close().await;
                let store = open(&pooler.url, &clock, log_ttl).await;
                Stand::over(store.clone(), clock, Home::Pooled(store, database, pooler))
            }
        }
    }

    /// Removes what the store left behind.
    pub(crate) async fn finish(self) {
        match self.home {
            Home::Memory(_) => {}
            Home::File(store, directory) => {
                store.close().await;
                drop(directory);
            }
            Home::Database(store, database) => {
                store.close().await;
                database.remove().await;
            }
            Home::Pooled(store, database, pooler) => {
                store.close().await;
                drop(pooler);
                database.remove().await;
            }
        }
    }
}

fn file_url(directory: &TempDir) -> String {
    format!("sqlite:{}", directory.path().join("store.db").display())
}

/// Opens a store at a clock, with a log that keeps rows for so many milliseconds.
pub(crate) async fn open(url: &str, clock: &Arc<HeldClock>, log_ttl: Option<i64>) -> Store {
    let place = Place {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        log_ttl,
        ..Place::at(url)
    };
    open_at(&place)
        .await
        .unwrap_or_else(|error| panic!("{url} does not open: {error:#}"))
}
