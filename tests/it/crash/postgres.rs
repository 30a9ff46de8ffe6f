//! Postgres ends under a running server: one of its processes, all of them, or its disk.

use std::time::Duration;

use pretty_assertions::assert_eq;
use sqlx::{PgConnection, Row as _};

use crate::support::accounts::{
    Accounts, assert_try_again, create, everything, fill, persist, update,
};
use crate::support::audit::audit;
use crate::support::cluster::{Cluster, execute};
use crate::support::server::PATIENCE;
use crate::support::victim::Victim;

/// Writes of the record `held` stand still between their last statement and their commit while somebody holds the lock.
const HOLD_BEFORE_COMMIT: &str = "
    create function hold() returns trigger language plpgsql as $$
    begin
        perform set_config('lock_timeout', '0', true);
        perform pg_advisory_xact_lock(7999);
        return null;
    end $$;
    create constraint trigger hold after insert on change_log deferrable initially deferred
        for each row when (new.pk like '%held%') execute function hold();
    select pg_advisory_lock(7999);";

/// Waits for something that a query tells.
async fn until<T>(
    connection: &mut PgConnection,
    sql: &'static str,
    told: impl Fn(&sqlx::postgres::PgRow) -> T,
) -> T {
    let waiting = async {
        loop {
            let row = sqlx::query(sql).fetch_optional(&mut *connection).await;
            if let Some(row) = row.expect("the query runs") {
                return told(&row);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {sql}"))
}

/// The process that waits for the lock of [`HOLD_BEFORE_COMMIT`].
async fn held(connection: &mut PgConnection) -> i32 {
    let sql =
        "select pid from pg_locks where locktype = 'advisory' and objid = 7999 and not granted";
    until(connection, sql, |row| row.get(0)).await
}

/// Waits until Postgres has noticed the end of a process that it did not end itself: it lets go of everybody then.
async fn thrown_out(mut connection: PgConnection) {
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

/// A process of Postgres dies while it stands before its commit.
async fn survives(signal: &str) {
    let cluster = Cluster::start().await;
    let victim = Victim::start(&cluster.url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    let mut holder = cluster.connect().await;
    execute(&mut holder, HOLD_BEFORE_COMMIT).await;
    let write = create("held");
    let sent = tokio::spawn(write.send(&victim));
    let process = held(&mut holder).await;
    cluster.signal(signal, process);
    // The others are thrown out too, or not.
    if signal == "KILL" {
        thrown_out(holder).await;
    } else {
        // The server has handed it in again.
        while held(&mut holder).await == process {}
        drop(holder);
    }
    let (status, body) = sent.await.expect("a task").expect("an answer");
    assert_eq!(status, 200, "{body}");
    persist(&mut accounts, &victim, &write).await;
    let mut connection = cluster.connect().await;
    let sql = "select count(*) from change_log where pk like '%held%'";
    let written: i64 = sqlx::query_scalar(sql)
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(written, 1);
    accounts.assert_kept(&victim).await;
    assert_eq!(audit(&cluster.url).await, [""; 0]);
}

#[tokio::test]
async fn a_write_whose_postgres_process_is_killed_gets_through_by_itself_and_once() {
    survives("KILL").await;
}

#[tokio::test]
async fn a_write_whose_postgres_process_is_sent_away_gets_through_by_itself_and_once() {
    survives("TERM").await;
}

#[tokio::test]
async fn a_postgres_that_stops_at_once_and_comes_back_has_everything_it_acknowledged() {
    let mut cluster = Cluster::start().await;
    let victim = Victim::start(&cluster.url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    for death in 0..3 {
        let mut holder = cluster.connect().await;
        if death == 0 {
            execute(&mut holder, HOLD_BEFORE_COMMIT).await;
        } else {
            execute(&mut holder, "select pg_advisory_lock(7999)").await;
        }
        let write = create(&format!("held {death}"));
        let sent = tokio::spawn(write.send(&victim));
        held(&mut holder).await;
        cluster.stop();
        let (status, body) = sent.await.expect("a task").expect("an answer");
        assert_eq!(status, 503, "{body}");
        let (status, body) = update("a", 2 + death)
            .send(&victim)
            .await
            .expect("an answer");
        assert_eq!(status, 503, "{body}");
        assert_try_again(&body);

        cluster.restart().await;
        assert_eq!(audit(&cluster.url).await, [""; 0]);
        persist(&mut accounts, &victim, &write).await;
        persist(&mut accounts, &victim, &update("a", 2 + death)).await;
        accounts.assert_kept(&victim).await;
    }
    assert_eq!(audit(&cluster.url).await, [""; 0]);
    let stored = everything(&victim).await;
    assert!(
        stored
            .values()
            .all(|post| post["id"] == "a" || post["_version"].as_u64() <= Some(2))
    );
}

/// Every file may grow to here and no further: beyond a segment of its log, and in the middle of a page.
const FULL: u64 = 1_300_000;

#[tokio::test]
async fn a_postgres_whose_disk_is_full_does_nothing_by_halves_and_goes_on_when_there_is_room() {
    let cluster = Cluster::start().await;
    let victim = Victim::start(&cluster.url, None).await.ready().await;
    let mut accounts = Accounts::default();
    accounts.open(&victim).await;
    cluster.limit_files(Some(FULL));
    let refused = fill(&mut accounts, &victim).await;
    accounts.assert_kept(&victim).await;
    cluster.limit_files(None);
    persist(&mut accounts, &victim, &refused).await;
    accounts.assert_kept(&victim).await;
    assert_eq!(audit(&cluster.url).await, [""; 0]);
}
