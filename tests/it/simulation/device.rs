//! A device: a replica, a queue of edits, at most one request for each of them, and what it has been sent.

use std::collections::{BTreeMap, HashMap, VecDeque};

use driftless_client_test_harness::document::{self, Operation};
use driftless_client_test_harness::engine::Traits;
use driftless_client_test_harness::engine::exchange::{self, Reply};
use driftless_client_test_harness::family::{Family, MergeRule};
use driftless_client_test_harness::frames::FrameLog;
use driftless_client_test_harness::http::{Answer, GraphqlError};
use driftless_client_test_harness::ledger::{Ledger, Outcome};
use driftless_client_test_harness::local_store::LocalStore;
use driftless_client_test_harness::oracle::Strategy;
use driftless_client_test_harness::outbox::{HandOver, Mutation, Outbox};
use driftless_client_test_harness::realtime::Topic;
use driftless_client_test_harness::record::{self, Fields, Record, RecordId};
use driftless_client_test_harness::schema::{Model, Schema};
use serde_json::{Map, Value};

/// JavaScript gives up on a conflict after this many attempts.
const CONFLICT_TRIES: u32 = 10;

/// How far a device has come with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Offline,
    /// Fetching what it missed; events wait.
    Syncing,
    Online,
}

/// A sync on its way.
struct Sync {
    /// Which model is being fetched.
    model: usize,
    token: Value,
    items: Vec<(RecordId, Record)>,
}

/// One device of a family.
pub(super) struct Device {
    pub(super) traits: Traits,
    pub(super) store: LocalStore,
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    pub(super) wants_online: bool,
    /// Whether events are sent to it.
    pub(super) is_subscribed: bool,
    /// It never subscribes: deltas must bring it everything.
    pub(super) is_deaf: bool,
    pub(super) is_sending: bool,
    /// Whether the next answer gets lost.
    pub(super) loses_answer: bool,
    /// Frames on their way to it.
    pub(super) inbox: VecDeque<(Topic, String)>,
    /// How far its clock is off, in milliseconds.
    skew: i64,
    frames: FrameLog,
    sync: Option<Sync>,
    entry: Option<usize>,
    conflicts: u32,
    synced: HashMap<String, u64>,
    resume: HashMap<String, u64>,
    pub(super) problems: Vec<String>,
}

impl Device {
    pub(super) fn new(traits: Traits, skew: i64) -> Self {
        let rule = traits.family.merge_rule();
        let hand_over = match rule {
            MergeRule::Blind => HandOver::IfEchoed,
            MergeRule::VersionGate => HandOver::Always,
        };
        Device {
            store: LocalStore::new(rule),
            outbox: Outbox::new(hand_over),
            phase: Phase::Offline,
            wants_online: false,
            is_subscribed: false,
            is_deaf: false,
            is_sending: false,
            loses_answer: false,
            inbox: VecDeque::new(),
            skew: if traits.family.remembers_own_clock() {
                skew
            } else {
                0
            },
            frames: FrameLog::new(true),
            sync: None,
            entry: None,
            conflicts: 0,
            synced: HashMap::new(),
            resume: HashMap::new(),
            problems: Vec::new(),
            traits,
        }
    }

    /// One that hears no events.
    pub(super) fn deaf() -> Self {
        let traits = Traits {
            name: "deaf".to_owned(),
            family: Family::Datastore,
            insists: false,
            page: 2,
            clock_ahead: 0,
            away: 0,
        };
        Device {
            is_deaf: true,
            wants_online: true,
            ..Device::new(traits, 0)
        }
    }

    fn complain(&mut self, problem: &str) {
        self.problems
            .push(format!("{}: {problem}", self.traits.name));
    }

    pub(super) fn create(&mut self, model: &Model, fields: Fields) {
        if let Some(id) = RecordId::of(model, &fields) {
            self.store.edit(&id, &fields);
            self.enqueue(id, Operation::Create, fields);
        }
    }

