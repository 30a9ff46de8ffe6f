//! The sync client: subscribe, base sync, delta sync, merge, and one mutation at a time from the outbox.
//!
//! It follows the real clients where their behaviour is sound and differs in one point: no sync runs while one of its
//! own mutations is in flight, because then the real JS client can keep a stale copy whatever the server does.

pub mod exchange;
mod link;

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    document::Operation,
    family::{Family, MergeRule},
    frames::FrameLog,
    http::{Answer, Failure, GraphqlError, Http},
    ledger::{Ledger, Outcome},
    local_store::LocalStore,
    oracle::Strategy,
    outbox::{HandOver, Mutation, Outbox},
    realtime::{Notice, Socket, Topic},
    record::{self, Fields, Record, RecordId},
    report::Report,
    schema::{Model, Schema},
    sync::{self, SyncError},
};

use exchange::{Reply, reply, request};
pub use link::Link;

/// A client that cannot get back online in this many tries reports it.
const CONNECT_TRIES: u32 = 40;
/// A mutation sent this often without an answer is reported and dropped.
const SEND_TRIES: usize = 60;
/// JS gives up on a conflict after this many attempts (`client-js` 11.1).
const CONFLICT_TRIES: u32 = 10;

/// What all clients of a run share.
#[derive(Clone)]
pub struct Shared {
    /// The models.
    pub schema: Arc<Schema>,
    /// Every mutation sent.
    pub ledger: Arc<Ledger>,
    /// Findings and counters.
    pub report: Arc<Report>,
    /// What the server does with stale writes.
    pub strategy: Strategy,
}

/// What distinguishes one client from another.
#[derive(Clone, Debug)]
pub struct Traits {
    /// Appears in reports.
    pub name: String,
    /// Whose rules it follows.
    pub family: Family,
    /// Whether it repeats a refused edit on the server's version or adopts the server's record.
    pub insists: bool,
    /// Sync page size.
    pub page: u32,
    /// How far its clock is ahead, in milliseconds; matters to families that remember their own clock.
    pub clock_ahead: i64,
    /// How much longer than it really was it claims to have been away, in milliseconds.
    pub away: u64,
}

/// Until when [`Client::run`] keeps working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Only what has already arrived.
    Now,
    /// No mutation is in flight.
    Answered,
    /// The outbox is empty, unless offline.
    Drained,
}

/// One replica with its queue and connections.
pub struct Client {
    traits: Traits,
    shared: Shared,
    link: Link,
    http: Http,
    store: LocalStore,
    outbox: Outbox,
    wants_online: bool,
    socket: Option<Socket>,
    frames: FrameLog,
    flight: Option<JoinHandle<Result<Answer, Failure>>>,
    entry: Option<usize>,
    conflicts: u32,
    synced: HashMap<String, u64>,
    resume: HashMap<String, u64>,
}

impl Client {
    /// An offline client with an empty store.
    pub fn new(traits: Traits, shared: Shared, link: Link) -> anyhow::Result<Self> {
        let rule = traits.family.merge_rule();
        let hand_over = match rule {
            MergeRule::Blind => HandOver::IfEchoed,
            MergeRule::VersionGate => HandOver::Always,
        };
        Ok(Self {
            http: Http::new(&link.target, traits.family)?,
            store: LocalStore::new(rule),
            outbox: Outbox::new(hand_over),
            wants_online: false,
            socket: None,
            frames: FrameLog::new(true),
            flight: None,
            entry: None,
            conflicts: 0,
            synced: HashMap::new(),
            resume: HashMap::new(),
            traits,
            shared,
            link,
        })
    }

    /// Its name and rules.
    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Its replica.
    pub fn store(&self) -> &LocalStore {
        &self.store
    }

