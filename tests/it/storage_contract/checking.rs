//! A store is checked while it is written to and its log is trimmed: nothing of that is damage.

use std::cell::Cell;
use std::time::Duration;

use driftless::storage::{Store, open};
use pretty_assertions::assert_eq;
use sqlx::Connection as _;
use tokio::time::{sleep, timeout};

use super::fallback::waiting;
use super::recovery::worked_on;
use super::*;
use crate::support::server::PATIENCE;

/// At least so many checks beside so many rounds of writers that trim, whichever is slower.
const CHECKS: usize = 40;
const ROUNDS: u32 = 2;
/// How long a writer lets pass between two rounds, in milliseconds: longer than it takes to look at the clock again.
const ROUND: i64 = 6_000;

/// Writes to some records, makes new ones and removes what is old of the log, until it is told to end.
async fn busy(stand: &Stand, model: &Model, rounds: &Cell<u32>, over: &Cell<bool>) {
    while !over.get() {
        let mut round = rounds.get();
        create(
            stand,
            model,
            json!({"id": format!("new {round}"), "blog": "x"}),
        )
        .await;
        round += 1;
        let writes = (0..20).map(|number| {
            let document = json!({"id": number.to_string(), "blog": round.to_string()});
            update(stand, model, round, document)
        });
        join_all(writes).await;
        stand.clock.advance(ROUND);
        stand.store().trim(0).await.unwrap();
        rounds.set(round);
    }
}

async fn writers_and_trimming_are_no_damage(stand: &Stand, checked: &Store) {
    let model = ready(stand).await;
    let first = (0..20).map(|number| create(stand, &model, json!({"id": number.to_string()})));
    join_all(first).await;
    stand.store().watch_clock();
    let (rounds, over) = (Cell::new(0), Cell::new(false));
    let checks = async {
        let mut checks = 0;
        while checks < CHECKS || rounds.get() < ROUNDS {
            checks += 1;
            assert_eq!(checked.check().await.unwrap().findings, []);
            assert_eq!(stand.store().clock_ahead(), None);
        }
        over.set(true);
    };
    tokio::join!(busy(stand, &model, &rounds, &over), checks);
    assert_eq!(checked.check().await.unwrap().findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_trimming_are_no_damage_in_sqlite() {
    let stand = Stand::sqlite().await;
    writers_and_trimming_are_no_damage(&stand, stand.store()).await;
    stand.finish().await;
}

/// The check is that of another process.
#[tokio::test(flavor = "multi_thread")]
async fn writers_and_trimming_are_no_damage_in_postgres() {
    let stand = Stand::postgres().await;
    let other = open(&stand.url().unwrap()).await.unwrap();
    writers_and_trimming_are_no_damage(&stand, &other).await;
    other.close().await;
    stand.finish().await;
}

/// What the check has seen of the log is gone before it reads on.
#[tokio::test]
async fn a_log_that_is_trimmed_in_the_middle_of_a_check_is_no_damage() {
    let stand = Stand::postgres().await;
    let model = worked_on(&stand).await;
    let store = open(&stand.url().unwrap()).await.unwrap();
    let mut holder = stand.database().unwrap().connect().await;
    let mut admin = stand.database().unwrap().connect().await;
    let mut held = holder.begin().await.unwrap();
    // It is read after the bounds of the log, and before the log itself.
    let hold = sqlx::raw_sql("lock table index_columns in access exclusive mode");
    hold.execute(&mut *held).await.unwrap();
    let checking = tokio::spawn({
        let store = store.clone();
        async move { store.check().await }
    });
    let reached = async {
        while waiting(&mut admin).await.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    for id in ["a", "c"] {
        update(&stand, &model, 1, json!({"id": id, "blog": "z"})).await;
    }
    assert_eq!(stand.store().trim(0).await.unwrap(), 6);
    create(&stand, &model, json!({"id": "d"})).await;
    held.rollback().await.unwrap();
    let verdict = checking.await.unwrap().unwrap();
    assert_eq!((verdict.records, verdict.findings), (4, vec![]));
    store.close().await;
    stand.finish().await;
}
