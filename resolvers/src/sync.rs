//! `syncXs`: base or delta, `startedAt`, and the token between pages (`sync-semantics` 4, `sync-design.md` 6).

use std::sync::Arc;

use driftless_conflict_handlers::Timestamp;
use serde_json::{Value, json};

use crate::api::outcome::{Arguments, Connection, Outcome, Resolved};
use crate::authz::{Permit, Reading};
use crate::engine::Engine;
use crate::feed::Seq;
use crate::filter::Filter;
use crate::identity::{Caller, Family};
use crate::pacing::Question;
use crate::page;
use crate::schema::model::{Model, ModelOperation};
use crate::storage::{Key, SyncCursor, SyncFrom, SyncPlace, SyncQuery};

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

/// Chooses between base and delta (`sync-design.md` 6.1, `errata.md` rows 31, 32, 51). A device's own clock may be ahead
/// by the overlap, so what it says counts from so much earlier, also where it is asked whether it saw an epoch begin.
#[must_use]
pub fn choose(last_sync: Option<i64>, overlap: i64, window: Option<i64>, log: LogState) -> Choice {
    let Some(last) = last_sync.filter(|last| *last > 0) else {
        return Choice::Base;
    };
    let surely = last.saturating_sub(overlap);
    let too_old = surely < log.epoch_start.0
        || surely <= log.purged.0
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
///
/// In the first minute of an epoch it is that epoch's start, a little ahead of the clock: everything later is stamped later,
/// and a time before the start would be answered with a base sync once more.
#[must_use]
pub fn started_at(log: LogState) -> Timestamp {
    Timestamp((log.head.0.min(log.wall.0) - 1).max(log.epoch_start.0))
}

/// The `limit` of a sync page when the caller gives none (`sync-semantics` SYNC-2).
const DEFAULT_LIMIT: usize = 100;

/// `syncXs`: a page of everything, or of what changed since `lastSync`; tombstones included.
pub async fn run(engine: &Engine, caller: &Caller, model: &Model, args: &Arguments) -> Outcome {
    let field = model.operations.sync.as_deref().unwrap_or("sync");
    let reading = Reading::Operation(ModelOperation::Sync, &[]);
    let permit = Permit::request(engine, caller, model, reading, field, "Query")?;
    let last_sync = last_sync(args);
    let purpose = purpose(model, last_sync, args, &permit.principal());
    if engine.settings.slow_loops {
        slow_down(engine, caller, args, &purpose).await;
    }
    let from = match page::resume(&engine.sealer, &purpose, args)? {
        Some(content) => SyncFrom::Next(cursor(&content).ok_or_else(page::invalid_token)?),
        None => SyncFrom::First {
            last_sync,
            overlap: overlap(caller.family, engine.settings.own_clock_overlap),
            window: engine.settings.delta_window,
        },
    };
    let query = SyncQuery {
        from,
        rows: Filter::everything(),
        filter: permit.filter(args)?,
        limit: page::limit(args, DEFAULT_LIMIT, engine.settings.page_limit)?,
    };
    let found = permit.sync(query).await?;
    Ok(Resolved::Connection(Connection {
        records: found.records.into_iter().map(Arc::new).collect(),
        next_token: found
            .next
            .map(|next| engine.sealer.seal(&purpose, &content(&next))),
        started_at: Some(found.started_at),
    }))
}

/// Waits before a page that a client fetches again and again, whether its token is good or not, and before the first page
/// of a sync that it begins anew and anew. Devices that share an API key begin alike: rates hold those.
async fn slow_down(engine: &Engine, caller: &Caller, args: &Arguments, purpose: &str) {
    let clock = engine.clock.as_ref();
    if let Some(token) = args.get("nextToken").and_then(Value::as_str) {
        let what = (caller.identity.principal(), token);
        engine.pacing.pace(Question::Page, what, clock).await;
    } else if let Some(device) = caller.identity.device() {
        let what = (device, purpose);
        engine.pacing.pace(Question::Beginning, what, clock).await;
    }
}

/// Null, 0 and negative values ask for everything, like no value (`sync-semantics` 4.2).
fn last_sync(args: &Arguments) -> Option<i64> {
    let value = args.get("lastSync")?;
    let whole = value
        .as_i64()
        .or_else(|| value.as_f64().map(|value| value as i64))?;
    (whole > 0).then_some(whole)
}

/// How far a delta reaches back at most for clients nobody knows, in milliseconds: it covers a change that was committed
/// while their sync ran, not a wrong clock.
const UNKNOWN_OVERLAP: i64 = 300_000;

/// Clients that send their own clock get what may have been committed while it ran ahead (`errata.md` row 51).
fn overlap(family: Family, own_clock: i64) -> i64 {
    match family {
        Family::JavaScript | Family::Swift => 0,
        Family::Android | Family::Flutter => own_clock,
        Family::Unknown => own_clock.min(UNKNOWN_OVERLAP),
    }
}

/// A sync token belongs to model, filter, caller and `lastSync` (`errata.md` row 18).
fn purpose(model: &Model, last_sync: Option<i64>, args: &Arguments, principal: &str) -> String {
    let filter = args.get("filter").unwrap_or(&Value::Null);
    page::canonical(&json!(["sync", model.name, filter, principal, last_sync]))
}

fn content(cursor: &SyncCursor) -> Value {
    let place = match &cursor.place {
        SyncPlace::Base(key) => json!({"key": key.0}),
        SyncPlace::Delta(changed, seq) => json!({"changed": changed.0, "seq": seq.0}),
    };
    json!({"place": place, "horizon": cursor.horizon.0, "startedAt": cursor.started_at.0})
}

fn cursor(content: &Value) -> Option<SyncCursor> {
    let place = content.get("place")?;
    let number = |of: &Value, name: &str| of.get(name)?.as_i64();
    Some(SyncCursor {
        place: match place.get("key") {
            Some(key) => SyncPlace::Base(Key(key.as_str()?.to_owned())),
            None => SyncPlace::Delta(
                Timestamp(number(place, "changed")?),
                Seq(number(place, "seq")?),
            ),
        },
        horizon: Seq(number(content, "horizon")?),
        started_at: Timestamp(number(content, "startedAt")?),
    })
}

#[cfg(test)]
mod tests;
