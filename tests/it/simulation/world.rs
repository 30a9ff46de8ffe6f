//! Everything there is in a run, and who does what next.

use std::collections::VecDeque;
use std::sync::Arc;

use driftless::config;
use driftless_client_test_harness::document;
use driftless_client_test_harness::document::Operation;
use driftless_client_test_harness::family::Family as ClientFamily;
use driftless_client_test_harness::http::Answer;
use driftless_client_test_harness::ledger::Ledger;
use driftless_client_test_harness::oracle::Strategy;
use driftless_client_test_harness::realtime::Topic;
use driftless_client_test_harness::trace::{
    Action, Edit, Fault, Names, Slot, Step, Trace, overgrown,
};
use driftless_resolvers::Timestamp;
use driftless_resolvers::api::{Api, Reply, Request, Subscription};
use driftless_resolvers::clock::Clock as _;
use driftless_resolvers::feed::Event;
use driftless_resolvers::identity::{Caller, Family, Identity};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value};

use super::device::{Device, Phase};
use super::network::{Call, Stepped};
use super::schemas::Subject;
use super::tail::Tail;
use crate::support::backend::Backend;
use crate::support::bent::Flaw;
use crate::support::rig::Rig;

/// A run that takes more choices than this goes in circles.
const MOST_STEPS: usize = 60_000;

/// A run.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) rig: Rig,
    pub(super) api: Arc<Api>,
    pub(super) subject: Subject,
    pub(super) strategy: Strategy,
    pub(super) names: Names,
    pub(super) ledger: Ledger,
    pub(super) tails: Vec<Tail>,
    pub(super) devices: Vec<Device>,
    /// Per device, its subscriptions to each model.
    pub(super) subscriptions: Vec<Vec<Vec<(Topic, Subscription)>>>,
    pub(super) calls: Vec<Call>,
    pub(super) scripts: Vec<VecDeque<Action>>,
}

/// What may happen next.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// A device plays its next action.
    Act(usize),
    /// A request makes a step.
    Work(usize),
    /// A frame arrives.
    Frame(usize),
    /// A device does what its connection needs.
    Connect(usize),
    /// A device sends its next edit.
    Send(usize),
    /// A device asks for its next page.
    Page(usize),
    /// A model's log is published further.
    Publish(usize),
}

