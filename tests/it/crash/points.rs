//! Every end at every point of a write to Postgres, and between the pages of a sync (`sync-design.md` 14): the server is
//! killed, the process of Postgres that it talks to, or all of Postgres.
//!
//! The points inside of a write lie in the database. Gates are built into it there, which stand open unless a test holds a
//! lock; what comes after the commit is cut off on the line between the two.

use std::collections::BTreeSet;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};

use crate::support::accounts::{
    Accounts, Mutation, assert_try_again, create, everything, persist, update,
};
use crate::support::audit::audit;
use crate::support::cluster::{Cluster, execute};
use crate::support::line::Line;
use crate::support::server::PATIENCE;
use crate::support::victim::Victim;

/// Where the end comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The write waits for nobody any more, and has no time yet.
    AfterLock,
    /// It has its time and its place in the log.
    AfterStamp,
    /// All of it is written.
    BeforeCommit,
    /// It is committed, and the answer is on its way to the server.
    AfterCommit,
    /// The client knows.
    AfterAnswer,
    /// A sync has its first page.
    BetweenPages,
}

const POINTS: [Point; 6] = [
    Point::AfterLock,
    Point::AfterStamp,
    Point::BeforeCommit,
    Point::AfterCommit,
    Point::AfterAnswer,
    Point::BetweenPages,
];

/// Whose end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server's: SIGKILL.
    Server,
    /// A process of Postgres: SIGKILL, at which Postgres lets go of everybody and recovers.
    Process,
    /// The same process, sent away in order.
    Session,
    /// All of Postgres at once, as by a power failure.
    Postgres,
}

/// Writes that hold the lock of a model wait at the gates of these numbers while somebody holds them.
const GATES: &str = "
    create function gate(number bigint) returns void language plpgsql as $$
    begin
        perform set_config('lock_timeout', '0', true);
        perform pg_advisory_xact_lock_shared(number);
    end $$;
    create or replace function wall_ms() returns bigint language plpgsql volatile as $$
    begin
        if exists (select from pg_locks where pid = pg_backend_pid() and locktype = 'advisory' and classid = 7001) then
            perform gate(7991);
        end if;
        return floor(extract(epoch from clock_timestamp()) * 1000);
    end $$;
    create function gate_of_row() returns trigger language plpgsql as $$
    begin
        perform gate(tg_argv[0]::bigint);
        return new;
    end $$;
    create trigger stamped before insert on change_log for each row execute function gate_of_row(7992);
    create constraint trigger written after insert on change_log deferrable initially deferred
        for each row execute function gate_of_row(7993);";

impl Point {
    /// The gate that stops a write here.
    fn gate(self) -> i64 {
        match self {
            Point::AfterLock => 7991,
            Point::AfterStamp => 7992,
            _ => 7993,
        }
    }
}

/// A server on a Postgres with gates, its clients' books, and the one that strikes.
struct Stage {
    end: End,
    cluster: Cluster,
    line: Line,
    victim: Victim,
    accounts: Accounts,
}

impl Stage {
    async fn set(end: End) -> Stage {
        let cluster = Cluster::start().await;
        let line = Line::to(&cluster.url).await;
        let victim = Victim::start(&line.url, None).await.ready().await;
        let mut accounts = Accounts::default();
        accounts.open(&victim).await;
        execute(&mut cluster.connect().await, GATES).await;
        Stage {
            end,
            cluster,
            line,
            victim,
            accounts,
        }
    }

    /// What happens to a write at a point, and afterwards to the same one when its client sends it again.
    async fn play(mut self, point: Point) -> Stage {
        let write = create(&format!("{point:?}"));
        match point {
            Point::AfterLock | Point::AfterStamp | Point::BeforeCommit | Point::AfterCommit => {
                self = self.strike_write(point, &write).await;
            }
            Point::AfterAnswer => {
                persist(&mut self.accounts, &self.victim, &write).await;
                let process = self.some_process().await;
                self = self.strike(process, None).await;
            }
            Point::BetweenPages => {
                let (first, token) = self.pages(None).await;
                let process = self.some_process().await;
                self = self.strike(process, None).await;
                self.line.mend();
                let (rest, end) = self.pages(Some(token)).await;
                assert_eq!(end, Value::Null);
                assert!(first.is_disjoint(&rest), "a record comes twice");
                let both: BTreeSet<_> = first.union(&rest).cloned().collect();
                let stored = everything(&self.victim).await;
                assert_eq!(both, stored.into_keys().collect());
            }
        }
        self.line.mend();
        persist(&mut self.accounts, &self.victim, &write).await;
        self.accounts.assert_kept(&self.victim).await;
        assert_eq!(audit(&self.cluster.url).await, [""; 0]);
        self
    }

