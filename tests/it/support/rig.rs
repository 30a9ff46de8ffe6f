//! A store on which time, pauses and lost answers are in the test's hand, with or without a flaw.

use std::cell::Cell;
use std::sync::{Arc, Barrier};

use driftless_resolvers::feed::Feed;
use driftless_resolvers::storage::Storage;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use super::bent::{Bent, Flaw};
use super::stores::Stand;

/// What a case found: that what must hold does not.
pub(crate) type Verdict = anyhow::Result<()>;

/// Whether laws hold over a store, whatever happens in so many cases; each of them has a number, for a model of its own.
pub(crate) fn laws<S: Strategy>(
    start: impl AsyncFnOnce() -> Rig,
    cases: u32,
    case: &S,
    hold: &impl AsyncFn(&Rig, u32, S::Value) -> Verdict,
) -> Result<(), String> {
    let runtime = Runtime::new().expect("a runtime");
    let rig = runtime.block_on(start());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let number = Cell::new(0);
    let verdict = TestRunner::new(config).run(case, |happens| {
        number.set(number.get() + 1);
        let held = runtime.block_on(hold(&rig, number.get(), happens));
        held.map_err(|broken| TestCaseError::fail(format!("{broken:#}")))
    });
    runtime.block_on(rig.finish());
    verdict.map_err(|broken| broken.to_string())
}

/// The lock that a held writer of Postgres waits for.
const HOLD: i64 = 4711;

/// A store under test.
pub(crate) struct Rig {
    pub(crate) stand: Stand,
    /// The store as the case sees it.
    pub(crate) store: Arc<Bent>,
}

impl Rig {
    /// The reference store.
    pub(crate) async fn memory() -> Rig {
        Rig::over(Stand::memory().await, None)
    }

    /// The reference store, bent.
    pub(crate) async fn flawed(flaw: Flaw) -> Rig {
        Rig::over(Stand::memory().await, Some(flaw))
    }

    /// A SQLite file.
    pub(crate) async fn sqlite() -> Rig {
        Rig::over(Stand::sqlite().await, None)
    }

    /// A Postgres database whose clock is the test's.
    pub(crate) async fn postgres() -> Rig {
        let rig = Rig::over(Stand::postgres().await, None);
        rig.database(
            "create table test_clock (ms bigint not null);
             insert into test_clock values (1700000000000);
             create or replace function wall_ms() returns bigint language sql volatile
             as $$ select ms from test_clock $$;",
        )
        .await;
        rig.restart(None).await
    }

    /// After the end and a new start of the process, with a log that keeps rows for so many milliseconds.
    pub(crate) async fn restart(self, log_ttl: Option<i64>) -> Rig {
        drop(self.store);
        Rig::over(self.stand.restart_with(log_ttl).await, None)
    }