impl World {
    pub(super) async fn new(
        seed: u64,
        subject: Subject,
        strategy: Strategy,
        flaw: Option<Flaw>,
    ) -> World {
        let rig = match flaw {
            Some(flaw) => Rig::flawed(flaw).await,
            None => Rig::memory().await,
        };
        let clock = Arc::clone(&rig.stand.clock);
        let storage = Arc::new(Stepped(rig.storage()));
        let configure: fn(&mut config::Config) = match strategy {
            // Waits would be real ones: only the server's clock is simulated.
            Strategy::Automerge => |config| config.engine.slow_loops = false,
            Strategy::Optimistic => |config| {
                config.engine.slow_loops = false;
                config.conflict.default = config::Strategy::Optimistic.into();
            },
        };
        let backend = Backend::new(storage, rig.feed(), clock, subject.sdl, configure).await;
        let served = &backend.api.engine.schema.models;
        let models = subject
            .schema
            .models
            .iter()
            .map(|model| Arc::clone(&served[&model.name]));
        let tails = models.map(|model| Tail::new(model, rig.feed())).collect();
        World {
            rng: StdRng::seed_from_u64(seed),
            api: backend.api,
            rig,
            subject,
            strategy,
            names: Names::repeatable(),
            ledger: Ledger::default(),
            tails,
            devices: Vec::new(),
            subscriptions: Vec::new(),
            calls: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Plays a trace to its end and answers what is wrong.
    pub(super) fn play(mut self, trace: Trace) -> Vec<String> {
        for traits in trace.clients {
            // A clock further ahead than the overlap loses what is written while its device is away: nothing in its
            // question tells the server.
            let skew = *[-7_200_000, -1_000, 0, 50_000, 240_000]
                .choose(&mut self.rng)
                .expect("a choice");
            self.join(Device::new(traits, skew));
        }
        self.join(Device::deaf());
        for segment in trace.steps.split(|step| *step == Step::Barrier) {
            for step in segment {
                if let Step::Act(device, action) = step {
                    self.scripts[*device].push_back(action.clone());
                }
            }
            if !self.run() {
                return vec!["the run goes in circles".to_owned()];
            }
        }
        for device in &mut self.devices {
            device.wants_online = true;
            device.loses_answer = false;
        }
        let quiet = self.run() && self.calm_down() && self.sync_once_more();
        if !quiet {
            return vec!["the devices do not come to rest".to_owned()];
        }
        self.judge()
    }

    fn join(&mut self, device: Device) {
        let caller = caller(device.traits.family);
        let mut of_models = Vec::new();
        for model in &self.subject.schema.models {
            let mut of_model = Vec::new();
            for operation in Operation::ALL {
                let topic = Topic {
                    operation,
                    model: model.name.clone(),
                };
                let request = request(document::subscription(operation, model), Map::new());
                let admitted = self.api.subscribe(&request, &caller);
                of_model.push((topic, admitted.expect("a subscription")));
            }
            of_models.push(of_model);
        }
        self.subscriptions.push(of_models);
        self.devices.push(device);
        self.scripts.push(VecDeque::new());
    }

    fn now(&self) -> Timestamp {
        self.rig.stand.clock.now()
    }

    fn pass(&self, milliseconds: i64) {
        self.rig.stand.clock.advance(milliseconds);
    }

    /// Runs until nobody has anything to do; false if that does not come.
    fn run(&mut self) -> bool {
        for _ in 0..MOST_STEPS {
            let choices = self.choices();
            let Some(choice) = choices.choose(&mut self.rng).copied() else {
                return true;
            };
            self.happen(choice);
            let moment = self.rng.random_range(0..4);
            match self.rng.random_range(0..2_000) {
                0..600 => self.pass(moment),
                600..630 => self.pass(900),
                630..640 if self.may_wait() => self.pass(31_000),
                640 if self.may_wait() => self.pass(26 * 3_600_000),
                _ => {}
            }
            self.settle();
        }
        false
    }

    /// Whether much time may pass now. A device that remembers its own clock at the end of a sync loses what was written
    /// during one that takes longer than the overlap (`sync-semantics` CL-3), whatever the server does.
    fn may_wait(&self) -> bool {
        let syncing = |device: &&Device| device.phase == Phase::Syncing;
        !self
            .devices
            .iter()
            .filter(syncing)
            .any(|device| device.traits.family.remembers_own_clock())
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (number, device) in self.devices.iter().enumerate() {
            if !self.scripts[number].is_empty() && self.may_act(number) {
                choices.push(Choice::Act(number));
            }
            if device.phase == Phase::Offline && device.wants_online {
                choices.push(Choice::Connect(number));
            }
            if device.phase == Phase::Syncing && !self.is_fetching(number) {
                choices.push(Choice::Page(number));
            }
            if device.phase == Phase::Online {
                if !device.inbox.is_empty() {
                    choices.push(Choice::Frame(number));
                }
                if !device.is_sending && !device.outbox.is_empty() {
                    choices.push(Choice::Send(number));
                }
            }
        }
        choices.extend((0..self.calls.len()).map(Choice::Work));
        let behind = self
            .tails
            .iter()
            .enumerate()
            .filter(|(_, tail)| tail.is_behind());
        choices.extend(behind.map(|(number, _)| Choice::Publish(number)));
        choices
    }

    /// Some actions wait for something.
    fn may_act(&self, number: usize) -> bool {
        let device = &self.devices[number];
        let answered = !device.is_sending;
        match self.scripts[number].front() {
            Some(Action::AwaitAnswer) => answered || !device.wants_online,
            Some(Action::AwaitDrained) => device.outbox.is_empty() || !device.wants_online,
            Some(Action::Sync) => answered && device.phase != Phase::Syncing,
            _ => true,
        }
    }

    fn is_fetching(&self, number: usize) -> bool {
        self.calls
            .iter()
            .any(|call| call.device == number && call.is_awaited && !call.is_mutation)
    }

    fn happen(&mut self, choice: Choice) {
        match choice {
            Choice::Act(number) => self.act(number),
            Choice::Work(number) => self.work(number),
            Choice::Frame(number) => self.devices[number].take_frame(&self.subject.schema),
            Choice::Connect(number) => self.connect(number),
            Choice::Send(number) => self.send(number),
            Choice::Page(number) => self.page(number),
            Choice::Publish(number) => self.publish(number),
        }
    }

    fn act(&mut self, number: usize) {
        let Some(action) = self.scripts[number].pop_front() else {
            return;
        };
        match action {
            Action::Create(slot, edits) => self.create(number, &slot, &edits),
            Action::Update(slot, edits) => self.update(number, &slot, &edits),
            Action::Delete(slot) => {
                if let Some(model) = self.subject.schema.model(&slot.model) {
                    self.devices[number].delete(model, &self.names.id(model, &slot));
                }
            }
            Action::Offline(_) => {
                self.devices[number].wants_online = false;
                self.cut(number);
            }
            Action::Online => self.devices[number].wants_online = true,
            Action::Sync if self.devices[number].phase == Phase::Online => {
                self.devices[number].begin_sync(false);
            }
            Action::Break(fault) => self.fail(number, fault),
            Action::Sync | Action::AwaitAnswer | Action::AwaitDrained => {}
        }
        // The one that hears nothing looks now and then.
        let deaf = self.devices.len() - 1;
        if self.devices[deaf].phase == Phase::Online && self.rng.random_bool(0.05) {
            self.devices[deaf].begin_sync(false);
        }
    }

    fn create(&mut self, number: usize, slot: &Slot, edits: &[Edit]) {
        let schema = &self.subject.schema;
        if let Some(model) = schema.model(&slot.model) {
            let mut fields = self.names.id(model, slot).key_fields(model);
            fields.extend(self.names.apply(schema, edits, None));
            self.devices[number].create(model, fields);
        }
    }

    fn update(&mut self, number: usize, slot: &Slot, edits: &[Edit]) {
        let schema = &self.subject.schema;
        let Some(model) = schema.model(&slot.model) else {
            return;
        };
        let id = self.names.id(model, slot);
        let device = &mut self.devices[number];
        let Some(row) = device.store.row(&id) else {
            return;
        };
        let mut changes = self.names.apply(schema, edits, Some(row));
        for name in overgrown(model, row) {
            changes.entry(name).or_insert(Value::Null);
        }
        device.update(model, &id, &changes);
    }

    fn fail(&mut self, number: usize, fault: Fault) {
        match fault {
            Fault::LoseAnswer | Fault::CutAfterRequest => {
                self.devices[number].loses_answer = true;
            }
            Fault::CutHttp | Fault::CutSocket | Fault::HalfCloseSocket | Fault::LoseFrame => {
                self.cut(number);
            }
            // Everything comes as late as the dice have it anyway.
            Fault::SlowHttp(_) | Fault::SlowSocket(_) => {}
        }
    }

    /// The device's connections break. The server may or may not go on with what it was asked.
    fn cut(&mut self, number: usize) {
        self.devices[number].disconnect();
        let dies = self.rng.random_bool(0.3);
        self.calls.retain(|call| !(dies && call.device == number));
        for call in self.calls.iter_mut().filter(|call| call.device == number) {
            call.is_awaited = false;
        }
    }

    fn connect(&mut self, number: usize) {
        if !self.devices[number]
            .traits
            .family
            .syncs_before_subscribing()
        {
            self.subscribe(number);
        }
        self.devices[number].begin_sync(true);
    }

    /// Events committed from now on, and those that are not published yet, are sent to it.
    fn subscribe(&mut self, number: usize) {
        if self.devices[number].is_deaf {
            return;
        }
        self.devices[number].is_subscribed = true;
        if self.devices[number].traits.family.gets_repeated_frames() {
            let now = self.now();
            for model in 0..self.tails.len() {
                for event in self.tails[model].replay(now) {
                    self.tell(model, &event, |at, _| at == number);
                }
            }
        }
    }

    fn send(&mut self, number: usize) {
        let device = &mut self.devices[number];
        if let Some((query, variables)) = device.send(&self.subject.schema, &self.ledger) {
            device.is_sending = true;
            let caller = caller(device.traits.family);
            self.calls
                .push(Call::new(number, true, &self.api, caller, query, variables));
        }
    }

    fn page(&mut self, number: usize) {
        let device = &self.devices[number];
        if let Some((query, variables)) = device.page(&self.subject.schema) {
            let caller = caller(device.traits.family);
            self.calls.push(Call::new(
                number, false, &self.api, caller, query, variables,
            ));
        }
    }

    fn work(&mut self, number: usize) {
        let Some(reply) = self.calls[number].step() else {
            return;
        };
        let call = self.calls.swap_remove(number);
        if !call.is_awaited {
            return;
        }
        let now = self.now().0;
        let device = &mut self.devices[call.device];
        let lost = std::mem::take(&mut device.loses_answer);
        let answer: Option<Answer> = match reply {
            Reply::Answer(body) if !lost => Some(serde_json::from_slice(&body).expect("JSON")),
            Reply::Answer(_) | Reply::Unavailable(_) => None,
            Reply::Malformed { message, .. } => panic!("{message}"),
        };
        let schema = &self.subject.schema;
        if call.is_mutation {
            device.is_sending = false;
            if let Some(answer) = answer {
                device.take_answer(schema, &self.ledger, self.strategy, answer);
            }
        } else if let Some(answer) = answer
            && device.take_page(schema, &answer, now)
        {
            device.phase = Phase::Online;
            if !device.is_subscribed {
                self.subscribe(call.device);
            }
        }
    }

    fn publish(&mut self, model: usize) {
        let most = self.rng.random_range(1..6);
        let now = self.now();
        for event in self.tails[model].publish(most, now) {
            self.tell(model, &event, |_, _| true);
        }
    }

    /// Whoever has been told several versions in a short time is told the last one once more.
    fn settle(&mut self) {
        let now = self.now();
        for model in 0..self.tails.len() {
            for event in self.tails[model].settled(now) {
                self.tell(model, &event, |_, device| {
                    device.traits.family.gets_repeated_frames()
                });
            }
        }
    }

    fn tell(&mut self, model: usize, event: &Event, whom: impl Fn(usize, &Device) -> bool) {
        for (number, device) in self.devices.iter_mut().enumerate() {
            if !device.is_subscribed || !whom(number, device) {
                continue;
            }
            for (topic, subscription) in &self.subscriptions[number][model] {
                if let Some(payload) = subscription.payload(event) {
                    let payload = String::from_utf8(payload).expect("JSON is UTF-8");
                    device.inbox.push_back((topic.clone(), payload));
                }
            }
        }
    }

    /// Nothing more is edited; time passes until everything has settled.
    fn calm_down(&mut self) -> bool {
        for _ in 0..4 {
            self.pass(2_000);
            self.settle();
            if !self.run() {
                return false;
            }
        }
        true
    }

    fn sync_once_more(&mut self) -> bool {
        for device in &mut self.devices {
            device.begin_sync(false);
        }
        self.run()
    }
}

fn request(query: String, variables: Map<String, Value>) -> Request {
    Request {
        query,
        operation_name: None,
        variables,
    }
}

/// All devices share one key, as those of one application do.
pub(super) fn caller(family: ClientFamily) -> Caller {
    Caller {
        identity: Identity::ApiKey { id: "k".to_owned() },
        family: match family {
            ClientFamily::Js | ClientFamily::Datastore => Family::JavaScript,
            ClientFamily::Swift => Family::Swift,
            ClientFamily::Android => Family::Android,
        },
        datastore: family == ClientFamily::Datastore,
        repeats: false,
    }
}
