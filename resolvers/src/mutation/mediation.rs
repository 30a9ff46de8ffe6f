//! The conflicts of one mutation, from round to round: what the strategy is told, what its answer is worth, and what is
//! written down about it.

use driftless_conflict_handlers::{
    self as handlers, Conflict, Decision, Fault, Fields, Handler, Kinds, Needs, Recorded,
    Resolution, Step, Version, past,
};
use serde_json::Value;

use super::decision::{self, Verdict};
use super::past::Past;
use super::refusal::Refusal;
use super::request::{Intent, Request};
use super::{document, principal, replay, validity};
use crate::Record;
use crate::authz::WritePermit;
use crate::clock::Deadline;
use crate::engine::{HANDLER_BUDGET, MissingVersion};
use crate::schema::model::Model;
use crate::storage::StorageError;

/// One mutation's way through its conflicts.
pub(super) struct Mediation<'a> {
    permit: &'a WritePermit<'a>,
    request: &'a Request,
    handler: &'a Handler,
    deadline: Deadline,
    attempts: u32,
    past: Past,
    /// Made at the first conflict.
    context: Option<Context>,
    /// The last conflict, to be completed by its outcome.
    noted: Option<Recorded>,
}

/// What stays the same from round to round.
struct Context {
    kinds: Kinds,
    request: handlers::Request,
    /// Stands for the change of a delete.
    nothing: handlers::Change,
}

impl<'a> Mediation<'a> {
    pub(super) fn new(permit: &'a WritePermit<'a>, request: &'a Request) -> Self {
        Mediation {
            permit,
            request,
            handler: permit.handler(),
            deadline: Deadline::after(HANDLER_BUDGET),
            attempts: 0,
            past: Past::default(),
            context: None,
            noted: None,
        }
    }

    /// Whether the user's own code decides, which may take its time.
    pub(super) fn is_external(&self) -> bool {
        matches!(self.handler, Handler::External(_))
    }