    pub(crate) fn over(stand: Stand, flaw: Option<Flaw>) -> Rig {
        let store = Bent::over(&stand, flaw);
        Rig { stand, store }
    }

    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.store) as Arc<dyn Storage>
    }

    pub(crate) fn feed(&self) -> Arc<dyn Feed> {
        Arc::clone(&self.store) as Arc<dyn Feed>
    }

    /// What clocks say now.
    pub(crate) fn now(&self) -> i64 {
        use driftless_resolvers::clock::Clock as _;
        self.stand.clock.now().0
    }

    /// Lets time pass on all clocks.
    pub(crate) async fn pass(&self, milliseconds: i64) {
        self.stand.clock.advance(milliseconds);
        self.set_database().await;
    }

    /// Sets all clocks off by so many milliseconds, while no time passes.
    pub(crate) async fn set_off(&self, milliseconds: i64) {
        self.stand.clock.set_off(milliseconds);
        self.set_database().await;
    }

    async fn set_database(&self) {
        if self.stand.database().is_some() {
            let now = self.now();
            self.database(&format!("update test_clock set ms = {now}"))
                .await;
        }
    }

    /// Begins an epoch, as after a restore.
    pub(crate) async fn begin_epoch(&self) {
        if self.stand.reference().is_some() {
            self.store.begin_epoch();
        } else {
            let begun = self.stand.store().begin_epoch().await;
            assert!(begun.expect("the store takes it"), "an epoch has begun");
        }
    }

    /// Runs SQL beside the store, as an operator would.
    pub(crate) async fn database(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(database) = self.stand.database() {
            let mut connection = database.connect().await;
            let done = sqlx::raw_sql(sql).execute(&mut connection).await;
            done.expect("the database takes the statement");
        } else {
            let url = self.stand.url().expect("a store with a database");
            let connection = SqliteConnection::connect(&url).await;
            let mut connection = connection.expect("the file can be opened");
            let done = sqlx::raw_sql(sql).execute(&mut connection).await;
            done.expect("the file takes the statement");
            connection.close().await.expect("the file can be closed");
        }
    }

    /// Makes the next writer stop between its stamp and its commit.
    pub(crate) async fn hold_writer(&self) -> Hold {
        let Some(database) = self.stand.database() else {
            let barrier = Arc::new(Barrier::new(2));
            self.stand.clock.hold_reader(&barrier);
            return Hold::Clock(barrier);
        };
        let mut connection = database.connect().await;
        let sql = format!(
            "select pg_advisory_lock({HOLD});
             create sequence test_writes;
             create function test_hold() returns trigger language plpgsql as $$ begin
                 if nextval('test_writes') = 1 then perform pg_advisory_xact_lock({HOLD}); end if;
                 return new;
             end $$;
             create trigger test_hold after insert on change_log for each row execute function test_hold();"
        );
        let made = sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        made.expect("a trigger can be made");
        Hold::Lock(Box::new(connection))
    }

    /// Waits until something has happened, or somebody waits for the lock of the model's writes.
    pub(crate) async fn until_waiting_or(&self, happened: impl Fn() -> bool) {
        let database = self.stand.database().expect("a store that locks");
        let mut connection = database.connect().await;
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and classid = 7001 \
                       and database = (select oid from pg_database where datname = current_database())";
        while !happened() {
            let waiting = sqlx::query_scalar::<_, i64>(waiting)
                .fetch_one(&mut connection)
                .await;
            if waiting.expect("the locks can be read") > 0 {
                return;
            }
        }
    }

    /// Removes what the store left behind.
    pub(crate) async fn finish(self) {
        drop(self.store);
        self.stand.finish().await;
    }
}

/// A writer that is to stop, or has stopped, between its stamp and its commit.
pub(crate) enum Hold {
    Clock(Arc<Barrier>),
    Lock(Box<PgConnection>),
}

impl Hold {
    /// Waits until the writer has stopped; on Postgres the answer is the process that serves it.
    pub(crate) async fn reached(&mut self) -> Option<i32> {
        match self {
            Hold::Clock(barrier) => {
                meet(barrier).await;
                None
            }
            Hold::Lock(connection) => loop {
                let waiting = format!(
                    "select pid from pg_locks where locktype = 'advisory' and not granted and objid = {HOLD} \
                     and database = (select oid from pg_database where datname = current_database())"
                );
                let pid = sqlx::query_scalar(AssertSqlSafe(waiting));
                let pid: Option<i32> = pid
                    .fetch_optional(&mut **connection)
                    .await
                    .expect("the locks can be read");
                if pid.is_some() {
                    return pid;
                }
            },
        }
    }

    /// Lets the writer go on.
    pub(crate) async fn release(self) {
        match self {
            Hold::Clock(barrier) => meet(&barrier).await,
            Hold::Lock(connection) => connection.close().await.expect("the lock is let go"),
        }
    }
}

async fn meet(barrier: &Arc<Barrier>) {
    let barrier = Arc::clone(barrier);
    let met = tokio::task::spawn_blocking(move || barrier.wait()).await;
    met.expect("a barrier does not panic");
}

/// The case on every store, and over each flaw that it must notice.
macro_rules! anomaly {
    ($case:ident on [$($store:ident),+] $(notices [$($test:ident: $flaw:ident),+])?) => {
        mod $case {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
                async fn $store() {
                    let rig = crate::support::rig::Rig::$store().await;
                    let verdict = super::$case(&rig).await;
                    rig.finish().await;
                    if let Err(problem) = verdict {
                        panic!("{problem:#}");
                    }
                }
            )+
            $($(
                #[tokio::test]
                async fn $test() {
                    let flaw = crate::support::bent::Flaw::$flaw;
                    let rig = crate::support::rig::Rig::flawed(flaw).await;
                    let verdict = super::$case(&rig).await;
                    assert!(verdict.is_err(), "the case does not notice {flaw:?}");
                }
            )+)?
        }
    };
}

pub(crate) use anomaly;
