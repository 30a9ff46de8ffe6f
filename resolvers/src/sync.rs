//! `syncXs`: base or delta, `startedAt`, and the token between pages (`sync-semantics` 4, `sync-design.md` 6).

use driftless_conflict_handlers::Timestamp;

use crate::api::outcome::{Arguments, Outcome};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::model::Model;

/// What the store knows about a model's log when a sync starts, read in the same snapshot as the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// The time of the last log row.
    pub head: Timestamp,
    /// The store's wall clock.
    pub wall: Timestamp,
    /// `lastSync` below this is answered with a base sync: the log's history before it is not continuous.
    pub epoch_start: Timestamp,
    /// Tombstones changed up to here may be gone.
    pub purged: Timestamp,
}

/// Base or delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Everything.
    Base,
    /// What changed strictly after this time.
    Delta(Timestamp),
}

/// How far in the future a `lastSync` may lie and still get a delta, in milliseconds (`sync-design.md` 6.1).
pub const FUTURE_TOLERANCE: i64 = 60_000;

/// Chooses between base and delta (`sync-design.md` 6.1, `errata.md` rows 31, 32, 51).
#[must_use]
pub fn choose(last_sync: Option<i64>, overlap: i64, window: Option<i64>, log: LogState) -> Choice {
    let Some(last) = last_sync.filter(|last| *last > 0) else {
        return Choice::Base;
    };
    let too_old = last < log.epoch_start.0
        || last <= log.purged.0
        || window.is_some_and(|window| last < log.wall.0.saturating_sub(window));
    let newest = log.head.0.max(log.wall.0);
    if too_old || last > newest.saturating_add(FUTURE_TOLERANCE) {
        return Choice::Base;
    }
    let from = if last > log.head.0 {
        log.head.0.saturating_sub(1)
    } else {
        last
    };
    Choice::Delta(Timestamp(from.saturating_sub(overlap)))
}

/// `startedAt` of a first page: nothing that this snapshot does not show can have a time at or below it
/// (`sync-design.md` R1; the −1 because a later commit may share the head's millisecond).
#[must_use]
pub fn started_at(log: LogState) -> Timestamp {
    Timestamp(log.head.0.min(log.wall.0) - 1)
}

/// `syncXs`: a page of everything, or of what changed since `lastSync`.
pub async fn run(_engine: &Engine, _caller: &Caller, _model: &Model, _args: &Arguments) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}