    async fn strike_write(mut self, point: Point, write: &Mutation) -> Stage {
        let mut keeper = self.cluster.connect().await;
        let gate = point.gate();
        execute(&mut keeper, &format!("select pg_advisory_lock({gate})")).await;
        let sent = tokio::spawn(write.send(&self.victim));
        let process = waits_at(&mut keeper, gate).await;
        let is_committed = point == Point::AfterCommit;
        if is_committed {
            self.line.halt();
            execute(&mut keeper, &format!("select pg_advisory_unlock({gate})")).await;
            while self.stored(write).await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let end = self.end;
        self = self.strike(process, Some(keeper)).await;
        if end == End::Server {
            let answer = sent.await.expect("a task");
            assert!(answer.is_err(), "{answer:?}");
            return self;
        }
        if is_committed {
            // What stands on the line is lost with it.
            self.line.cut();
        }
        let (status, body) = sent.await.expect("a task").expect("an answer");
        // Where Postgres is there again at once, the server has handed the write in again by itself.
        let is_done = status == 200;
        if is_done {
            assert!(body.get("errors").is_none(), "{body}");
        } else {
            assert_eq!(status, 503, "{body}");
            assert_try_again(&body);
            assert!(is_committed || end == End::Postgres, "{point:?}: {body}");
        }
        let expected = i64::from(is_committed || is_done);
        assert_eq!(self.stored(write).await, expected, "{point:?}");
        self
    }

    /// How many versions of what a mutation writes are in the log.
    async fn stored(&self, write: &Mutation) -> i64 {
        sqlx::query_scalar("select count(*) from change_log where pk like '%' || $1 || '%'")
            .bind(&write.id)
            .fetch_one(&mut self.cluster.connect().await)
            .await
            .expect("a count")
    }

    /// A process of Postgres that works for the server.
    async fn some_process(&self) -> i32 {
        let sql = "select pid from pg_stat_activity where application_name = 'driftless' limit 1";
        let mut connection = self.cluster.connect().await;
        let row = sqlx::query(sql).fetch_one(&mut connection).await;
        row.expect("a process").get(0)
    }

    /// The end, and what comes back by itself or is started again. Whoever keeps a gate lets go of it then. A process of
    /// Postgres whose server is gone ends what it has been told to do.
    async fn strike(mut self, process: i32, keeper: Option<PgConnection>) -> Stage {
        match self.end {
            End::Server => {
                self.victim.kill().await;
                drop(keeper);
                self.line.mend();
                self.victim = self.victim.again(None).await.ready().await;
            }
            End::Process => {
                let witness = self.cluster.connect().await;
                self.cluster.signal("KILL", process);
                is_thrown_out(witness).await;
            }
            End::Session => {
                let mut admin = self.cluster.connect().await;
                execute(
                    &mut admin,
                    &format!("select pg_terminate_backend({process}, 5000)"),
                )
                .await;
                drop(keeper);
            }
            End::Postgres => {
                self.cluster.stop();
                self.line.cut();
                let (status, body) = update("a", 2).send(&self.victim).await.expect("an answer");
                assert_eq!(status, 503, "{body}");
                assert_try_again(&body);
                self.cluster.restart().await;
            }
        }
        self
    }

    /// The keys of a first page of three, or of all that follow a token, and the next token.
    async fn pages(&self, token: Option<Value>) -> (BTreeSet<String>, Value) {
        let query = "query operation($next: String, $limit: Int) { \
                     syncPosts(limit: $limit, nextToken: $next) { items { id } nextToken } }";
        let limit = if token.is_some() { 1_000 } else { 3 };
        let variables = json!({"next": token, "limit": limit});
        let page = self.victim.value(query, &variables).await;
        let items = page["items"].as_array().expect("items").iter();
        let ids = items.map(|item| item["id"].as_str().expect("a key").to_owned());
        (ids.collect(), page["nextToken"].clone())
    }
}

/// The process that waits at a gate.
async fn waits_at(keeper: &mut PgConnection, gate: i64) -> i32 {
    let waiting = async {
        loop {
            let sql = "select pid from pg_locks where locktype = 'advisory' and objid = $1::bigint and not granted";
            let row = sqlx::query(sql).bind(gate).fetch_optional(&mut *keeper);
            if let Some(row) = row.await.expect("the query runs") {
                return row.get(0);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("nobody comes to gate {gate}"))
}

/// Waits until Postgres has noticed the end of a process that it did not end itself: it lets go of everybody then.
async fn is_thrown_out(mut connection: PgConnection) {
    let waiting = async {
        while sqlx::query("select 1")
            .execute(&mut connection)
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("Postgres notices");
}

async fn at_every_point(end: End) {
    let mut stage = Stage::set(end).await;
    for point in POINTS {
        stage = stage.play(point).await;
    }
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_point_of_a_write_to_postgres_loses_and_doubles_nothing() {
    at_every_point(End::Server).await;
}

#[tokio::test]
async fn a_process_of_postgres_that_is_killed_at_any_point_of_a_write_loses_and_doubles_nothing() {
    at_every_point(End::Process).await;
}

#[tokio::test]
async fn a_process_of_postgres_that_is_sent_away_at_any_point_of_a_write_loses_and_doubles_nothing()
{
    at_every_point(End::Session).await;
}

#[tokio::test]
async fn a_postgres_that_ends_at_any_point_of_a_write_loses_and_doubles_nothing() {
    at_every_point(End::Postgres).await;
}
