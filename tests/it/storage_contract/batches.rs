//! Group commit on both databases: writes that wait together are one transaction, and a bad one harms nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftless::storage::moment::{Moment, Moments, Witness};
use driftless::storage::{Place, open_at};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pretty_assertions::assert_eq;
use tokio::sync::Semaphore;

use super::recovery::execute;
use super::*;

/// Counts transactions, and lets none begin without a permit.
struct Gate {
    permits: Semaphore,
    committed: AtomicUsize,
}

impl Witness for Gate {
    fn at(&self, moment: Moment) -> BoxFuture<'_, ()> {
        async move {
            match moment {
                Moment::Taken => self.permits.acquire().await.unwrap().forget(),
                Moment::Committed => drop(self.committed.fetch_add(1, Ordering::SeqCst)),
                _ => {}
            }
        }
        .boxed()
    }
}

/// Puts the writes in this order while the first transaction waits; then lets all of them go.
async fn together(
    stand: &Stand,
    model: &Model,
    writes: Vec<Write>,
) -> (Vec<Result<Put, StorageError>>, usize) {
    let gate = Arc::new(Gate {
        permits: Semaphore::new(0),
        committed: AtomicUsize::new(0),
    });
    let place = Place {
        moments: Moments::seen_by(Arc::clone(&gate) as Arc<dyn Witness>),
        ..Place::at(&stand.url().unwrap())
    };
    let store = open_at(&place).await.unwrap();
    store.storage.prepare(&schema(&[model])).await.unwrap();
    // One write is under way; the others find it there.
    let puts = writes
        .into_iter()
        .map(|write| store.storage.put(model, write));
    let mut puts: Vec<_> = puts
        .map(|put| Box::pin(tokio::task::unconstrained(put)))
        .collect();
    for put in &mut puts {
        assert!(futures_util::poll!(put.as_mut()).is_pending());
    }
    gate.permits.add_permits(1_000);
    let outcomes = join_all(puts).await;
    store.close().await;
    (outcomes, gate.committed.load(Ordering::SeqCst))
}

/// A stand whose store can be opened by somebody else, prepared.
async fn left_alone(stand: Stand) -> (Stand, Model) {
    let model = ready(&stand).await;
    stand.store().close().await;
    (stand, model)
}

fn create_of(model: &Model, id: &str) -> Write {
    write(
        model,
        Expected::Absent,
        json!({"id": id, "blog": "x", "rating": 1, "title": id}),
    )
}

async fn writes_that_wait_together_share_a_transaction(stand: Stand) {
    let (stand, model) = left_alone(stand).await;
    let writes = (0..100)
        .map(|n| create_of(&model, &format!("{n:03}")))
        .collect();
    let (outcomes, transactions) = together(&stand, &model, writes).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(Put::Done(_))))
    );
    assert!(transactions <= 2, "{transactions}");
    let stand = stand.restart().await;
    ready(&stand).await;
    let stored = walk(&stand, &model, Scope::Table, 7).await;
    let by_index = partition("byTitle", json!("x"), vec![], false);
    let indexed = walk(&stand, &model, by_index, 7).await;
    assert_eq!(stored.len(), 100);
    assert_eq!(indexed, stored);
    let seqs: Vec<_> = log(&stand, &model)
        .await
        .iter()
        .map(|event| event.seq.0)
        .collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    assert_eq!(stand.store().check().await.unwrap().findings, []);
    stand.finish().await;
}

/// Neighbours in one transaction: a stale write, one whose version cannot grow, one that the database refuses, and
/// several of one record, the last of which is deleted.
async fn a_bad_write_harms_no_neighbour(stand: Stand) {
    let (stand, model) = left_alone(stand).await;
    let url = stand.url().unwrap();
    let refuse = if url.starts_with("sqlite") {
        "create trigger refuse before insert on \"m1_Post\" when new.pk = '[\"bad\"]' \
         begin select raise(abort, 'no'); end"
    } else {
        "create function refuse() returns trigger language plpgsql as $$ begin \
         if new.pk = '[\"bad\"]' then raise exception 'no'; end if; return new; end $$; \
         create trigger refuse before insert on \"m1_Post\" for each row execute function refuse()"
    };
    execute(&stand, refuse).await;
    execute(
        &stand,
        "insert into \"m1_Post\" (pk, version, deleted, changed_ms, seq, doc) \
         values ('[\"spent\"]', 2147483647, false, 1, 0, '{\"id\":\"spent\"}')",
    )
    .await;
    let version = |id: &str, version| {
        write(
            &model,
            Expected::Version(Version(version)),
            json!({"id": id, "blog": "y", "rating": version}),
        )
    };
    let mut delete = version("a", 2);
    (delete.deleted, delete.operation) = (true, Operation::Delete);
    let writes = vec![
        create_of(&model, "first"),
        create_of(&model, "a"),
        create_of(&model, "bad"),
        version("spent", 2_147_483_647),
        version("a", 1),
        version("b", 1),
        delete,
        create_of(&model, "b"),
        version("a", 1),
        create_of(&model, "last"),
    ];
    let (outcomes, _) = together(&stand, &model, writes).await;
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(Put::Done(record)) => format!(
                "{}{}",
                record.version.0,
                if record.deleted { " deleted" } else { "" }
            ),
            Ok(Put::Stale(stored)) => format!("stale {:?}", stored.as_ref().map(|it| it.version.0)),
            Err(_) => "refused".to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "1",
            "1",
            "refused",
            "refused",
            "2",
            "stale None",
            "3 deleted",
            "1",
            "stale Some(3)",
            "1"
        ]
    );
    let stand = stand.restart().await;
    ready(&stand).await;
    let stored = walk(&stand, &model, Scope::Table, 100).await;
    assert_eq!(ids(&stored), ["a", "b", "first", "last", "spent"]);
    let seqs: Vec<_> = log(&stand, &model)
        .await
        .iter()
        .map(|event| event.seq.0)
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    let deleted = get(&stand, &model, "a").await.unwrap();
    assert!(deleted.deleted && deleted.version == Version(3) && deleted.fields["rating"] == 2);
    stand.finish().await;
}

#[tokio::test]
async fn writes_that_wait_together_share_a_transaction_in_sqlite() {
    writes_that_wait_together_share_a_transaction(Stand::sqlite().await).await;
}

#[tokio::test]
async fn writes_that_wait_together_share_a_transaction_in_postgres() {
    writes_that_wait_together_share_a_transaction(Stand::postgres().await).await;
}

#[tokio::test]
async fn a_bad_write_harms_no_neighbour_in_sqlite() {
    a_bad_write_harms_no_neighbour(Stand::sqlite().await).await;
}

#[tokio::test]
async fn a_bad_write_harms_no_neighbour_in_postgres() {
    a_bad_write_harms_no_neighbour(Stand::postgres().await).await;
}
