//! A sync server just large enough to be right, and to be wrong in one chosen way.

mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use driftless_client_test_harness::{
    document::{Operation, sync_field},
    http::Target,
    oracle::{Strategy, outcomes},
    outbox::Mutation,
    record::{Fields, Record, RecordId},
    scenario::Stage,
    schema::{Model, Schema},
    sync::now_ms,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The one thing a stub does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    Nothing,
    AcknowledgesWithoutStoring,
    OverwritesInsteadOfMerging,
    RepeatsResentUpdates,
    LosesAnEvent,
    DoublesAnEvent,
    SwapsEvents,
    LeavesTombstonesOutOfDeltas,
    StartsTooLate,
    LosesAPage,
    PublishesRefusedWrites,
    /// A backup that is put back lacks a record.
    LosesWhatWasBackedUp,
    /// After a backup was put back, versions go on from where it ends.
    CountsOnAfterARestore,
    /// After a backup was put back, nobody is shown that everything is new.
    HidesARestoreFromDeltas,
    /// Sockets stay open when a backup is put back, and hear no more.
    ForgetsSubscribersAtARestore,
}

/// The stub's data and subscribers.
pub(crate) struct Stub {
    schema: Schema,
    strategy: Strategy,
    bug: Bug,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: u64,
    writes: u64,
    rows: BTreeMap<RecordId, Record>,
    backup: BTreeMap<RecordId, Record>,
    requests: BTreeMap<(RecordId, u64), Mutation>,
    subscribers: Vec<(String, String, mpsc::UnboundedSender<Value>)>,
    held: Option<(RecordId, String, Value)>,
}

/// Starts a stub on a free port.
pub(crate) async fn start(strategy: Strategy, bug: Bug) -> Stage {
    start_with_backups(strategy, bug).await.0
}

/// Starts a stub that takes backups and puts them back.
pub(crate) async fn start_with_backups(strategy: Strategy, bug: Bug) -> (Stage, Arc<Stub>) {
    let stub = Arc::new(Stub {
        schema: Schema::whitepaper(),
        strategy,
        bug,
        state: Mutex::default(),
    });
    let address = wire::serve(Arc::clone(&stub)).await;
    let target = Target::new(&format!("http://{address}/graphql"), "key", None).unwrap();
    let mut stage = Stage::new(target, Schema::whitepaper(), strategy);
    stage.patience = Duration::from_secs(2);
    (stage, stub)
}

impl Stub {
    /// Keeps a copy of everything.
    pub(crate) fn back_up(&self) {
        let mut state = self.state.lock().unwrap();
        state.backup = state.rows.clone();
    }

    /// Puts the copy back, as a new history: greater versions, new times, no subscribers.
    pub(crate) fn restore(&self) {
        let mut state = self.state.lock().unwrap();
        state.rows = state.backup.clone();
        state.requests.clear();
        state.head = now_ms().max(state.head) + 1;
        if self.bug == Bug::LosesWhatWasBackedUp {
            state.rows.pop_first();
        }
        let head = state.head;
        for record in state.rows.values_mut() {
            if self.bug != Bug::CountsOnAfterARestore {
                record.version += 1_000_000;
            }
            if self.bug != Bug::HidesARestoreFromDeltas {
                record.last_changed = head;
            }
        }
        for (_, _, sender) in std::mem::take(&mut state.subscribers) {
            if self.bug != Bug::ForgetsSubscribersAtARestore {
                let _ = sender.send(wire::CLOSE);
            }
        }
    }

    fn subscribe(&self, field: &str, id: &str, sender: &mpsc::UnboundedSender<Value>) {
        let mut state = self.state.lock().unwrap();
        state
            .subscribers
            .push((field.into(), id.into(), sender.clone()));
    }