    /// The model of the record.
    pub(super) fn model(&self) -> &'a Model {
        self.permit.model()
    }

    /// How long the client still waits.
    pub(super) fn patience(&self) -> std::time::Duration {
        self.deadline.left()
    }

    /// Whether the request has been carried out already, behind the version it is based on.
    pub(super) async fn repeats(&mut self, stored: &Record) -> Result<bool, StorageError> {
        let (permit, request) = (self.permit, self.request);
        if !permit.engine().settings.update_replay {
            return Ok(false);
        }
        replay::of_write(permit, request, stored, &mut self.past).await
    }

    /// The version the request counts as based on: the one it names, or by option the stored one.
    pub(super) async fn base(&mut self, stored: &Record) -> Result<Option<Version>, StorageError> {
        let settings = &self.permit.engine().settings;
        let base = self.request.base();
        let Some(seen) = base else {
            return Ok(match settings.missing_version {
                MissingVersion::Latest => Some(stored.version),
                MissingVersion::Conflict => None,
            });
        };
        if settings.same_writer
            && seen < stored.version
            && let Some(writer) = self.permit.identity().writer()
        {
            let needs = Needs {
                base: false,
                steps: true,
            };
            let (permit, request) = (self.permit, self.request);
            self.past.read(permit, request, stored, needs).await?;
            if past::is_all_own(&self.past.steps(stored), &writer) {
                return Ok(Some(stored.version));
            }
        }
        Ok(base)
    }

    /// Asks the strategy. Nothing is locked meanwhile.
    pub(super) async fn resolve(&mut self, stored: &Record) -> Result<Verdict, StorageError> {
        self.attempts += 1;
        let most = self.permit.engine().settings.max_conflicts;
        if self.is_external() && self.attempts > most {
            return Ok(Verdict::Refuse(Refusal::MaxConflicts));
        }
        let (permit, request) = (self.permit, self.request);
        let needs = self.handler.needs();
        self.past.read(permit, request, stored, needs).await?;
        let steps = match needs.steps {
            true => self.past.steps(stored),
            false => Vec::new(),
        };
        let resolution = self.ask(stored, &steps).await;
        let resolution = resolution.and_then(|resolution| self.examined(stored, resolution));
        self.note(stored, steps, &resolution);
        Ok(match resolution {
            Ok(resolution) => decision::decided(
                permit.model(),
                stored,
                resolution.decision,
                &request.condition,
            ),
            Err(fault) => {
                tracing::warn!(
                    handler = self.handler.name(),
                    model = permit.model().name,
                    key = request.key.0,
                    attempt = self.attempts,
                    %fault,
                    "a conflict handler gave no answer that can be used"
                );
                Verdict::Refuse(Refusal::Handler)
            }
        })
    }

    async fn ask(&mut self, stored: &Record, steps: &[Step]) -> Result<Resolution, Fault> {
        let (permit, request) = (self.permit, self.request);
        let context = self
            .context
            .get_or_insert_with(|| Context::of(permit, request));
        let change = match &request.intent {
            Intent::Update(change) => change,
            Intent::Delete(_) => &context.nothing,
        };
        let proposed = document::changed(permit.model(), &stored.fields, &change.fields);
        let conflict = Conflict {
            model: &permit.model().name,
            operation: operation(&request.intent),
            stored,
            change,
            proposed: &proposed,
            base: self.past.base(),
            steps,
            kinds: &context.kinds,
            request: &context.request,
            attempt: self.attempts,
        };
        let patience = self.deadline.left();
        tokio::time::timeout(patience, self.handler.resolve(&conflict, patience))
            .await
            .unwrap_or(Err(Fault::TooSlow(HANDLER_BUDGET)))
    }

    /// What the user's code wants stored must be a record of this model, and something this caller may do.
    fn examined(&self, stored: &Record, mut resolution: Resolution) -> Result<Resolution, Fault> {
        if !self.is_external() {
            return Ok(resolution);
        }
        let permit = self.permit;
        match &mut resolution.decision {
            Decision::Replace(fields) => {
                self.keep_times(stored, fields);
                let (schema, model) = (&permit.engine().schema, permit.model());
                let whole = document::replaced(model, &stored.fields, fields.clone());
                validity::check_document(schema, model, &stored.fields, &whole)
                    .map_err(|fault| Fault::Malformed(fault.message))?;
                permit
                    .may_update(&self.made(stored, &whole), Some(stored))
                    .map_err(|refusal| forbidden(&refusal.message))?;
            }
            Decision::Remove if matches!(self.request.intent, Intent::Update(_)) => {
                permit
                    .may_delete(Some(stored))
                    .map_err(|refusal| forbidden(&refusal.message))?;
            }
            _ => {}
        }
        Ok(resolution)
    }

    /// What the user's code changes beyond what the client asked for, as if the client had sent it: a handler must not
    /// hand a record over to somebody, or set a field, where its caller may not (`resolvers` 5).
    fn made(&self, stored: &Record, whole: &Fields) -> Fields {
        let times = &self.permit.model().timestamps;
        let times = [times.created.as_deref(), times.updated.as_deref()];
        let differs = |name: &String| whole.get(name) != stored.fields.get(name);
        let mut made = self.request.input.clone();
        for name in whole.keys().chain(stored.fields.keys()) {
            if differs(name) && !times.contains(&Some(name)) {
                let value = whole.get(name).cloned().unwrap_or(Value::Null);
                made.insert(name.clone(), value);
            }
        }
        made
    }

    /// A handler need not know of the times that the server keeps.
    fn keep_times(&self, stored: &Record, fields: &mut Fields) {
        let times = &self.permit.model().timestamps;
        for name in [&times.created, &times.updated].into_iter().flatten() {
            let sent = match &self.request.intent {
                Intent::Update(change) => change.fields.get(name),
                Intent::Delete(_) => None,
            };
            if let Some(value) = sent.or_else(|| stored.fields.get(name))
                && !fields.contains_key(name)
            {
                fields.insert(name.clone(), value.clone());
            }
        }
    }

    fn note(&mut self, stored: &Record, steps: Vec<Step>, resolution: &Result<Resolution, Fault>) {
        let Some(context) = &self.context else { return };
        if !self.permit.engine().journal.is_read() {
            return;
        }
        let (permit, request) = (self.permit, self.request);
        let (outcome, reason, verdicts) = match resolution {
            Ok(Resolution { decision, verdicts }) => {
                let reason = match decision {
                    Decision::Reject(words) => words.message.clone(),
                    Decision::Fail(error) => Some(error.message.clone()),
                    _ => None,
                };
                (decision.name(), reason, verdicts.clone())
            }
            Err(fault) => ("fault", Some(fault.to_string()), Vec::new()),
        };
        let incoming = match &request.intent {
            Intent::Update(change) => change.fields.clone(),
            Intent::Delete(_) => Fields::new(),
        };
        self.noted = Some(Recorded {
            model: permit.model().name.clone(),
            operation: operation(&request.intent),
            key: request.key.0.clone(),
            at: permit.engine().clock.now(),
            actor: Some(permit.identity().actor()),
            strategy: self.handler.name().to_owned(),
            outcome: outcome.to_owned(),
            reason,
            attempts: self.attempts,
            client_version: request.base(),
            base: self.past.base().cloned(),
            steps,
            stored: stored.clone(),
            incoming,
            result: None,
            verdicts,
            field: context.request.field.clone(),
            arguments: context.request.arguments.clone(),
            identity: context.request.identity.clone(),
            types: context.request.types.clone(),
            key_fields: context.request.key.clone(),
            stamps: context.request.stamps.clone(),
        });
    }

    /// Hands the last conflict to the journal: what was written, or the word for why nothing was.
    pub(super) fn conclude(&mut self, outcome: Result<Option<&Record>, &Refusal>) {
        let Some(mut noted) = self.noted.take() else {
            return;
        };
        match outcome {
            Ok(result) => noted.result = result.cloned(),
            Err(Refusal::Condition) => "condition".clone_into(&mut noted.outcome),
            Err(Refusal::MaxConflicts) => "max_conflicts".clone_into(&mut noted.outcome),
            Err(_) => {}
        }
        noted.attempts = self.attempts;
        self.permit.engine().journal.note(noted);
    }
}

impl Context {
    fn of(permit: &WritePermit<'_>, request: &Request) -> Context {
        let (engine, model) = (permit.engine(), permit.model());
        let types = model.stored_fields();
        Context {
            kinds: document::kinds(&engine.schema, model),
            request: handlers::Request {
                field: request.field.clone(),
                key: model.key.fields().map(str::to_owned).collect(),
                arguments: request
                    .arguments
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value): (&String, &Value)| (name.clone(), value.clone()))
                    .collect(),
                identity: principal::appsync(permit.identity(), &engine.settings.authz),
                device: permit.identity().device(),
                types: types
                    .map(|field| (field.name.clone(), validity::stored_type(&field.ty)))
                    .collect(),
                stamps: request.stamps.clone(),
                max_attempts: engine.settings.max_conflicts,
            },
            nothing: handlers::Change {
                fields: Fields::new(),
                base: request.base(),
            },
        }
    }
}

fn forbidden(reason: &str) -> Fault {
    Fault::Malformed(format!("the caller may not do that: {reason}"))
}

fn operation(intent: &Intent) -> handlers::Operation {
    match intent {
        Intent::Update(_) => handlers::Operation::Update,
        Intent::Delete(_) => handlers::Operation::Delete,
    }
}
