//! What happens between the pages of one sync.

use anyhow::ensure;

use crate::support::probe::{Probe, Replica, id};
use crate::support::rig::{Rig, Verdict, anomaly};

/// Nine records, changed in the order of their keys, a second before now.
async fn nine(rig: &Rig) -> anyhow::Result<Probe> {
    let probe = Probe::new(rig).await;
    for n in 1..=9 {
        probe.save(&format!("r{n}"), 0).await?;
    }
    rig.pass(1_000).await;
    Ok(probe)
}

/// A base sync and a delta of everything.
const BOTH: [Option<i64>; 2] = [None, Some(1)];

anomaly!(t18_changes_before_and_behind_the_cursor_arrive on [memory, sqlite, postgres] notices [
    times_of_the_last_page: LateStartedAt,
    pages_by_offset: Offsets
]);

/// D1, D4. Between two pages one record behind the cursor changes, one before it, and one comes into being.
async fn t18_changes_before_and_behind_the_cursor_arrive(rig: &Rig) -> Verdict {
    let probe = nine(rig).await?;
    for (round, last_sync) in (1..).zip(BOTH) {
        let mut replica = Replica::default();
        let mut page = probe.first(last_sync, 4).await?;
        replica.take(&page.records)?;
        let behind = page.records[0].clone();
        probe.save(&id(&behind), behind.version.0).await?;
        probe.save(&format!("r0{round}"), 0).await?;
        rig.pass(1_000).await;
        probe.save("r8", round).await?;
        rig.pass(1_000).await;
        while page.next.is_some() {
            page = probe.next(&page, 4).await?;
            replica.take(&page.records)?;
        }
        probe.sync(&mut replica, Some(page.started_at.0)).await?;
        ensure!(
            replica == probe.truth().await?,
            "after {last_sync:?}: {replica:?}"
        );
    }
    Ok(())
}

anomaly!(t19_a_delta_ends_under_more_writes_than_it_reads on [memory, sqlite, postgres] notices [
    deltas_without_a_horizon: NoHorizon
]);

/// D5. For every page of two records, all nine are written again.
async fn t19_a_delta_ends_under_more_writes_than_it_reads(rig: &Rig) -> Verdict {
    let probe = nine(rig).await?;
    let mut replica = Replica::default();
    let mut page = probe.first(Some(1), 2).await?;
    let mut version = 1;
    replica.take(&page.records)?;
    while page.next.is_some() {
        ensure!(version < 20, "the delta does not end");
        for n in 1..=9 {
            probe.save(&format!("r{n}"), version).await?;
        }
        version += 1;
        page = probe.next(&page, 2).await?;
        replica.take(&page.records)?;
    }
    probe.sync(&mut replica, Some(page.started_at.0)).await?;
    ensure!(replica == probe.truth().await?, "{replica:?}");
    Ok(())
}

anomaly!(t19_a_base_sync_ends_while_more_records_are_made_than_it_reads on [memory, sqlite, postgres] notices [
    base_syncs_without_a_horizon: NoHorizon
]);

/// D5. For every page of two records, three are made behind its last one in the order of keys, as ids that grow with time are,
/// and changed before they could be read; and again in a new epoch, whose versions do not begin with 1.
async fn t19_a_base_sync_ends_while_more_records_are_made_than_it_reads(rig: &Rig) -> Verdict {
    let probe = nine(rig).await?;
    for letter in ["s", "t"] {
        let mut replica = Replica::default();
        let mut page = probe.first(None, 2).await?;
        replica.take(&page.records)?;
        let mut made = 0;
        while page.next.is_some() {
            ensure!(made < 60, "the base sync does not end");
            for _ in 0..3 {
                made += 1;
                let id = format!("{letter}{made:02}");
                let record = probe.save(&id, 0).await?;
                probe.save(&id, record.version.0).await?;
            }
            page = probe.next(&page, 2).await?;
            replica.take(&page.records)?;
        }
        probe.sync(&mut replica, Some(page.started_at.0)).await?;
        ensure!(replica == probe.truth().await?, "{replica:?}");
        rig.begin_epoch().await;
    }
    Ok(())
}

anomaly!(t20_a_record_that_changes_between_all_pages_arrives_in_ascending_versions on [memory, sqlite, postgres] notices [
    pages_of_one_old_snapshot: OldSnapshot
]);

/// D2, D4. Whenever the hot record is on a page, it is as new as the page.
async fn t20_a_record_that_changes_between_all_pages_arrives_in_ascending_versions(
    rig: &Rig,
) -> Verdict {
    let probe = nine(rig).await?;
    let mut version = 1;
    for last_sync in BOTH {
        let mut replica = Replica::default();
        let mut page = probe.first(last_sync, 2).await?;
        loop {
            for record in page.records.iter().filter(|record| id(record) == "r9") {
                ensure!(
                    record.version.0 == version,
                    "{version} is read as {:?}",
                    record.version
                );
            }
            replica.take(&page.records)?;
            if page.next.is_none() {
                break;
            }
            probe.save("r9", version).await?;
            version += 1;
            page = probe.next(&page, 2).await?;
        }
        probe.sync(&mut replica, Some(page.started_at.0)).await?;
        ensure!(replica == probe.truth().await?, "{replica:?}");
    }
    Ok(())
}

anomaly!(t39_a_page_is_not_older_than_an_event_before_it on [memory, sqlite, postgres] notices [
    pages_of_one_old_snapshot: OldSnapshot
]);

/// R4. JavaScript takes a page after an event without looking at versions, so the page must hold the event's state.
async fn t39_a_page_is_not_older_than_an_event_before_it(rig: &Rig) -> Verdict {
    let probe = nine(rig).await?;
    for (version, last_sync) in (1..).zip(BOTH) {
        let mut replica = Replica::default();
        let mut page = probe.first(last_sync, 5).await?;
        replica.take(&page.records)?;
        let event = probe.save("r8", version).await?;
        replica.take(&[event])?;
        while page.next.is_some() {
            page = probe.next(&page, 5).await?;
            replica.take(&page.records)?;
        }
        ensure!(
            replica == probe.truth().await?,
            "after {last_sync:?}: {replica:?}"
        );
    }
    Ok(())
}