    /// Answers the operation whose root field is named.
    fn answer(&self, field: &str, variables: &Value) -> Value {
        for model in &self.schema.models {
            if field == sync_field(model) {
                return json!({"data": {field: self.sync(model, variables)}});
            }
            if field == format!("get{}", model.name) {
                let id = RecordId {
                    model: model.name.clone(),
                    key: vec![variables["id"].as_str().unwrap().into()],
                };
                let state = self.state.lock().unwrap();
                let item = state.rows.get(&id).map(|record| item(model, record));
                return json!({"data": {field: item}});
            }
            for operation in Operation::ALL {
                if field == operation.mutation_field(model) {
                    return self.mutate(model, operation, field, &variables["input"]);
                }
            }
        }
        panic!("unknown field {field}");
    }

    fn mutate(&self, model: &Model, operation: Operation, field: &str, input: &Value) -> Value {
        let mut input = input.as_object().unwrap().clone();
        let version = input
            .remove("_version")
            .and_then(|version| version.as_u64());
        let id = RecordId::of(model, &input).unwrap();
        let mutation = Mutation {
            id: id.clone(),
            operation,
            input,
            version,
        };
        let mut state = self.state.lock().unwrap();
        let before = state.rows.get(&id).cloned();
        let repeated =
            state.requests.get(&(id.clone(), version.unwrap_or(0) + 1)) == Some(&mutation);
        if let Some(before) = &before
            && repeated
            && (self.bug != Bug::RepeatsResentUpdates || operation != Operation::Update)
        {
            return json!({"data": {field: item(model, before)}});
        }
        let strategy = self.strategy;
        let outcome = outcomes(model, &mutation, before.as_ref(), strategy)
            .into_iter()
            .next();
        let Some(outcome) =
            outcome.or_else(|| self.repeat(model, &mutation, before.as_ref(), repeated))
        else {
            // A record whose create was acknowledged and lost.
            let Some(before) = before else {
                return json!({"data": {field: null}, "errors": [{"path": [field], "data": null,
                    "errorType": "ConditionalCheckFailedException", "errorInfo": null, "message": "No existing item."}]});
            };
            if self.bug == Bug::PublishesRefusedWrites {
                let after = state.commit(model, &mutation, (before.fields.clone(), true));
                state.publish(self.bug, model, operation, &id, &after);
            }
            return json!({"data": {field: null}, "errors": [{"path": [field], "data": item(model, &before),
                "errorType": "ConflictUnhandled", "errorInfo": null, "message": "Conflict resolver rejects mutation."}]});
        };
        let outcome = match (self.bug, operation) {
            (Bug::OverwritesInsteadOfMerging, Operation::Update) => overwritten(&mutation, outcome),
            _ => outcome,
        };
        state.writes += 1;
        if self.bug == Bug::AcknowledgesWithoutStoring && state.writes.is_multiple_of(20) {
            let mut lost = state.record(&id, outcome);
            lost.version = before.map_or(1, |before| before.version + 1);
            return json!({"data": {field: item(model, &lost)}});
        }
        let after = state.commit(model, &mutation, outcome);
        state.publish(self.bug, model, operation, &id, &after);
        json!({"data": {field: item(model, &after)}})
    }

    /// A server that forgets what it has already done merges the same request again.
    fn repeat(
        &self,
        model: &Model,
        mutation: &Mutation,
        before: Option<&Record>,
        repeated: bool,
    ) -> Option<(Fields, bool)> {
        let wrong = self.bug == Bug::RepeatsResentUpdates && repeated;
        let again = wrong.then(|| outcomes(model, mutation, before, Strategy::Automerge));
        again?.into_iter().next()
    }

