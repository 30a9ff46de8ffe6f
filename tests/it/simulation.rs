//! Many devices against the server's own decisions, in one thread and with time in the test's hand: every choice comes
//! from a seed, so that a failure can be played again.
//!
//! What runs is the real code of mutations, syncs, rules, subscriptions, replays and settling over the reference store;
//! what is simulated is the network between it and the devices, the order in which requests make their steps and word of
//! writes reaches the nodes, time, and whatever else may go wrong ([`climate::Hazard`]). The devices follow the merge
//! rules of the four client families (`client-test-harness`), and one more device hears no events at all, so that deltas
//! alone must bring it everything.
//!
//! A hundred thousand seeds by hand: `DRIFTLESS_TEST_SEEDS=100000 cargo test -p driftless-tests --test it simulation`.

mod climate;
mod device;
mod judge;
mod network;
mod node;
mod operator;
mod people;
mod person;
mod schemas;
mod selection;
mod world;

use std::collections::BTreeMap;

use driftless::config::Strategy;
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::scenario::mix::{Size, draw};

use crate::support::bent::Flaw;
use climate::{Climate, Hazard};
use world::{Played, World};

/// How many seeds a run of all tests plays per strategy.
const SEEDS: u64 = 40;

/// Where to begin is part of what a failure prints.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("DRIFTLESS_TEST_FIRST_SEED").unwrap_or(1);
    first..first + number("DRIFTLESS_TEST_SEEDS").unwrap_or(SEEDS)
}

/// Plays one seed.
async fn play(seed: u64, strategy: Strategy, flaw: Option<Flaw>) -> Played {
    let climate = Climate::draw(seed, strategy);
    let size = Size {
        clients: climate.clients,
        steps: 25,
    };
    let schema = &climate.subject.schema;
    let trace = draw(seed, climate.mix, size, schema, &Family::ALL);
    World::new(seed, climate, flaw).await.play(trace)
}

/// Plays all seeds; every hazard must have come to pass.
async fn all_agree(strategy: Strategy) {
    let mut happened: BTreeMap<Hazard, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for seed in seeds() {
        let played = play(seed, strategy, None).await;
        if let Some(first) = played.found.first() {
            let hazards: Vec<_> = played.happened.keys().collect();
            wrong.push(format!("seed {seed} with {hazards:?}: {first}"));
        }
        for (hazard, times) in played.happened {
            *happened.entry(hazard).or_default() += times;
        }
    }
    assert!(wrong.is_empty(), "{} seeds: {wrong:#?}", wrong.len());
    let mut hazards = Hazard::ALL
        .into_iter()
        .filter(|hazard| hazard.comes_to_pass(strategy));
    let missed = hazards.find(|hazard| !happened.contains_key(hazard));
    assert_eq!(missed, None, "a hazard that no seed shows: {happened:?}");
}

#[tokio::test]
async fn every_replica_equals_the_server_under_automerge() {
    tokio::task::unconstrained(all_agree(Strategy::Automerge)).await;
}

#[tokio::test]
async fn every_replica_equals_the_server_under_optimistic_concurrency() {
    tokio::task::unconstrained(all_agree(Strategy::Optimistic)).await;
}

#[tokio::test]
async fn every_replica_equals_the_server_under_three_way_merges() {
    tokio::task::unconstrained(all_agree(Strategy::ThreeWay)).await;
}

#[tokio::test]
async fn every_replica_equals_the_server_where_the_last_writer_wins() {
    tokio::task::unconstrained(all_agree(Strategy::LastWriterWins)).await;
}

#[tokio::test]
async fn a_seed_plays_the_same_run_again() {
    let run = async |seed| {
        let flawed = play(seed, Strategy::Automerge, Some(Flaw::HardDelete)).await;
        flawed.found.join("\n")
    };
    tokio::task::unconstrained(async {
        for seed in 1..20 {
            assert_eq!(run(seed).await, run(seed).await);
        }
    })
    .await;
}

/// The first seed that shows what is wrong with a naive server, and what it shows. It is the flaw that is found: the same
/// run of the server as it is must be right.
async fn found_out_by(flaw: Flaw, first: u64) -> Option<(u64, String)> {
    for seed in first..first + 4 * SEEDS {
        let played = play(seed, Strategy::Automerge, Some(flaw)).await;
        if let Some(first) = played.found.into_iter().next() {
            let unbent = play(seed, Strategy::Automerge, None).await.found;
            assert!(unbent.is_empty(), "seed {seed}: {unbent:#?}");
            return Some((seed, first));
        }
    }
    None
}

/// Each in a test of its own, so that one that is not noticed is named; from the seed on that showed it when this was written.
macro_rules! notices {
    ($($test:ident: $flaw:ident from $seed:literal),+ $(,)?) => {
        mod notices {
            $(
                #[tokio::test]
                async fn $test() {
                    let flaw = crate::support::bent::Flaw::$flaw;
                    let found = tokio::task::unconstrained(super::found_out_by(flaw, $seed)).await;
                    let (seed, what) = found.expect("a seed that shows what is lost");
                    println!("seed {seed}: {what}");
                }
            )+
        }
    };
}

notices! {
    times_that_the_next_change_may_share: NoMinusOne from 15,
    wall_clocks: WallClock from 22,
    versions_read_before_the_lock: UnlockedRead from 1,
    stores_that_forget_requests: NoHistory from 1,
    times_of_the_last_page: LateStartedAt from 9,
    deletions_that_leave_nothing: HardDelete from 1,
    events_in_any_order: Reordered from 6,
    subscriptions_that_begin_when_the_log_is_read: LateCursor from 1,
    events_that_are_told_twice: Doubled from 1,
    tails_that_do_not_see_a_gap: GapBlind from 15,
    nodes_that_repair_nothing: NoRepairs from 80,
    writes_that_are_acknowledged_and_not_done: Swallowed from 3,
    overload_that_is_answered_as_a_failure: FinalErrors from 5,
    clocks_of_devices_that_are_believed: NoOverlap from 35,
    restored_states_without_an_epoch: NoEpoch from 15,
    epochs_that_leave_versions_as_they_were: EpochOfTimes from 15,
    epochs_that_believe_what_devices_kept: EpochOfVersions from 15,
    logs_that_lose_their_last_row: TrimHead from 9,
    tombstones_that_are_purged: Purge from 1,
    records_that_begin_anew_at_version_one: FreshStart from 10,
    pages_of_records_of_others: Leak from 25,
}
