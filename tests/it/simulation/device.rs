//! A device: a replica, a queue of edits, at most one request for each of them, and what it has been sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use driftless_client_test_harness::document::{self, Operation};
use driftless_client_test_harness::engine::Traits;
use driftless_client_test_harness::engine::exchange::{self, Reply};
use driftless_client_test_harness::family::{Family as ClientFamily, MergeRule};
use driftless_client_test_harness::frames::FrameLog;
use driftless_client_test_harness::http::{Answer, GraphqlError};
use driftless_client_test_harness::ledger::{Ledger, Outcome};
use driftless_client_test_harness::local_store::LocalStore;
use driftless_client_test_harness::outbox::{HandOver, Mutation, Outbox};
use driftless_client_test_harness::record::{self, Fields, Record, RecordId};
use driftless_client_test_harness::schema::{Model, Schema};
use driftless_resolvers::api::Request;
use driftless_resolvers::identity::{Caller, Family, Identity, TokenIdentity};
use serde_json::{Map, Value, json};

use super::node::Socket;
use super::selection;

/// JavaScript gives up on a conflict after this many attempts.
const CONFLICT_TRIES: u32 = 10;
/// How long, in milliseconds, a mutation of DataStore in JavaScript may be under way so that the record is certainly told
/// again after its answer, and how long its first page may be old when it subscribes.
const REPAIRED: [i64; 2] = [8_000, 25_000];

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

/// Who somebody is for the server.
#[derive(Debug, Clone)]
pub(super) enum Person {
    /// All devices share one key, as those of one application do.
    Anybody,
    /// One of those who have records of their own, by number, with the number of the device they signed in on.
    User(usize, usize),
}

/// What a refusal may be, in the circumstances.
pub(super) struct Tolerance<'a> {
    pub(super) stale_updates: bool,
    pub(super) stale_deletes: bool,
    /// Creates that were sent twice, or for the second time under their id.
    pub(super) repeated_creates: bool,
    pub(super) creates_over_tombstones: bool,
    /// Records that a restore took away.
    pub(super) lost: &'a BTreeSet<RecordId>,
}

/// One device of a family.
pub(super) struct Device {
    pub(super) traits: Traits,
    pub(super) person: Person,
    pub(super) store: LocalStore,
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    pub(super) wants_online: bool,
    pub(super) socket: Option<Socket>,
    /// It never subscribes: deltas must bring it everything.
    pub(super) is_deaf: bool,
    /// It keeps only the records that match.
    pub(super) selects: bool,
    /// It runs Flutter, which is the native client with another name.
    pub(super) is_flutter: bool,
    /// Whether the next answer gets lost.
    pub(super) loses_answer: bool,
    /// Events and pages that it did not take because of edits of its own, by record.
    pub(super) discarded: BTreeSet<RecordId>,
    /// Records that it has kept as its user left them, although their write was refused or never sent: native clients take
    /// over the server's record at a conflict only. What is told of them next goes over it.
    pub(super) stranded: BTreeSet<RecordId>,
    /// It has taken longer than the time for which the server repairs what DataStore in JavaScript misses.
    pub(super) is_late: bool,
    /// How far its clock is off, in milliseconds.
    skew: i64,
    frames: FrameLog,
    sync: Option<Sync>,
    busy_since: i64,
    entry: Option<usize>,
    conflicts: u32,
    synced: HashMap<String, u64>,
    resume: HashMap<String, u64>,
    pub(super) problems: Vec<String>,
}

