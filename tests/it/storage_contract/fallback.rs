//! Nodes that run on while their database falls back to an older state.

use std::time::Duration;

use driftless::storage::open;
use pretty_assertions::assert_eq;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::recovery::{JUMP, LOSE, execute, fall_back, is_a_new_epoch, worked_on};
use super::*;
use crate::support::server::PATIENCE;

/// How many sessions of a database wait for a lock, and what their processes are.
pub(super) async fn waiting(admin: &mut sqlx::PgConnection) -> Vec<i32> {
    let sql = "select l.pid from pg_locks l join pg_stat_activity a on a.pid = l.pid \
               where not l.granted and a.datname = current_database()";
    sqlx::query_scalar(sql).fetch_all(admin).await.unwrap()
}

/// What is lost is not forgotten where a new epoch cannot begin at once.
#[tokio::test]
async fn a_node_whose_connection_breaks_while_it_begins_an_epoch_begins_it_again() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    let (_, last_sync) = sync(&stand, &model, None).await;
    let mut admin = stand.database().unwrap().connect().await;
    let lose = format!("select pg_advisory_lock(7001, 0); {LOSE}");
    let lose = sqlx::raw_sql(AssertSqlSafe(lose));
    lose.execute(&mut admin).await.unwrap();
    let mut beginning = Vec::new();
    while beginning.is_empty() {
        sleep(Duration::from_millis(5)).await;
        beginning = waiting(&mut admin).await;
    }
    let end = "select pg_terminate_backend(pid) from unnest($1::int[]) ended (pid)";
    let ended = sqlx::query(end).bind(beginning).execute(&mut admin).await;
    ended.unwrap();
    let unlock = "select pg_advisory_unlock(7001, 0)";
    sqlx::raw_sql(unlock).execute(&mut admin).await.unwrap();
    let begins = async {
        while get(&stand, &model, "a").await.unwrap().version.0 < JUMP {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let begun = timeout(PATIENCE, begins).await;
    begun.expect("a new epoch begins");
    is_a_new_epoch(stand.storage.as_ref(), &model, last_sync).await;
    stand.finish().await;
}

/// A device may have seen what is gone: it is not shown what there was before that, until every version is another one.
#[tokio::test]
async fn no_sync_is_answered_from_a_log_that_fell_back_before_a_new_epoch_has_begun() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    sync(&stand, &model, None).await;
    fall_back(&stand).await;
    let query = first(None, 10);
    let synced = async {
        loop {
            match stand.storage.sync(&model, &query).await {
                Ok(page) => return page,
                Err(StorageError::Unavailable(_)) => sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let page = timeout(PATIENCE, synced).await.expect("an epoch begins");
    let versions = page.records.iter().map(|record| record.version.0);
    assert!(
        versions.clone().all(|version| version > JUMP),
        "{versions:?}"
    );
    assert_eq!(page.records.len(), 3);
    stand.finish().await;
}

/// Two nodes find another history at once, and one of them is slow to note that it has dealt with it.
#[tokio::test]
async fn nodes_that_notice_a_restore_together_begin_one_epoch() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    stand.store().close().await;
    let url = stand.url().unwrap();
    let (mut admin, mut holder) = (
        stand.database().unwrap().connect().await,
        stand.database().unwrap().connect().await,
    );
    execute(&stand, "update lineage set history = '1/00000001'").await;
    let mut held = holder.begin().await.unwrap();
    let hold = sqlx::raw_sql("select from lineage for update");
    hold.execute(&mut *held).await.unwrap();
    let mut nodes = Vec::new();
    for count in 1..=2 {
        let url = url.clone();
        nodes.push(tokio::spawn(async move { open(&url).await }));
        let wait = async {
            while waiting(&mut admin).await.len() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap();
    }
    held.rollback().await.unwrap();
    for node in nodes {
        let node = node.await.unwrap().unwrap();
        node.storage.prepare(&schema(&[&model])).await.unwrap();
        let found = node.storage.get(&model, &[key("a")]).await.unwrap();
        let version = found.into_iter().next().flatten().unwrap().version;
        assert_eq!(version, Version(JUMP + 1));
        node.close().await;
    }
    stand.finish().await;
}

/// The numbers of words between nodes fall back with the database.
#[tokio::test]
async fn whose_sockets_are_to_be_closed_is_heard_after_a_backup_was_put_back() {
    let stand = Stand::postgres().await;
    let other = open(&stand.url().unwrap()).await.unwrap();
    let (sender, mut heard) = mpsc::unbounded_channel();
    stand.store().on_dismissal(move |principal| {
        let _ = sender.send(principal.to_owned());
    });
    // Until the node has begun to hear.
    let mut said = 0;
    while heard.try_recv().is_err() {
        other.dismiss(&format!("early {said}")).await.unwrap();
        said += 1;
        sleep(Duration::from_millis(50)).await;
    }
    for number in 0..100 {
        other.dismiss(&number.to_string()).await.unwrap();
    }
    let mut until = async |last: &str| {
        let listening = async { while heard.recv().await.unwrap() != last {} };
        let waited = timeout(PATIENCE, listening).await;
        waited.unwrap_or_else(|_| panic!("{last} is not heard of"));
    };
    until("99").await;
    let put_back = "delete from dismissals where number > 20; alter table dismissals alter number restart with 21";
    execute(&stand, put_back).await;
    other.dismiss("again").await.unwrap();
    until("again").await;
    execute(&stand, "truncate dismissals restart identity").await;
    other.dismiss("once more").await.unwrap();
    until("once more").await;
    other.close().await;
    stand.finish().await;
}

/// It may have been there before, with records that devices hold, and nodes that follow its log.
async fn a_model_that_comes_in_a_later_epoch_begins_beyond_what_may_be_lost(stand: Stand) {
    let first = worked_on(&stand).await;
    assert!(stand.store().begin_epoch().await.unwrap());
    let late = model("Late", &[("id", Scalar::Id)], &["id"], &[]);
    let schema = schema(&[&first, &late]);
    stand.storage.prepare(&schema).await.unwrap();
    let followed = stand.feed.since(&late, Seq(7), 10).await.unwrap();
    assert!(!followed.whole);
    let (records, started_at) = sync(&stand, &late, Some(1)).await;
    assert_eq!(records, []);
    let made = create(&stand, &late, json!({"id": "x"})).await;
    assert_eq!(made.version, Version(JUMP + 1));
    let (records, _) = sync(&stand, &late, Some(started_at)).await;
    assert_eq!(ids(&records), ["x"]);
    assert_eq!(stand.store().check().await.unwrap().findings, []);
    stand.finish().await;
}

#[tokio::test]
async fn a_model_that_comes_in_a_later_epoch_begins_beyond_what_may_be_lost_in_sqlite() {
    a_model_that_comes_in_a_later_epoch_begins_beyond_what_may_be_lost(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_model_that_comes_in_a_later_epoch_begins_beyond_what_may_be_lost_in_postgres() {
    a_model_that_comes_in_a_later_epoch_begins_beyond_what_may_be_lost(Stand::postgres().await)
        .await;
}
