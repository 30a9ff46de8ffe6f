//! The harness itself on trial: a right server must pass, and every wrong one must be found.

#[cfg(test)]
mod stub;

use driftless_client_test_harness::{
    crash::{self, Plan},
    family::Family,
    oracle::Strategy,
    restore,
    scenario::{
        Stage,
        mix::{Mix, Size, draw},
        play,
    },
};
use stub::Bug;

const SIZE: Size = Size {
    clients: 4,
    steps: 40,
};

async fn violations(stage: &Stage, seed: u64, mix: Mix) -> Vec<String> {
    let trace = draw(seed, mix, SIZE, &stage.schema, &Family::ALL);
    let played = play(stage, &trace).await;
    played.expect("the stub is reachable").violations()
}

async fn finds(bug: Bug, mix: Mix) -> bool {
    let stage = stub::start(Strategy::Automerge, bug).await;
    for seed in 1..=5 {
        if !violations(&stage, seed, mix).await.is_empty() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_right_server_passes_every_mix_under_automerge() {
    let stage = stub::start(Strategy::Automerge, Bug::Nothing).await;
    for (seed, mix) in [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn]
        .into_iter()
        .enumerate()
    {
        let found = violations(&stage, seed as u64, mix).await;
        assert_eq!(found, Vec::<String>::new(), "{mix:?}");
    }
}

#[tokio::test]
async fn a_right_server_passes_every_mix_under_optimistic_concurrency() {
    let stage = stub::start(Strategy::Optimistic, Bug::Nothing).await;
    for (seed, mix) in [Mix::Mixed, Mix::Hot, Mix::Offline, Mix::Lossy, Mix::Churn]
        .into_iter()
        .enumerate()
    {
        let found = violations(&stage, seed as u64, mix).await;
        assert_eq!(found, Vec::<String>::new(), "{mix:?}");
    }
}

#[tokio::test]
async fn an_acknowledged_write_that_was_not_stored_is_found() {
    assert!(finds(Bug::AcknowledgesWithoutStoring, Mix::Mixed).await);
}

/// The scenario with writers whose server is killed, without the killing.
async fn ledger_finds(bug: Bug) -> bool {
    let stage = stub::start(Strategy::Automerge, bug).await;
    let plan = Plan {
        model: stage.schema.model("Post").expect("a model").clone(),
        targets: vec![stage.target.clone()],
        witness: Some(stage.target),
        writers: 3,
        writes: 90,
        kill: None,
        kills: 0,
        patience: stage.patience,
    };
    let report = crash::run(&plan).await.expect("the stub is reachable");
    !report.violations().is_empty()
}

#[tokio::test]
async fn the_witness_finds_events_that_are_lost_or_doubled() {
    for bug in [Bug::LosesAnEvent, Bug::DoublesAnEvent] {
        assert!(ledger_finds(bug).await, "{bug:?}");
    }
}

#[tokio::test]
async fn the_ledger_finds_what_was_acknowledged_and_not_stored_and_nothing_else() {
    assert!(ledger_finds(Bug::AcknowledgesWithoutStoring).await);
    assert!(ledger_finds(Bug::LeavesTombstonesOutOfDeltas).await);
    assert!(!ledger_finds(Bug::Nothing).await);
}

/// What the scenario with a backup finds at a server that puts it back.
async fn restore_finds(bug: Bug) -> Vec<String> {
    let (stage, stub) = stub::start_with_backups(Strategy::Automerge, bug).await;
    let plan = restore::Plan {
        model: stage.schema.model("Post").expect("a model").clone(),
        targets: vec![stage.target],
        records: 24,
        patience: stage.patience,
    };
    let backup = async || {
        stub.back_up();
        Ok(())
    };
    let restore = async || {
        stub.restore();
        Ok(())
    };
    let report = restore::run(&plan, backup, restore).await;
    report.expect("the stub is reachable").violations()
}

#[tokio::test]
async fn a_server_that_begins_anew_after_a_restore_is_right() {
    assert_eq!(restore_finds(Bug::Nothing).await, [""; 0]);
}

#[tokio::test]
async fn whatever_a_server_does_wrong_about_a_restore_is_found() {
    for (bug, told) in [
        (Bug::LosesWhatWasBackedUp, "was in the backup and is gone"),
        (Bug::CountsOnAfterARestore, "stood for"),
        (Bug::HidesARestoreFromDeltas, "holds"),
        (Bug::ForgetsSubscribersAtARestore, "was not told of"),
        (Bug::AcknowledgesWithoutStoring, "holds"),
    ] {
        let found = restore_finds(bug).await;
        assert!(
            found.iter().any(|text| text.contains(told)),
            "{bug:?}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_stale_write_that_overwrites_is_found() {
    assert!(finds(Bug::OverwritesInsteadOfMerging, Mix::Hot).await);
}

#[tokio::test]
async fn a_resent_update_that_is_applied_again_is_found() {
    assert!(finds(Bug::RepeatsResentUpdates, Mix::Lossy).await);
}

#[tokio::test]
async fn a_lost_event_is_found() {
    assert!(finds(Bug::LosesAnEvent, Mix::Mixed).await);
}

#[tokio::test]
async fn a_doubled_event_is_found() {
    assert!(finds(Bug::DoublesAnEvent, Mix::Mixed).await);
}

#[tokio::test]
async fn events_out_of_order_are_found() {
    assert!(finds(Bug::SwapsEvents, Mix::Hot).await);
}

#[tokio::test]
async fn a_delta_without_tombstones_is_found() {
    assert!(finds(Bug::LeavesTombstonesOutOfDeltas, Mix::Churn).await);
}

#[tokio::test]
async fn a_sync_that_claims_to_have_started_later_is_found() {
    assert!(finds(Bug::StartsTooLate, Mix::Offline).await);
}

#[tokio::test]
async fn a_page_that_never_comes_is_found() {
    assert!(finds(Bug::LosesAPage, Mix::Churn).await);
}

#[tokio::test]
async fn a_refused_write_that_was_done_anyway_is_found() {
    assert!(finds(Bug::PublishesRefusedWrites, Mix::Churn).await);
}
