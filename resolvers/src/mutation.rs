//! `createX`, `updateX`, `deleteX` (`sync-semantics` 2).
//!
//! Each mutation is asked for by a [`request`], decided by a pure [`decision`] over what is stored, and written by
//! compare-and-swap; when something else was written meanwhile, it is decided again from what is stored now.

mod decision;
mod document;
mod mediation;
mod past;
mod principal;
mod refusal;
mod replay;
mod request;
mod turn;
mod unversioned;
mod validation;
mod validity;

use std::sync::Arc;

use crate::Record;
use crate::api::error::{Failure, FieldError};
use crate::api::outcome::{Arguments, Outcome, Resolved};
use crate::asked::Selected;
use crate::authz::{Approved, WritePermit};
use crate::engine::Engine;
use crate::feed::Operation;
use crate::identity::Caller;
use crate::pacing::Question;
use crate::schema::model::{Model, ModelOperation};
use crate::storage::{Expected, Key, Put, StorageError, Write};
use decision::{Next, Verdict};
use mediation::Mediation;
use refusal::Refusal;
use request::{Create, Intent, Request};

/// How often a mutation is decided anew because the record moved meanwhile. Then the client is asked to come back, as
/// the built-in strategies never answer `MaxConflicts` (`errata.md` row 3).
const ROUNDS: usize = 64;

/// After so many rounds a mutation waits for its turn, so that the other ones of this process cannot overtake it.
const FREE_ROUNDS: usize = 3;

/// `createX`: one write, no read; two writes where a shell is in the way. Subscribers are told what is `selected` of the
/// record, or all of it.
pub async fn create(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    args: &Arguments,
    selected: Option<&Arc<Selected>>,
) -> Outcome {
    let outcome = async {
        let permit = WritePermit::request(engine, caller, model, ModelOperation::Create)?;
        created(permit.telling(selected), args).await
    };
    counted(engine, model, "create", outcome).await
}

async fn created(permit: WritePermit<'_>, args: &Arguments) -> Outcome {
    let engine = permit.engine();
    let create = Create::read(&permit, args)?;
    if !create.condition.matches(&document::nothing()) {
        let stored = permit.stored(&create.key).await?;
        return Err(refusal::error(&permit, &Refusal::Condition, stored).into());
    }
    let mut expected = Expected::Absent;
    for _ in 0..ROUNDS {
        let write = create.write(&permit, expected);
        let (approved, _) = permit.may_create(&create.asked)?;
        expected = match permit.put(approved, write).await? {
            Put::Done(record) => return Ok(shown(record)),
            Put::Stale(Some(stored)) if permit.is_shell(&stored) => over_shell(&permit, &stored)?,
            Put::Stale(Some(stored))
                if engine.settings.revive
                    && stored.deleted
                    && permit.may_revive(&stored)
                    && !replay::of_past_create(&permit, &create, &stored).await? =>
            {
                over_shell(&permit, &stored)?
            }
            Put::Stale(Some(stored)) => return existing(&permit, &create, stored).await,
            Put::Stale(None) => Expected::Absent,
        };
    }
    Err(contended())
}

/// `updateX`: one read and one write, unless the record moves meanwhile.
pub async fn update(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    args: &Arguments,
    selected: Option<&Arc<Selected>>,
) -> Outcome {
    let outcome = async {
        let permit = WritePermit::request(engine, caller, model, ModelOperation::Update)?;
        let permit = permit.telling(selected);
        let request = Request::update(&permit, args)?;
        settle(&permit, &request).await
    };
    counted(engine, model, "update", outcome).await
}

/// `deleteX`: one read and one write, unless the record moves meanwhile.
pub async fn delete(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    args: &Arguments,
    selected: Option<&Arc<Selected>>,
) -> Outcome {
    let outcome = async {
        let permit = WritePermit::request(engine, caller, model, ModelOperation::Delete)?;
        let permit = permit.telling(selected);
        let request = Request::delete(&permit, args)?;
        settle(&permit, &request).await
    };
    counted(engine, model, "delete", outcome).await
}

/// Counts what a mutation comes to.
async fn counted(
    engine: &Engine,
    model: &Model,
    operation: &'static str,
    outcome: impl Future<Output = Outcome>,
) -> Outcome {
    let outcome = outcome.await;
    engine.journal.count(&model.name, operation, &outcome);
    outcome
}

/// A create goes on counting the versions of the shell it replaces (`sync-semantics` MUT-8).
fn over_shell(permit: &WritePermit<'_>, shell: &Record) -> Result<Expected, Failure> {
    match shell.version.next() {
        Some(_) => Ok(Expected::Version(shell.version)),
        None => Err(refusal::error(permit, &Refusal::VersionsUsedUp, None).into()),
    }
}

/// A create met a record: success if it is the repetition of the create that made it (`errata.md` row 14).
async fn existing(permit: &WritePermit<'_>, create: &Create, stored: Record) -> Outcome {
    let engine = permit.engine();
    let repeated = permit.repeats()
        || engine.settings.create_replay && replay::of_create(permit, create, &stored).await?;
    if repeated {
        return Ok(shown(stored));
    }
    Err(refusal::taken(permit, stored).into())
}

