//! Many devices against the server's own decisions, in one thread and with time in the test's hand: every choice comes
//! from a seed, so that a failure can be played again.
//!
//! What runs is the real code of mutations, syncs, subscriptions, replays and settling over the reference store; what is
//! simulated is the network between it and the devices, the order in which requests make their steps, and time. The
//! devices follow the merge rules of the four client families (`client-test-harness`), and one more device hears no
//! events at all, so that deltas alone must bring it everything.
//!
//! A hundred thousand seeds by hand: `DRIFTLESS_TEST_SEEDS=100000 cargo test -p driftless-tests --test it simulation`.

mod device;
mod judge;
mod network;
mod schemas;
mod tail;
mod world;

use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::oracle::Strategy;
use driftless_client_test_harness::scenario::mix::{Mix, Size, draw};

use crate::support::bent::Flaw;
use schemas::Subject;
use world::World;

/// How many seeds a run of all tests plays per strategy.
const SEEDS: u64 = 60;

const MIXES: [Mix; 5] = [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn];

/// Where to begin is part of what a failure prints.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("DRIFTLESS_TEST_FIRST_SEED").unwrap_or(1);
    first..first + number("DRIFTLESS_TEST_SEEDS").unwrap_or(SEEDS)
}

/// Plays one seed and answers what is wrong.
async fn play(seed: u64, strategy: Strategy, flaw: Option<Flaw>) -> Vec<String> {
    let turn = usize::try_from(seed).expect("a small number");
    let subject = Subject::number(turn / MIXES.len());
    let size = Size {
        clients: 2 + turn % 4,
        steps: 25,
    };
    let trace = draw(
        seed,
        MIXES[turn % MIXES.len()],
        size,
        &subject.schema,
        &Family::ALL,
    );
    let world = World::new(seed, subject, strategy, flaw).await;
    world.play(trace)
}

async fn all_agree(strategy: Strategy) {
    for seed in seeds() {
        let found = play(seed, strategy, None).await;
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
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
async fn a_seed_plays_the_same_run_again() {
    let run = async |seed| {
        let flawed = play(seed, Strategy::Automerge, Some(Flaw::HardDelete)).await;
        flawed.join("\n")
    };
    for seed in 1..20 {
        assert_eq!(run(seed).await, run(seed).await);
    }
}

/// The first seed that shows that this naive store loses something.
async fn found_out_by(flaw: Flaw) -> Option<u64> {
    for seed in 1..=2 * SEEDS {
        if !play(seed, Strategy::Automerge, Some(flaw)).await.is_empty() {
            return Some(seed);
        }
    }
    None
}

#[tokio::test]
async fn naive_stores_are_found_out() {
    for flaw in [
        Flaw::NoMinusOne,
        Flaw::WallClock,
        Flaw::UnlockedRead,
        Flaw::NoHistory,
        Flaw::LateStartedAt,
        Flaw::HardDelete,
        Flaw::Reordered,
    ] {
        let found = tokio::task::unconstrained(found_out_by(flaw)).await;
        assert!(found.is_some(), "no seed shows what {flaw:?} loses");
    }
}
