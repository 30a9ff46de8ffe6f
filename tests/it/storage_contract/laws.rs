//! The promises of syncs (`sync-design.md` 2) as laws: writes, pages of several readers and time come in any order.

use std::collections::BTreeMap;

use anyhow::ensure;
use driftless_resolvers::storage::SyncPage;
use futures_util::future::try_join_all;
use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;

use crate::support::bent::Flaw;
use crate::support::probe::{Probe, Replica};
use crate::support::rig::{self, Rig, Verdict};

/// How many readers there are, and how many records.
const READERS: usize = 3;
const RECORDS: u8 = 6;

/// How far `startedAt` may be behind the clock, in milliseconds (D3).
const BEHIND: i64 = 15_000;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// Some records are written at once; `true` deletes.
    Write(Vec<(u8, bool)>),
    /// So many milliseconds pass.
    Pass(i64),
    /// A reader asks for its next page, the first one with this limit: of a delta, or of everything.
    Page(usize, usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let written = btree_set(0..RECORDS, 1..4).prop_flat_map(|ids| {
        let ids: Vec<u8> = ids.into_iter().collect();
        let count = ids.len();
        vec(proptest::bool::weighted(0.2), count)
            .prop_map(move |deletes| ids.iter().copied().zip(deletes).collect())
    });
    let step = prop_oneof![
        3 => written.prop_map(Step::Write),
        1 => prop_oneof![Just(0_i64), 1..40_i64, Just(11_000_i64)].prop_map(Step::Pass),
        4 => (0..READERS, 1..4_usize, any::<bool>()).prop_map(|(reader, limit, all)| Step::Page(reader, limit, all)),
    ];
    vec(step, 1..60)
}

/// A device, with the sync it is in the middle of.
#[derive(Default)]
struct Reader {
    replica: Replica,
    last_sync: Option<i64>,
    open: Option<Open>,
}

struct Open {
    page: SyncPage,
    limit: usize,
    pages: usize,
}

/// What is stored, by what was written.
type Truth = BTreeMap<String, (u32, bool)>;

async fn write(probe: &Probe, truth: &mut Truth, records: &[(u8, bool)]) -> Verdict {
    let writes = records.iter().map(|(number, delete)| {
        let id = format!("r{number}");
        let version = truth.get(&id).map_or(0, |(version, _)| *version);
        let deletes = *delete && version > 0;
        async move {
            let written = if deletes {
                probe.delete(&id, version).await?
            } else {
                probe.save(&id, version).await?
            };
            anyhow::Ok((id, (written.version.0, written.deleted)))
        }
    });
    truth.extend(try_join_all(writes).await?);
    Ok(())
}

impl Reader {
    /// The next page; at the end of a sync the laws must hold.
    async fn page(
        &mut self,
        probe: &Probe,
        rig: &Rig,
        limit: usize,
        all: bool,
    ) -> anyhow::Result<bool> {
        let open = match self.open.take() {
            None => {
                let last_sync = self.last_sync.filter(|_| !all);
                let page = probe.first(last_sync, limit).await?;
                let behind = rig.now() - page.started_at.0;
                ensure!(
                    (0..BEHIND).contains(&behind),
                    "D3: startedAt is {behind} ms behind"
                );
                Open {
                    page,
                    limit,
                    pages: 1,
                }
            }
            Some(open) => Open {
                page: probe.next(&open.page, open.limit).await?,
                pages: open.pages + 1,
                ..open
            },
        };
        // D4 is checked by the replica: no version goes back.
        self.replica.take(&open.page.records)?;
        let most = usize::from(RECORDS) / open.limit + 2;
        ensure!(open.pages <= most, "D5: {} pages", open.pages);
        if open.page.next.is_some() {
            self.open = Some(open);
            return Ok(false);
        }
        self.last_sync = Some(open.page.started_at.0);
        Ok(true)
    }

    /// D1, D2: a delta right now brings whatever the syncs so far did not.
    async fn is_complete(&self, probe: &Probe, truth: &Truth) -> Verdict {
        let mut replica = Replica(self.replica.0.clone());
        probe.sync(&mut replica, self.last_sync).await?;
        ensure!(
            replica.0 == *truth,
            "D1, D2: {replica:?}, written is {truth:?}"
        );
        Ok(())
    }
}

async fn hold(rig: &Rig, model: &str, steps: &[Step]) -> Verdict {
    let probe = Probe::of(rig.storage(), rig.feed(), model).await;
    let mut truth = Truth::new();
    let mut readers: [Reader; READERS] = Default::default();
    for step in steps {
        match step {
            Step::Write(records) => write(&probe, &mut truth, records).await?,
            Step::Pass(time) => rig.pass(*time).await,
            Step::Page(reader, limit, all) => {
                let reader = &mut readers[*reader];
                if reader.page(&probe, rig, *limit, *all).await? {
                    reader.is_complete(&probe, &truth).await?;
                }
            }
        }
    }
    for mut reader in readers {
        while reader.open.is_some() {
            reader.page(&probe, rig, 1, false).await?;
        }
        reader.is_complete(&probe, &truth).await?;
    }
    probe.history().await.map(drop)
}

/// Whether the laws hold over a store.
fn laws(start: impl AsyncFnOnce() -> Rig, cases: u32) -> Result<(), String> {
    let hold = async |rig: &Rig, number, steps: Vec<Step>| {
        hold(rig, &format!("Post{number}"), &steps).await
    };
    rig::laws(start, cases, &steps(), &hold)
}

#[test]
fn pages_and_writes_in_any_order_keep_the_laws_of_syncs_in_memory() {
    laws(Rig::memory, 200).expect("the laws hold");
}

#[test]
fn pages_and_writes_in_any_order_keep_the_laws_of_syncs_in_sqlite() {
    laws(Rig::sqlite, 40).expect("the laws hold");
}

#[test]
fn pages_and_writes_in_any_order_keep_the_laws_of_syncs_in_postgres() {
    laws(Rig::postgres, 25).expect("the laws hold");
}

/// No law is a truism: each is broken by a store with a naive way in it.
#[test]
fn laws_of_syncs_notice_naive_stores() {
    for (flaw, law) in [
        (Flaw::NoMinusOne, "D1, D2"),
        (Flaw::WallClock, "D1, D2"),
        (Flaw::LateStartedAt, "D1, D2"),
        (Flaw::HardDelete, "D1, D2"),
        (Flaw::NoHorizon, "D5"),
    ] {
        let broken = laws(async || Rig::flawed(flaw).await, 300);
        let broken = broken.expect_err("a law is broken");
        assert!(broken.contains(law), "{flaw:?}: {broken}");
    }
}