/// Decides and writes until one of the two settles the request.
async fn settle(permit: &WritePermit<'_>, request: &Request) -> Outcome {
    let mut stored = living(permit, request, permit.kept(&request.key).await?)?;
    let mut approved = approve(permit, request, stored.as_ref())?;
    if let Some(fault) = &request.fault {
        return Err(refusal::invalid(permit, fault, stored).into());
    }
    // Without a version it may be a later edit that happens to be equal.
    if permit.repeats()
        && request.base().is_some()
        && let Some(stored) = stored
    {
        return Ok(shown(stored));
    }
    if request.base().is_none() && stored.is_some() {
        unversioned::warn(permit);
    }
    let mut mediation = Mediation::new(permit, request);
    let mut turn = None;
    for round in 0..ROUNDS {
        if round == FREE_ROUNDS {
            turn = take_turn(&mediation, &request.key).await;
        }
        if let Some(record) = stored.take_if(|record| request.trails(record)) {
            if mediation.repeats(&record).await? {
                return Ok(shown(record));
            }
            stored = Some(record);
        }
        let next = match decide(&mut mediation, request, stored.as_ref()).await? {
            Verdict::Write(next) => next,
            Verdict::Show | Verdict::Conflict => {
                mediation.conclude(Ok(None));
                return Ok(stored.map_or(Resolved::Null, shown));
            }
            Verdict::Refuse(refusal) => {
                mediation.conclude(Err(&refusal));
                if waits_for_its_answer(permit, request, &refusal).await {
                    // The client has thrown away what it was told meanwhile (`client-js` 12.3).
                    stored = living(permit, request, permit.kept(&request.key).await?)?;
                }
                return Err(refusal::error(permit, &refusal, stored).into());
            }
        };
        let before = stored.as_ref().map(|record| &record.fields);
        if next.operation == Operation::Update
            && let Err(fault) =
                validity::check_sizes(permit.model(), &request.key, before, &next.fields)
        {
            return Err(refusal::invalid(permit, &fault, stored).into());
        }
        match permit.put(approved, write(permit, request, next)).await? {
            Put::Done(record) => {
                mediation.conclude(Ok(Some(&record)));
                return Ok(shown(record));
            }
            Put::Stale(now) => {
                stored = living(permit, request, now)
                    .inspect_err(|_| mediation.conclude(Err(&Refusal::Missing)))?;
            }
        }
        // The record may have become somebody else's meanwhile.
        approved = approve(permit, request, stored.as_ref())?;
    }
    drop(turn);
    Err(contended())
}

/// Waits before a conflict is told that was told before; whether it did.
async fn waits_for_its_answer(
    permit: &WritePermit<'_>,
    request: &Request,
    refusal: &Refusal,
) -> bool {
    let engine = permit.engine();
    if !engine.settings.slow_loops || !matches!(refusal, Refusal::Conflict(_)) {
        return false;
    }
    let actor = permit.identity().actor();
    let what = (actor, &permit.model().name, &request.key, &request.digest);
    let clock = engine.clock.as_ref();
    engine.pacing.pace(Question::Conflict, what, clock).await
}

/// What there is to write over: a shell is nothing. But who writes over one has a copy of what is long deleted, and no sync
/// brings word of that once more; if the rules let the caller write, the error shows what is left, so that the copy goes.
fn living(
    permit: &WritePermit<'_>,
    request: &Request,
    kept: Option<Record>,
) -> Result<Option<Record>, FieldError> {
    match kept {
        Some(shell) if permit.is_shell(&shell) => {
            let approved = approve(permit, request, Some(&shell));
            match approved.map(|_| refusal::gone(permit, request.base().is_some(), shell)) {
                Ok(Some(error)) => Err(error),
                Ok(None) | Err(_) => Ok(None),
            }
        }
        kept => Ok(kept),
    }
}

/// Asks the rules about what is stored.
fn approve(
    permit: &WritePermit<'_>,
    request: &Request,
    stored: Option<&Record>,
) -> Result<Approved, FieldError> {
    match &request.intent {
        Intent::Update(_) => permit.may_update(&request.input, stored),
        Intent::Delete(_) => permit.may_delete(stored),
    }
}

/// The turn of a mutation that was overtaken too often. The user's code may be slow, so that a client does not wait for
/// others' calls longer than for its own.
async fn take_turn(mediation: &Mediation<'_>, key: &Key) -> Option<turn::Turn> {
    let model = mediation.model();
    if mediation.is_external() {
        let turn = turn::take(turn::Queue::External, model, key);
        tokio::time::timeout(mediation.patience(), turn).await.ok()
    } else {
        Some(turn::take(turn::Queue::Builtin, model, key).await)
    }
}

async fn decide(
    mediation: &mut Mediation<'_>,
    request: &Request,
    stored: Option<&Record>,
) -> Result<Verdict, StorageError> {
    let base = match stored {
        Some(stored) => mediation.base(stored).await?,
        None => request.base(),
    };
    let verdict = match &request.intent {
        Intent::Update(change) => {
            let model = mediation.model();
            decision::update(model, stored, base, change, &request.condition)
        }
        Intent::Delete(_) => decision::delete(stored, base, &request.condition),
    };
    match (verdict, stored) {
        (Verdict::Conflict, Some(stored)) => mediation.resolve(stored).await,
        (verdict, _) => Ok(verdict),
    }
}

fn write(permit: &WritePermit<'_>, request: &Request, next: Next) -> Write {
    Write {
        key: request.key.clone(),
        expected: Expected::Version(next.over),
        operation: next.operation,
        fields: next.fields,
        deleted: next.deleted,
        actor: Some(permit.identity().actor()),
        request: Some(permit.asked(&request.digest)),
    }
}

fn shown(record: Record) -> Resolved {
    Resolved::Record(Arc::new(record))
}

fn contended() -> Failure {
    Failure::Unavailable("too many writes to one record at once".to_owned())
}

#[cfg(test)]
mod tests;