    fn sync(&self, model: &Model, variables: &Value) -> Value {
        let state = self.state.lock().unwrap();
        let now = now_ms().max(state.head);
        let token = variables["nextToken"].as_str().map(|token| {
            let (started_at, after) = token.split_once(' ').unwrap();
            (
                started_at.parse::<u64>().unwrap(),
                after.parse::<usize>().unwrap(),
            )
        });
        let late = if self.bug == Bug::StartsTooLate {
            500
        } else {
            0
        };
        let (started_at, skipped) = token.unwrap_or((now - 1 + late, 0));
        let since = variables["lastSync"].as_u64().unwrap_or(0);
        let limit = usize::try_from(variables["limit"].as_u64().unwrap()).unwrap();
        let leave_out = self.bug == Bug::LeavesTombstonesOutOfDeltas && since > 0;
        let wanted: Vec<_> = state
            .rows
            .iter()
            .filter(|(id, record)| id.model == model.name && record.last_changed > since)
            .filter(|(_, record)| !(leave_out && record.deleted))
            .collect();
        let items: Vec<_> = wanted
            .iter()
            .skip(skipped)
            .take(limit)
            .map(|(_, record)| item(model, record))
            .collect();
        let next = skipped + limit;
        let more = next < wanted.len() && self.bug != Bug::LosesAPage;
        let token = more.then(|| format!("{started_at} {next}"));
        json!({"items": items, "nextToken": token, "startedAt": started_at})
    }
}

impl State {
    fn record(&self, id: &RecordId, (fields, deleted): (Fields, bool)) -> Record {
        let version = self.rows.get(id).map_or(0, |record| record.version);
        Record {
            fields,
            version: version + 1,
            last_changed: now_ms().max(self.head),
            deleted,
        }
    }

    fn commit(&mut self, _: &Model, mutation: &Mutation, outcome: (Fields, bool)) -> Record {
        let record = self.record(&mutation.id, outcome);
        self.head = record.last_changed;
        let key = (mutation.id.clone(), record.version);
        self.requests.insert(key, mutation.clone());
        self.rows.insert(mutation.id.clone(), record.clone());
        record
    }

    fn publish(
        &mut self,
        bug: Bug,
        model: &Model,
        operation: Operation,
        id: &RecordId,
        record: &Record,
    ) {
        let field = operation.subscription_field(model);
        let event = item(model, record);
        let odd = self.writes % 20 == 7;
        match bug {
            Bug::LosesAnEvent if odd => return,
            Bug::DoublesAnEvent if odd => self.send(&field, &event),
            Bug::SwapsEvents => {
                if let Some((held, field, event)) = self.held.take() {
                    let same = held == *id;
                    if same {
                        self.send(&operation.subscription_field(model), &item(model, record));
                    }
                    self.send(&field, &event);
                    if same {
                        return;
                    }
                }
                if odd {
                    self.held = Some((id.clone(), field, event));
                    return;
                }
            }
            _ => {}
        }
        self.send(&field, &event);
    }

    fn send(&mut self, field: &str, event: &Value) {
        self.subscribers.retain(|(wanted, id, sender)| {
            let frame = json!({"id": id, "type": "data", "payload": {"data": {field: event}}});
            *wanted != field || sender.send(frame).is_ok()
        });
    }
}

fn overwritten(mutation: &Mutation, (mut fields, deleted): (Fields, bool)) -> (Fields, bool) {
    let sent = mutation.input.iter().filter(|(_, value)| !value.is_null());
    fields.extend(sent.map(|(name, value)| (name.clone(), value.clone())));
    (fields, deleted)
}

/// The record with every selected field present.
fn item(model: &Model, record: &Record) -> Value {
    let mut item = json!({"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
        "_version": record.version, "_lastChangedAt": record.last_changed,
        "_deleted": record.deleted.then_some(true)});
    for field in &model.fields {
        item[&field.name] = record.get(&field.name).clone();
    }
    if let Some(place) = item.get_mut("place").filter(|place| place.is_object()) {
        for name in ["country", "lines"] {
            place[name] = place[name].take();
        }
    }
    for parent in &model.parents {
        let key = record.get(&parent.foreign_key);
        item[&parent.field] = match key {
            Value::Null => Value::Null,
            key => json!({&parent.key: key, "_deleted": null}),
        };
    }
    item
}