    pub(super) fn update(&mut self, model: &Model, id: &RecordId, changes: &Fields) {
        self.store.edit(id, changes);
        let mut input = id.key_fields(model);
        if self.traits.family.sends_whole_model() {
            for field in model.editable() {
                let value = self
                    .store
                    .row(id)
                    .and_then(|row| row.get(&field.name))
                    .cloned();
                input.insert(field.name.clone(), value.unwrap_or(Value::Null));
            }
        } else {
            input.extend(changes.clone());
        }
        self.enqueue(id.clone(), Operation::Update, input);
    }

    pub(super) fn delete(&mut self, model: &Model, id: &RecordId) {
        if self.store.row(id).is_some() {
            self.enqueue(id.clone(), Operation::Delete, id.key_fields(model));
            self.store.remove(id);
        }
    }

    fn enqueue(&mut self, id: RecordId, operation: Operation, input: Fields) {
        let version = match operation {
            Operation::Create => None,
            Operation::Update | Operation::Delete => self.store.version(&id),
        };
        self.outbox.enqueue(Mutation {
            id,
            operation,
            input,
            version,
        });
    }

    /// The connection is gone, and with it everything on the way.
    pub(super) fn disconnect(&mut self) {
        let was = std::mem::replace(&mut self.phase, Phase::Offline);
        self.is_subscribed = false;
        self.is_sending = false;
        self.inbox.clear();
        self.sync = None;
        // Without versions an event older than the last sync may have been taken after it.
        if was != Phase::Offline && self.traits.family.merge_rule() == MergeRule::Blind {
            self.synced = std::mem::take(&mut self.resume);
        }
    }

    /// Begins to fetch what it missed.
    pub(super) fn begin_sync(&mut self, connecting: bool) {
        if connecting {
            self.resume = self.synced.clone();
            self.frames = FrameLog::new(self.traits.family.gets_repeated_frames());
        }
        self.phase = Phase::Syncing;
        self.sync = Some(Sync {
            model: 0,
            token: Value::Null,
            items: Vec::new(),
        });
    }

    /// The next page to ask for.
    pub(super) fn page(&self, schema: &Schema) -> Option<(String, Map<String, Value>)> {
        let sync = self.sync.as_ref()?;
        let model = &schema.models[sync.model];
        let zero = self.traits.family.sends_zero_last_sync().then_some(0);
        let last_sync = self.synced.get(&model.name).copied().or(zero);
        let mut variables = Map::new();
        variables.insert("limit".to_owned(), self.traits.page.into());
        variables.insert("nextToken".to_owned(), sync.token.clone());
        if let Some(last_sync) = last_sync {
            variables.insert("lastSync".to_owned(), last_sync.into());
        }
        Some((document::sync(model), variables))
    }

    /// Takes a page; answers whether the whole sync is done.
    pub(super) fn take_page(&mut self, schema: &Schema, answer: &Answer, now: i64) -> bool {
        let Some(mut sync) = self.sync.take() else {
            return false;
        };
        let model = &schema.models[sync.model];
        let page = &answer.data[document::sync_field(model)];
        if !answer.errors.is_empty() || !page["items"].is_array() {
            self.complain(&format!("a page of {} is {answer:?}", model.name));
            return true;
        }
        for item in page["items"].as_array().into_iter().flatten() {
            match record::read(model, item) {
                Ok(item) => sync.items.push(item),
                Err(problem) => self.complain(&problem),
            }
        }
        sync.token = page["nextToken"].clone();
        if !sync.token.is_null() {
            self.sync = Some(sync);
            return false;
        }
        self.finish_model(model, &sync.items, page["startedAt"].as_u64(), now);
        if sync.model + 1 == schema.models.len() {
            return true;
        }
        self.sync = Some(Sync {
            model: sync.model + 1,
            token: Value::Null,
            items: Vec::new(),
        });
        false
    }

    fn finish_model(
        &mut self,
        model: &Model,
        items: &[(RecordId, Record)],
        started_at: Option<u64>,
        now: i64,
    ) {
        let mut newest: BTreeMap<&RecordId, u64> = BTreeMap::new();
        for (id, record) in items {
            if newest
                .insert(id, record.version)
                .is_some_and(|before| before > record.version)
            {
                let problem = format!("{id} goes back to {} within a sync", record.version);
                self.problems.push(problem);
            }
            if !self.outbox.holds(id) {
                self.store.merge(id, record);
            }
        }
        let own = u64::try_from(now + self.skew).unwrap_or_default();
        match started_at {
            Some(time) if time > now.unsigned_abs() => {
                self.complain(&format!("{time} is ahead of {now}"));
            }
            Some(_) if self.traits.family.remembers_own_clock() => {
                self.synced.insert(model.name.clone(), own);
            }
            Some(time) => {
                self.synced.insert(model.name.clone(), time);
            }
            None => self.complain("a page without startedAt"),
        }
    }

