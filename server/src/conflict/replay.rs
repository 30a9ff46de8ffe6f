//! A recorded or hand-written conflict, decided again by any handler. Nothing is stored.

use std::time::Duration;

use driftless_conflict_handlers::{Decision, Fault, Fields, Handler, Record, Recorded, Resolution};

/// How long a handler may take.
const PATIENCE: Duration = Duration::from_millis(7_500);

/// The conflict with what this handler makes of it: result, outcome and the verdict on each field.
pub async fn replayed(recorded: Recorded, handler: &Handler) -> Result<Recorded, Fault> {
    let replay = recorded.replay();
    let resolution = handler.resolve(&replay.conflict(), PATIENCE).await;
    let Resolution { decision, verdicts } = resolution?;
    let mut recorded = replay.recorded().clone();
    handler.name().clone_into(&mut recorded.strategy);
    decision.name().clone_into(&mut recorded.outcome);
    recorded.reason = match &decision {
        Decision::Reject(words) => words.message.clone(),
        Decision::Fail(error) => Some(error.message.clone()),
        _ => None,
    };
    recorded.result = match &decision {
        Decision::Replace(fields) => Some(next(&recorded, fields.clone(), false)),
        Decision::Remove => Some(next(&recorded, recorded.stored.fields.clone(), true)),
        Decision::Keep | Decision::Reject(_) | Decision::Fail(_) => None,
    };
    recorded.verdicts = verdicts;
    Ok(recorded)
}

fn next(recorded: &Recorded, fields: Fields, deleted: bool) -> Record {
    let stored = &recorded.stored;
    Record {
        fields,
        version: stored.version.next().unwrap_or(stored.version),
        last_changed_at: stored.last_changed_at,
        deleted: deleted || stored.deleted,
    }
}
