//! The log stays small by itself (`sync-design.md` L8).

use std::time::Duration;

use pretty_assertions::assert_eq;
use sqlx::Connection as _;

use super::*;
use crate::support::rig::Rig;

const DAY: i64 = 86_400_000;
/// How often a node looks for old rows, in milliseconds.
const PERIOD: i64 = 600_000;
/// What goes at once at most.
const BATCH: i64 = 1_000;

async fn numbers(rig: &Rig, sql: &'static str) -> Vec<i64> {
    let url = rig.stand.url().unwrap();
    if rig.stand.database().is_some() {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }
}

/// Lets a little time pass until the log holds these positions.
async fn holds(rig: &Rig, seqs: &[i64]) {
    while numbers(rig, "select seq from change_log order by seq").await != seqs {
        rig.pass(PERIOD / 4).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A node keeps its log for a day. Nobody tells it to, and nothing happens to a store that is not used; but whoever would
/// read on where rows have gone is told that it missed something.
async fn a_node_trims_its_log_when_its_clock_says_so(rig: Rig) {
    let rig = rig.restart(Some(DAY)).await;
    let stand = &rig.stand;
    let model = ready(stand).await;
    let count = 2 * BATCH + 500;
    let old = (1..=count).map(|n| create(stand, &model, json!({"id": n.to_string()})));
    join_all(old).await;
    rig.pass(DAY - PERIOD).await;
    create(stand, &model, json!({"id": "young"})).await;
    create(stand, &model, json!({"id": "youngest"})).await;
    assert_eq!(stand.feed.head(&model).await.unwrap(), Seq(count + 2));

    rig.pass(PERIOD).await;
    holds(&rig, &[count + 1, count + 2]).await;
    rig.pass(7 * DAY).await;
    holds(&rig, &[count + 2]).await;
    rig.pass(7 * DAY).await;
    let behind = stand.feed.since(&model, Seq(count), 10).await.unwrap();
    assert!(!behind.whole, "whoever is behind must sync");
    let newest = create(stand, &model, json!({"id": "newest"})).await;
    assert_eq!(newest.last_changed_at.0, rig.now());
    assert_eq!(stand.feed.head(&model).await.unwrap(), Seq(count + 3));
    let verdict = stand.store().check().await.unwrap();
    assert!(verdict.findings.is_empty());
    rig.finish().await;
}

#[tokio::test]
async fn a_node_trims_its_log_when_its_clock_says_so_in_sqlite() {
    a_node_trims_its_log_when_its_clock_says_so(Rig::sqlite().await).await;
}

#[tokio::test]
async fn a_node_trims_its_log_when_its_clock_says_so_in_postgres() {
    a_node_trims_its_log_when_its_clock_says_so(Rig::postgres().await).await;
}

/// No statement removes so many rows that a write would wait for it.
#[tokio::test]
async fn old_rows_go_a_few_at_a_time() {
    let rig = Rig::postgres().await;
    let model = ready(&rig.stand).await;
    let count = 2 * BATCH + 500;
    let old = (1..=count).map(|n| create(&rig.stand, &model, json!({"id": n.to_string()})));
    join_all(old).await;
    rig.database(
        "create table strides (nth bigserial, removed bigint);
         create function note() returns trigger language plpgsql as $$ begin
             insert into strides (removed) select count(*) from gone;
             return null;
         end $$;
         create trigger note after delete on change_log referencing old table as gone
             for each statement execute function note();",
    )
    .await;
    rig.pass(2 * DAY).await;
    let removed = rig.stand.store().trim(DAY).await.unwrap();
    assert_eq!(removed, u64::try_from(count - 1).unwrap());
    let strides = numbers(&rig, "select removed from strides order by nth").await;
    assert_eq!(strides, [BATCH, BATCH, 499]);
    rig.finish().await;
}
