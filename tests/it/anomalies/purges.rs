//! Deletions must never be forgotten.

use anyhow::ensure;

use crate::support::probe::{Probe, Replica, ids};
use crate::support::rig::{Rig, Verdict, anomaly};

anomaly!(t21_deletions_between_pages_arrive on [memory, sqlite, postgres] notices [
    deletions_that_leave_nothing: HardDelete
]);

/// D6. One record behind the cursor and one before it are deleted between two pages, base and delta; and a device that
/// comes a year later learns of both.
async fn t21_deletions_between_pages_arrive(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    for n in 1..=6 {
        probe.save(&format!("r{n}"), 0).await?;
    }
    let mut away = Replica::default();
    let left = probe.sync(&mut away, None).await?;
    for (last_sync, gone) in [(None, ["r1", "r6"]), (Some(1), ["r2", "r5"])] {
        rig.pass(1_000).await;
        let mut replica = Replica::default();
        let mut page = probe.first(last_sync, 3).await?;
        replica.take(&page.records)?;
        for id in gone {
            probe.delete(id, 1).await?;
        }
        while page.next.is_some() {
            page = probe.next(&page, 3).await?;
            replica.take(&page.records)?;
        }
        probe.sync(&mut replica, Some(page.started_at.0)).await?;
        for id in gone {
            ensure!(
                replica.0.get(id) == Some(&(2, true)),
                "{id} lives on: {replica:?}"
            );
        }
    }
    rig.pass(365 * 86_400_000).await;
    probe.sync(&mut away, Some(left)).await?;
    ensure!(away == probe.truth().await?, "{away:?}");
    Ok(())
}

/// An operator removes tombstones by hand while a device is between two pages of a delta.
async fn purge_while_a_delta_is_open(rig: &Rig, purge: &str) -> Verdict {
    let probe = Probe::new(rig).await;
    probe.save("kept", 0).await?;
    rig.pass(1_000).await;
    for n in 1..=4 {
        probe.save(&format!("r{n}"), 0).await?;
    }
    let started_at = probe.sync(&mut Replica::default(), None).await?;
    rig.pass(1_000).await;
    for n in 1..=4 {
        probe.delete(&format!("r{n}"), 1).await?;
    }
    let page = probe.first(Some(started_at), 2).await?;
    rig.pass(1_000).await;
    rig.database(purge).await;
    let rest = probe.next(&page, 2).await?;
    ensure!(rest.next.is_none(), "the delta does not end");
    // What it kept as its time lies before the purge, so it is told everything there is.
    let next = probe.first(Some(rest.started_at.0), 10).await?;
    ensure!(ids(&next.records) == ["kept"], "{:?}", ids(&next.records));
    Ok(())
}

/// The table of the model, whichever number it has.
async fn table(rig: &Rig) -> String {
    Probe::new(rig).await;
    let find = "select shard from shards where model = 'Post'";
    let shard: i64 = match rig.stand.database() {
        Some(database) => {
            let mut connection = database.connect().await;
            let shard = sqlx::query_scalar::<_, i32>(find)
                .fetch_one(&mut connection)
                .await;
            shard.expect("a shard").into()
        }
        None => {
            use sqlx::Connection as _;
            let url = rig.stand.url().expect("a file");
            let connection = sqlx::SqliteConnection::connect(&url).await;
            let mut connection = connection.expect("the file can be opened");
            let shard = sqlx::query_scalar(find).fetch_one(&mut connection).await;
            shard.expect("a shard")
        }
    };
    format!("\"m{shard}_Post\"")
}

async fn marked(rig: &Rig) -> String {
    let table = table(rig).await;
    format!(
        "begin; \
         update shards set purged_ms = (select max(changed_ms) from {table} where deleted) where model = 'Post'; \
         delete from {table} where deleted; commit"
    )
}

/// D6, section 7 L10.
#[tokio::test]
async fn t22_a_purge_while_a_delta_is_open_leads_to_a_full_sync() {
    for rig in [Rig::sqlite().await, Rig::postgres().await] {
        let purge = marked(&rig).await;
        let verdict = purge_while_a_delta_is_open(&rig, &purge).await;
        rig.finish().await;
        verdict.expect("a full sync");
    }
}

#[tokio::test]
async fn t22_notices_a_purge_that_nobody_wrote_down() {
    let rig = Rig::sqlite().await;
    let purge = format!("delete from {} where deleted", table(&rig).await);
    let verdict = purge_while_a_delta_is_open(&rig, &purge).await;
    rig.finish().await;
    assert!(verdict.is_err());
}
