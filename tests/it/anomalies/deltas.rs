//! What a device asks for, and what it must get.

use anyhow::ensure;
use driftless_resolvers::filter::{Filter, Test};

use crate::support::probe::{Probe, ids};
use crate::support::rig::{Rig, Verdict, anomaly};

anomaly!(t23_every_last_sync_has_its_answer on [memory, sqlite, postgres]);

/// Section 6.1, as a table. Keys are such that a base sync and a delta come in different orders.
async fn t23_every_last_sync_has_its_answer(rig: &Rig) -> Verdict {
    let probe = Probe::new(rig).await;
    let old = probe.save("z", 0).await?.last_changed_at.0;
    rig.pass(1_000).await;
    let new = probe.save("a", 0).await?.last_changed_at.0;
    let started_at = probe.first(None, 10).await?.started_at.0;
    rig.pass(2_000).await;
    let now = rig.now();
    let (everything, all_by_time, only_new): (&[&str], &[&str], &[&str]) =
        (&["a", "z"], &["z", "a"], &["a"]);
    for (last_sync, expected) in [
        (None, everything),
        (Some(0), everything),
        (Some(-1), everything),
        (Some(i64::MIN), everything),
        (Some(1), all_by_time),
        (Some(old - 1), all_by_time),
        (Some(old), only_new),
        (Some(started_at), only_new),
        (Some(new - 1), only_new),
        (Some(new), &[]),
        // Ahead of the last change no time is one of ours: what has its millisecond comes again.
        (Some(new + 1), only_new),
        (Some(now), only_new),
        (Some(now + 59_000), only_new),
        (Some(now + 61_000), everything),
        (Some(now + 3_600_000), everything),
        (Some(1 << 53), everything),
        (Some(i64::MAX), everything),
    ] {
        let page = probe.first(last_sync, 10).await?;
        ensure!(
            ids(&page.records) == expected,
            "{last_sync:?}: {:?}",
            ids(&page.records)
        );
    }
    Ok(())
}

anomaly!(t34_a_record_that_leaves_a_filter_and_comes_back_is_told_when_it_is_back on [memory, sqlite, postgres]);

/// SYNC-9. As in AppSync a record that leaves is not mentioned; the newest state decides.
async fn t34_a_record_that_leaves_a_filter_and_comes_back_is_told_when_it_is_back(
    rig: &Rig,
) -> Verdict {
    let probe = Probe::new(rig).await;
    let titled = |title: &str| Filter::Field {
        name: "title".to_owned(),
        test: Test::Eq(title.into()),
    };
    let since = async |last_sync: i64| {
        let page = probe.filtered(Some(last_sync), 10, titled("mine")).await?;
        anyhow::Ok((ids(&page.records), page.started_at.0))
    };
    probe.put(probe.write("r", 0, "mine")).await?;
    let (seen, started_at) = since(1).await?;
    ensure!(seen == ["r"], "{seen:?}");
    rig.pass(1_000).await;
    probe.put(probe.write("r", 1, "yours")).await?;
    let (left, started_at) = since(started_at).await?;
    ensure!(left.is_empty(), "{left:?}");
    rig.pass(1_000).await;
    probe.put(probe.write("r", 2, "mine")).await?;
    let (back, _) = since(started_at).await?;
    ensure!(back == ["r"], "{back:?}");
    Ok(())
}