    /// Its breakable connections.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Whether every edit has been answered.
    pub fn is_drained(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Comes online; the work happens in [`Client::run`].
    pub fn online(&mut self) {
        self.wants_online = true;
    }

    /// Goes offline, either with a goodbye or as if the network had vanished.
    pub async fn offline(&mut self, goodbye: bool) {
        self.wants_online = false;
        if let Some(flight) = self.flight.take() {
            flight.abort();
        }
        let Some(socket) = self.socket.take() else {
            return;
        };
        if goodbye {
            socket.close().await;
        }
        self.forget_connection();
    }

    /// The user creates a record.
    pub fn create(&mut self, model: &Model, fields: Fields) {
        if let Some(id) = RecordId::of(model, &fields) {
            self.store.edit(&id, &fields);
            self.outbox.edit(&self.store, id, Operation::Create, fields);
        }
    }

    /// The user changes a record; does nothing where the client does not have it.
    pub fn update(&mut self, model: &Model, id: &RecordId, changes: &Fields) -> bool {
        if self.store.row(id).is_none() {
            return false;
        }
        self.store.edit(id, changes);
        let mut input = id.key_fields(model);
        if self.traits.family.sends_whole_model() {
            for field in model.editable() {
                let row = self.store.row(id);
                let value = row.and_then(|row| row.get(&field.name)).cloned();
                input.insert(field.name.clone(), value.unwrap_or(Value::Null));
            }
        } else {
            input.extend(changes.clone());
        }
        self.outbox
            .edit(&self.store, id.clone(), Operation::Update, input);
        true
    }

    /// The user deletes a record; does nothing where the client does not have it.
    pub fn delete(&mut self, model: &Model, id: &RecordId) -> bool {
        if self.store.row(id).is_none() {
            return false;
        }
        self.outbox.edit(
            &self.store,
            id.clone(),
            Operation::Delete,
            id.key_fields(model),
        );
        self.store.remove(id);
        true
    }

    /// Works until the goal is reached: connects, sends, takes answers and events.
    pub async fn run(&mut self, goal: Goal) {
        loop {
            self.take_turn().await;
            if self.reached(goal) {
                return;
            }
            tokio::select! {
                biased;
                answer = next_answer(&mut self.flight) => self.take_answer(answer).await,
                notice = next_notice(&mut self.socket) => self.take_notice(notice),
            }
        }
    }

    /// Works on its own, without edits, until the others are done too.
    pub async fn idle(&mut self, mut over: watch::Receiver<bool>) {
        while !*over.borrow_and_update() {
            self.take_turn().await;
            tokio::select! {
                biased;
                answer = next_answer(&mut self.flight) => self.take_answer(answer).await,
                notice = next_notice(&mut self.socket) => self.take_notice(notice),
                _ = over.changed() => {}
            }
        }
    }

    /// Everything that can be done without waiting. An answer that is there comes before events, whose order among
    /// themselves is the server's: what arrives during a flight is thrown away.
    async fn take_turn(&mut self) {
        if self.flight.as_ref().is_some_and(JoinHandle::is_finished) {
            let answer = next_answer(&mut self.flight).await;
            self.take_answer(answer).await;
        }
        while let Some(notice) = self.socket.as_mut().and_then(Socket::try_next) {
            self.take_notice(notice);
        }
        if self.wants_online && self.socket.is_none() && self.flight.is_none() {
            self.connect().await;
        }
        self.send_next();
    }

    fn reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Now => true,
            Goal::Answered => self.flight.is_none(),
            Goal::Drained => self.outbox.is_empty() || !self.wants_online,
        }
    }

    /// Waits for one event or the end of the socket.
    pub async fn wait_for_notice(&mut self) {
        self.run(Goal::Now).await;
        let notice = next_notice(&mut self.socket).await;
        self.take_notice(notice);
    }

    async fn connect(&mut self) {
        for attempt in 1..=CONNECT_TRIES {
            match self.try_connect().await {
                Ok(()) => return self.shared.report.count("connects"),
                Err(problem) if attempt == CONNECT_TRIES => {
                    self.complain(&format!("cannot get online: {problem:#}"));
                }
                Err(_) => {
                    self.shared.report.count("failed connects");
                    self.socket = None;
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
        self.wants_online = false;
    }

    async fn try_connect(&mut self) -> anyhow::Result<()> {
        let family = self.traits.family;
        let resume = self.synced.clone();
        if family.syncs_before_subscribing() {
            self.sync().await?;
        }
        let schema = Arc::clone(&self.shared.schema);
        self.socket = Some(Socket::open(&self.link.target, family, &schema).await?);
        self.frames = FrameLog::new(family.gets_repeated_frames());
        if !family.syncs_before_subscribing() {
            self.sync().await?;
        }
        self.resume = resume;
        Ok(())
    }

    /// Without versions a client may have applied an event older than its last sync and then lost the newer one, so it
    /// must sync again from where the lost connection began.
    fn forget_connection(&mut self) {
        self.socket = None;
        if self.traits.family.merge_rule() == MergeRule::Blind {
            self.synced = std::mem::take(&mut self.resume);
        }
    }

    /// A delta sync of every model (a base sync the first time).
    pub async fn sync(&mut self) -> anyhow::Result<()> {
        let schema = Arc::clone(&self.shared.schema);
        for model in &schema.models {
            match self.sync_model(model).await {
                Ok(()) => {}
                Err(SyncError::Lost(why)) => anyhow::bail!("sync lost: {why}"),
                Err(SyncError::Wrong(why)) => {
                    self.complain(&why);
                    anyhow::bail!(why);
                }
            }
        }
        Ok(())
    }

    async fn sync_model(&mut self, model: &Model) -> Result<(), SyncError> {
        let family = self.traits.family;
        let zero = family.sends_zero_last_sync().then_some(0);
        let known = self.synced.get(&model.name);
        let last_sync = known
            .map(|time| time.saturating_sub(self.traits.away))
            .or(zero);
        let synced = sync::fetch(&self.http, model, last_sync, self.traits.page).await?;
        self.shared.report.count("syncs");
        self.shared.report.add("sync pages", synced.pages);
        for (id, record) in &synced.items {
            if !self.outbox.holds(id) {
                self.store.merge(id, record);
            }
        }
        let remembered = if family.remembers_own_clock() {
            sync::now_ms().saturating_add_signed(self.traits.clock_ahead)
        } else {
            synced.started_at
        };
        self.synced.insert(model.name.clone(), remembered);
        Ok(())
    }

    /// A sync on the user's demand; waits for the mutation in flight first.
    pub async fn sync_now(&mut self) {
        self.run(Goal::Answered).await;
        if self.socket.is_some() && self.sync().await.is_err() {
            self.forget_connection();
            // Coming back syncs as well.
            self.run(Goal::Now).await;
        }
    }

    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Event { topic, item } => self.take_event(&topic, &item),
            Notice::Violation(problem) => self.complain(&problem),
            Notice::Closed(_) => {
                self.shared.report.count("lost sockets");
                self.forget_connection();
            }
        }
    }

    fn take_event(&mut self, topic: &Topic, item: &Value) {
        let schema = Arc::clone(&self.shared.schema);
        let Some(model) = schema.model(&topic.model) else {
            return;
        };
        match record::read(model, item) {
            Err(problem) => self.complain(&format!("event: {problem}")),
            Ok((id, record)) => {
                self.shared.report.count("frames");
                if let Err(problem) = self.frames.note(topic, &id, &record) {
                    self.complain(&problem);
                }
                if !self.outbox.holds(&id) {
                    self.store.merge(&id, &record);
                }
            }
        }
    }

    fn send_next(&mut self) {
        if !self.wants_online || self.socket.is_none() || self.flight.is_some() {
            return;
        }
        let Some(mutation) = self.outbox.begin() else {
            return;
        };
        let schema = Arc::clone(&self.shared.schema);
        let Some(model) = schema.model(&mutation.id.model) else {
            return;
        };
        let ledger = &self.shared.ledger;
        let name = &self.traits.name;
        let entry = *self
            .entry
            .get_or_insert_with(|| ledger.open(name, mutation));
        let attempt = ledger.attempt(entry);
        let (document, variables) = request(model, mutation, self.traits.family);
        let http = self.http.clone();
        self.flight = Some(tokio::spawn(async move {
            if attempt > 1 {
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                tokio::time::sleep(pause(attempt)).await;
            }
            http.execute(&document, variables).await
        }));
    }

    async fn take_answer(&mut self, answer: Result<Answer, Failure>) {
        let Some(head) = self.outbox.begin().cloned() else {
            return;
        };
        let schema = Arc::clone(&self.shared.schema);
        let (Some(model), Some(entry)) = (schema.model(&head.id.model), self.entry) else {
            return;
        };
        match answer {
            Ok(answer) => match reply(model, &head, answer) {
                Reply::Done(record) => self.take_success(entry, &head, record),
                Reply::Refused(error) => self.take_refusal(model, entry, &head, error).await,
                Reply::Wrong(why) => self.give_up(entry, &head, &why),
            },
            Err(Failure::Unavailable) => self.shared.report.count("unavailable"),
            Err(Failure::Lost(_)) => self.shared.report.count("lost answers"),
            Err(Failure::Unusable(why)) => self.complain(&format!("{}: {why}", head.id)),
        }
        if self.entry == Some(entry) && self.shared.ledger.attempts(entry) >= SEND_TRIES {
            self.give_up(entry, &head, "no usable answer");
        }
    }

    fn take_success(&mut self, entry: usize, head: &Mutation, record: Record) {
        self.shared.report.count("acknowledged");
        self.settle(Some(&record));
        if !self.outbox.holds(&head.id) {
            self.store.merge(&head.id, &record);
        }
        let outcome = Outcome::Acknowledged(record);
        self.shared.ledger.close(entry, outcome);
    }

    async fn take_refusal(
        &mut self,
        model: &Model,
        entry: usize,
        head: &Mutation,
        error: GraphqlError,
    ) {
        let kind = error.error_type.clone().unwrap_or_default();
        let stored = record::read(model, &error.data);
        let stored = match stored {
            Ok((id, record)) if id == head.id && self.expects(entry, head, &kind, &record) => {
                record
            }
            _ => return self.give_up(entry, head, &format!("refused with {error:?}")),
        };
        self.shared.report.count("conflicts");
        self.shared.ledger.close(entry, Outcome::Rejected(kind));
        self.entry = None;
        self.conflicts += 1;
        if self.traits.insists && !stored.deleted && self.conflicts < CONFLICT_TRIES {
            self.outbox.retry_with(stored.version);
        } else {
            let current = self.current(model, &head.id, stored).await;
            self.settle(None);
            if !self.outbox.holds(&head.id) {
                self.store.put(&head.id, &current);
            }
        }
    }

    /// Whether the rules allow this refusal. Ids are never used twice here, so a create is refused only if it was done
    /// before its answer was lost and somebody has deleted the record since.
    fn expects(&self, entry: usize, head: &Mutation, kind: &str, stored: &Record) -> bool {
        let conflict = kind == "ConflictUnhandled";
        match head.operation {
            Operation::Create => {
                // Android lets its copy go at a conflict only.
                (kind == "ConditionalCheckFailedException"
                    || conflict && self.traits.family == Family::Android)
                    && stored.deleted
                    && self.shared.ledger.attempts(entry) > 1
            }
            Operation::Update => conflict && self.shared.strategy == Strategy::Optimistic,
            Operation::Delete => conflict,
        }
    }

    /// JS asks for the record after giving up, the native clients take the one in the error (`client-js` 11.2).
    async fn current(&self, model: &Model, id: &RecordId, stored: Record) -> Record {
        let asks = self.traits.family.merge_rule() == MergeRule::Blind && model.key == ["id"];
        if !asks {
            return stored;
        }
        match sync::get(&self.http, model, id).await {
            Ok(Some(record)) => record,
            Ok(None) => {
                self.complain(&format!("get of {id} found nothing"));
                stored
            }
            Err(SyncError::Wrong(why)) => {
                self.complain(&why);
                stored
            }
            Err(SyncError::Lost(_)) => stored,
        }
    }

    fn give_up(&mut self, entry: usize, head: &Mutation, why: &str) {
        self.complain(&format!("{:?} of {}: {why}", head.operation, head.id));
        let outcome = Outcome::Rejected("unexpected".to_owned());
        self.shared.ledger.close(entry, outcome);
        self.settle(None);
    }

    fn settle(&mut self, answer: Option<&Record>) {
        self.outbox.settle(answer);
        self.entry = None;
        self.conflicts = 0;
    }

    fn complain(&self, problem: &str) {
        let name = &self.traits.name;
        self.shared.report.violation(format!("{name}: {problem}"));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(flight) = &self.flight {
            flight.abort();
        }
    }
}

fn pause(attempt: u32) -> Duration {
    Duration::from_millis(5 << attempt.min(6))
}

async fn next_notice(socket: &mut Option<Socket>) -> Notice {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

async fn next_answer(
    flight: &mut Option<JoinHandle<Result<Answer, Failure>>>,
) -> Result<Answer, Failure> {
    let Some(task) = flight else {
        return std::future::pending().await;
    };
    let joined = task.await;
    *flight = None;
    joined.unwrap_or_else(|error| Err(Failure::Lost(error.to_string())))
}