impl Device {
    pub(super) fn new(traits: Traits, skew: i64) -> Self {
        let rule = traits.family.merge_rule();
        Device {
            person: Person::Anybody,
            store: LocalStore::new(rule),
            outbox: Outbox::new(hand_over(rule)),
            phase: Phase::Offline,
            wants_online: false,
            socket: None,
            is_deaf: false,
            selects: false,
            is_flutter: false,
            loses_answer: false,
            discarded: BTreeSet::new(),
            stranded: BTreeSet::new(),
            is_late: false,
            skew: if traits.family.remembers_own_clock() {
                skew
            } else {
                0
            },
            frames: FrameLog::new(true),
            sync: None,
            busy_since: 0,
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
            family: ClientFamily::Datastore,
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

    /// Forgets everything, as by `DataStore.clear()`.
    pub(super) fn clear(&mut self) {
        self.disconnect();
        let rule = self.traits.family.merge_rule();
        self.store = LocalStore::new(rule);
        self.outbox = Outbox::new(hand_over(rule));
        self.discarded.clear();
        self.stranded.clear();
        self.synced.clear();
        self.resume.clear();
        self.entry = None;
        self.conflicts = 0;
    }

    /// How it presents itself to the server.
    pub(super) fn caller(&self) -> Caller {
        let family = match self.traits.family {
            _ if self.is_flutter => Family::Flutter,
            ClientFamily::Js | ClientFamily::Datastore => Family::JavaScript,
            ClientFamily::Swift => Family::Swift,
            ClientFamily::Android => Family::Android,
        };
        Caller {
            family,
            datastore: self.traits.family == ClientFamily::Datastore,
            ..self.person.caller()
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
            // A create that was not answered goes with its deletion, unsent. What was told of it meanwhile was not taken and
            // is not told again.
            if !self.outbox.holds(id) && self.discarded.contains(id) {
                self.stranded.insert(id.clone());
            }
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
        self.socket = None;
        self.sync = None;
        // Without versions an event older than the last sync may have been taken after it.
        if was != Phase::Offline && self.traits.family.merge_rule() == MergeRule::Blind {
            self.synced = std::mem::take(&mut self.resume);
        }
    }

    /// Begins to fetch what it missed.
    pub(super) fn begin_sync(&mut self, connecting: bool, now: i64) {
        if connecting {
            self.resume = self.synced.clone();
            self.frames = FrameLog::new(self.traits.family.gets_repeated_frames());
            self.busy_since = now;
        }
        self.phase = Phase::Syncing;
        self.sync = Some(Sync {
            model: 0,
            token: Value::Null,
            items: Vec::new(),
        });
    }

    /// Its events come from here on.
    pub(super) fn listen(&mut self, socket: Socket, now: i64) {
        self.socket = Some(socket);
        self.is_late |= now - self.busy_since > REPAIRED[1];
    }

    /// The next page to ask for.
    pub(super) fn page(&self, schema: &Schema) -> Option<Request> {
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
        if let Some(filter) = selection::filter(model).filter(|_| self.selects) {
            variables.insert("filter".to_owned(), filter);
        }
        Some(request(document::sync(model), variables))
    }

    /// What to subscribe to for a model's events. DataStore in JavaScript lets the server choose the records that it
    /// keeps, the others choose themselves.
    pub(super) fn subscription(&self, operation: Operation, model: &Model) -> Request {
        let text = document::subscription(operation, model);
        let chooses = self.selects && self.traits.family == ClientFamily::Datastore;
        match selection::filter(model).filter(|_| chooses) {
            Some(filter) => {
                let variables = Map::from_iter([("filter".to_owned(), filter)]);
                request(selection::filtered(&text, operation, model), variables)
            }
            None => request(text, Map::new()),
        }
    }

    /// Whether it keeps a record like this one.
    pub(super) fn keeps(&self, model: &Model, record: &Record) -> bool {
        !self.selects || selection::matches(model, record)
    }

    /// Takes a page; answers whether the whole sync is done.
    ///
    /// `newest` is the latest time that the server can have told by now, `now` the time of this device.
    pub(super) fn take_page(
        &mut self,
        schema: &Schema,
        answer: &Answer,
        now: i64,
        newest: i64,
    ) -> bool {
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
        self.merge_items(&sync.items);
        match page["startedAt"].as_u64() {
            Some(time) if time > newest.unsigned_abs() => {
                self.complain(&format!("{time} is ahead of {newest}"));
            }
            Some(_) if self.traits.family.remembers_own_clock() => {
                let own = u64::try_from(now + self.skew).unwrap_or_default();
                self.synced.insert(model.name.clone(), own);
            }
            Some(time) => {
                self.synced.insert(model.name.clone(), time);
            }
            None => self.complain("a page without startedAt"),
        }
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

    fn merge_items(&mut self, items: &[(RecordId, Record)]) {
        let mut newest: BTreeMap<&RecordId, u64> = BTreeMap::new();
        for (id, record) in items {
            if newest
                .insert(id, record.version)
                .is_some_and(|before| before > record.version)
            {
                let problem = format!("{id} goes back to {} within a sync", record.version);
                self.complain(&problem);
            }
            self.take(id, record);
        }
    }

    /// Takes a record that it was told, unless an edit of its own waits.
    fn take(&mut self, id: &RecordId, record: &Record) {
        if self.outbox.holds(id) {
            self.discarded.insert(id.clone());
        } else {
            self.discarded.remove(id);
            if self.store.merge(id, record) {
                self.stranded.remove(id);
            }
        }
    }

    /// Takes the next frame.
    pub(super) fn take_frame(&mut self, schema: &Schema) {
        let Some((topic, payload)) = self.socket.as_mut().and_then(Socket::next) else {
            return;
        };
        let model = schema.model(&topic.model).expect("a model of the schema");
        let payload: Value = serde_json::from_str(&payload).expect("a frame is JSON");
        let item = &payload["data"][topic.operation.subscription_field(model)];
        match record::read(model, item) {
            Err(problem) => self.complain(&format!("event: {problem}")),
            Ok((id, record)) => {
                if let Err(problem) = self.frames.note(&topic, &id, &record) {
                    self.complain(&problem);
                }
                if self.keeps(model, &record) {
                    self.take(&id, &record);
                }
            }
        }
    }

    /// The next mutation to send.
    pub(super) fn send(&mut self, schema: &Schema, ledger: &Ledger, now: i64) -> Option<Request> {
        self.busy_since = now;
        let mutation = self.outbox.begin()?;
        let model = schema.model(&mutation.id.model)?;
        let name = &self.traits.name;
        let entry = *self
            .entry
            .get_or_insert_with(|| ledger.open(name, mutation));
        ledger.attempt(entry);
        let (text, variables) = exchange::request(model, mutation);
        Some(request(text, variables))
    }

    /// Takes the answer to the mutation it sent.
    pub(super) fn take_answer(
        &mut self,
        schema: &Schema,
        ledger: &Ledger,
        tolerance: &Tolerance<'_>,
        answer: Answer,
        now: i64,
    ) {
        self.is_late |= now - self.busy_since > REPAIRED[0];
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
            Reply::Refused(error) => self.take_refusal(model, ledger, tolerance, &head, &error),
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
        tolerance: &Tolerance<'_>,
        head: &Mutation,
        error: &GraphqlError,
    ) {
        let entry = self.entry.expect("an answer belongs to an entry");
        let kind = error.error_type.clone().unwrap_or_default();
        let stored = match record::read(model, &error.data) {
            Ok((id, stored)) if id == head.id => stored,
            _ if error.data.is_null() && tolerance.lost.contains(&head.id) => {
                ledger.close(entry, Outcome::Rejected(kind));
                return self.settle(None);
            }
            other => {
                self.complain(&format!(
                    "{:?} of {} is refused with {error:?}: {other:?}",
                    head.operation, head.id
                ));
                return self.settle(None);
            }
        };
        let conflict = kind == "ConflictUnhandled";
        let repeated = ledger.attempts(entry) > 1;
        let expected = match head.operation {
            Operation::Create if stored.deleted => repeated || tolerance.creates_over_tombstones,
            Operation::Create => {
                tolerance.creates_over_tombstones || repeated && tolerance.repeated_creates
            }
            Operation::Update => {
                conflict && tolerance.stale_updates
                    || stored.deleted && tolerance.creates_over_tombstones
            }
            Operation::Delete => {
                conflict && tolerance.stale_deletes
                    || stored.deleted && tolerance.creates_over_tombstones
            }
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
        let insists = self.traits.insists && conflict && !stored.deleted;
        if insists && self.conflicts < CONFLICT_TRIES {
            self.outbox.retry_with(stored.version);
            return;
        }
        self.settle(None);
        let adopts = conflict || self.traits.family.merge_rule() == MergeRule::Blind;
        if !adopts {
            self.stranded.insert(head.id.clone());
        } else if !self.outbox.holds(&head.id) {
            self.store.put(&head.id, &stored);
        }
    }

    fn settle(&mut self, answer: Option<&Record>) {
        self.outbox.settle(answer);
        self.entry = None;
        self.conflicts = 0;
    }
}

fn hand_over(rule: MergeRule) -> HandOver {
    match rule {
        MergeRule::Blind => HandOver::IfEchoed,
        MergeRule::VersionGate => HandOver::Always,
    }
}

pub(super) fn request(query: String, variables: Map<String, Value>) -> Request {
    Request {
        query,
        operation_name: None,
        variables,
    }
}

impl Person {
    /// This person's requests, from a browser without DataStore.
    pub(super) fn caller(&self) -> Caller {
        let identity = match self {
            Person::Anybody => Identity::ApiKey { id: "k".to_owned() },
            Person::User(user, device) => {
                let name = format!("user{user}");
                let claims =
                    json!({"sub": name, "username": name, "origin_jti": device.to_string()});
                Identity::UserPool(Arc::new(TokenIdentity {
                    issuer: "pool".to_owned(),
                    subject: name,
                    claims: claims.as_object().expect("an object").clone(),
                }))
            }
        };
        Caller {
            identity,
            family: Family::JavaScript,
            datastore: false,
            repeats: false,
        }
    }
}