    /// Takes the next frame.
    pub(super) fn take_frame(&mut self, schema: &Schema) {
        let Some((topic, payload)) = self.inbox.pop_front() else {
            return;
        };
        let Some(model) = schema.model(&topic.model) else {
            return;
        };
        let payload: Value = serde_json::from_str(&payload).expect("a frame is JSON");
        let item = &payload["data"][topic.operation.subscription_field(model)];
        match record::read(model, item) {
            Err(problem) => self.complain(&format!("event: {problem}")),
            Ok((id, record)) => {
                if let Err(problem) = self.frames.note(&topic, &id, &record) {
                    self.complain(&problem);
                }
                if !self.outbox.holds(&id) {
                    self.store.merge(&id, &record);
                }
            }
        }
    }

    /// The next mutation to send.
    pub(super) fn send(
        &mut self,
        schema: &Schema,
        ledger: &Ledger,
    ) -> Option<(String, Map<String, Value>)> {
        let mutation = self.outbox.begin()?;
        let model = schema.model(&mutation.id.model)?;
        let name = &self.traits.name;
        let entry = *self
            .entry
            .get_or_insert_with(|| ledger.open(name, mutation));
        ledger.attempt(entry);
        Some(exchange::request(model, mutation))
    }

    /// Takes the answer to the mutation it sent.
    pub(super) fn take_answer(
        &mut self,
        schema: &Schema,
        ledger: &Ledger,
        strategy: Strategy,
        answer: Answer,
    ) {
        let (Some(head), Some(entry)) = (self.outbox.begin().cloned(), self.entry) else {
            return;
        };
        let Some(model) = schema.model(&head.id.model) else {
            return;
        };
        match exchange::reply(model, &head, answer) {
            Reply::Done(record) => {
                self.settle(Some(&record));
                if !self.outbox.holds(&head.id) {
                    self.store.merge(&head.id, &record);
                }
                ledger.close(entry, Outcome::Acknowledged(record));
            }
            Reply::Refused(error) => self.take_refusal(model, ledger, strategy, &head, &error),
            Reply::Wrong(why) => {
                self.complain(&format!("{:?} of {}: {why}", head.operation, head.id));
                self.settle(None);
            }
        }
    }

    fn take_refusal(
        &mut self,
        model: &Model,
        ledger: &Ledger,
        strategy: Strategy,
        head: &Mutation,
        error: &GraphqlError,
    ) {
        let entry = self.entry.expect("an answer belongs to an entry");
        let kind = error.error_type.clone().unwrap_or_default();
        let stored = match record::read(model, &error.data) {
            Ok((id, stored)) if id == head.id => stored,
            other => {
                self.complain(&format!(
                    "{:?} of {} is refused with {error:?}: {other:?}",
                    head.operation, head.id
                ));
                return self.settle(None);
            }
        };
        let conflict = kind == "ConflictUnhandled";
        let expected = match head.operation {
            Operation::Create => stored.deleted && ledger.attempts(entry) > 1,
            Operation::Update => conflict && strategy == Strategy::Optimistic,
            Operation::Delete => conflict,
        };
        if !expected {
            self.complain(&format!(
                "{:?} of {} is refused with {kind}: {stored:?}",
                head.operation, head.id
            ));
        }
        ledger.close(entry, Outcome::Rejected(kind));
        self.entry = None;
        self.conflicts += 1;
        if self.traits.insists && !stored.deleted && self.conflicts < CONFLICT_TRIES {
            self.outbox.retry_with(stored.version);
            return;
        }
        self.settle(None);
        if !self.outbox.holds(&head.id) {
            self.store.put(&head.id, &stored);
        }
    }

    fn settle(&mut self, answer: Option<&Record>) {
        self.outbox.settle(answer);
        self.entry = None;
        self.conflicts = 0;
    }
}
