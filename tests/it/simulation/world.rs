//! Everything there is in a run, and who does what next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use driftless_client_test_harness::document::Operation;
use driftless_client_test_harness::engine::Traits;
use driftless_client_test_harness::family::MergeRule;
use driftless_client_test_harness::http::Answer;
use driftless_client_test_harness::ledger::Ledger;
use driftless_client_test_harness::realtime::Topic;
use driftless_client_test_harness::trace::{Action, Edit, Names, Slot, Step, Trace};
use driftless_resolvers::api::{Reply, Request};
use driftless_resolvers::clock::Clock;
use driftless_resolvers::schema::model::Model;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::climate::{Climate, Hazard};
use super::device::{Device, Phase, Tolerance};
use super::judge::Witness;
use super::network::{Call, Errand, Stepped};
use super::node::{Node, Socket};
use super::operator::Backups;
use super::person::Person;
use crate::support::backend::Backend;
use crate::support::bent::Flaw;
use crate::support::rig::Rig;

/// A run that takes more choices than this goes in circles.
const MOST_STEPS: usize = 60_000;

/// How many people have records of their own, where records have owners.
pub(super) const USERS: usize = 2;

/// A run.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) rig: Rig,
    pub(super) climate: Climate,
    pub(super) flaw: Option<Flaw>,
    pub(super) models: Vec<Arc<Model>>,
    pub(super) nodes: Vec<Node>,
    pub(super) names: Names,
    pub(super) ledger: Ledger,
    pub(super) devices: Vec<Device>,
    pub(super) calls: Vec<Call>,
    pub(super) scripts: Vec<VecDeque<Action>>,
    /// What a record was created with, for whoever makes it anew.
    pub(super) births: HashMap<Slot, Vec<Edit>>,
    pub(super) witness: Witness,
    pub(super) backups: Backups,
    /// How far the server's clock is from the devices', in milliseconds.
    pub(super) offset: i64,
    /// The latest time that the server can have told.
    pub(super) newest: i64,
    /// Which hazards came to pass, and how often.
    pub(super) happened: BTreeMap<Hazard, usize>,
}

/// What a run came to.
pub(super) struct Played {
    /// What is wrong.
    pub(super) found: Vec<String>,
    /// Which hazards came to pass, and how often.
    pub(super) happened: BTreeMap<Hazard, usize>,
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
    /// A device notices that its socket is closed.
    Closed(usize),
    /// A device does what its connection needs.
    Connect(usize),
    /// A device sends its next edit.
    Send(usize),
    /// A device asks for its next page.
    Page(usize),
    /// Word of a model's log reaches a node.
    Hear(usize, usize),
}

impl World {
    pub(super) async fn new(seed: u64, climate: Climate, flaw: Option<Flaw>) -> World {
        let rig = match flaw {
            Some(flaw) => Rig::flawed(flaw).await,
            None => Rig::memory().await,
        };
        let mut world = World {
            rng: StdRng::seed_from_u64(seed),
            newest: rig.now(),
            rig,
            flaw,
            models: Vec::new(),
            nodes: Vec::new(),
            names: Names::repeatable(),
            ledger: Ledger::default(),
            devices: Vec::new(),
            calls: Vec::new(),
            scripts: Vec::new(),
            births: HashMap::new(),
            witness: Witness::default(),
            backups: Backups::default(),
            offset: 0,
            happened: BTreeMap::new(),
            climate,
        };
        for number in 0..world.climate.nodes {
            let node = world.node().await;
            world.nodes.push(node);
            world
                .happened
                .extend((number > 0).then_some((Hazard::Nodes, number)));
        }
        world.witness = Witness::of(&world);
        world
    }

    /// A node over the store, which shares nothing else with the others.
    pub(super) async fn node(&mut self) -> Node {
        let storage = Arc::new(Stepped(self.rig.storage()));
        let clock = Arc::clone(&self.rig.stand.clock) as Arc<dyn Clock>;
        let schema = Arc::clone(&self.climate.subject.served);
        let api = Backend::api(storage, Arc::clone(&clock), schema, &self.climate.config).await;
        let served = &api.engine.schema.models;
        let described = self.climate.subject.schema.models.iter();
        self.models = described
            .map(|model| Arc::clone(&served[&model.name]))
            .collect();
        let repairs = self.climate.config.realtime.repairs;
        let feed = self.rig.feed();
        Node::start(api, &self.models, feed, &clock, repairs, self.flaw)
    }

    /// Plays a trace to its end and answers what is wrong.
    pub(super) fn play(mut self, trace: Trace) -> Played {
        for traits in trace.clients {
            self.join(traits);
        }
        self.enlist(Device::deaf());
        for segment in trace.steps.split(|step| *step == Step::Barrier) {
            for step in segment {
                if let Step::Act(device, action) = step {
                    self.scripts[*device].push_back(action.clone());
                }
            }
            if !self.run(true) {
                return self.end(vec!["the run goes in circles".to_owned()]);
            }
        }
        for device in &mut self.devices {
            device.wants_online = true;
            device.loses_answer = false;
        }
        self.rig.store.lose_answers(0);
        if !(self.run(false) && self.calm_down()) {
            return self.end(vec!["the devices do not come to rest".to_owned()]);
        }
        let mut found = self.judge_events();
        if !self.sync_once_more() {
            found.push("the last sync does not end".to_owned());
        }
        found.append(&mut self.judge());
        self.end(found)
    }

    fn end(self, found: Vec<String>) -> Played {
        Played {
            found,
            happened: self.happened,
        }
    }

    fn join(&mut self, mut traits: Traits) {
        // A clock further ahead than the overlap loses what is written while its device is away: nothing in its
        // question tells the server.
        let skew = *[-7_200_000, -1_000, 0, 50_000, 240_000]
            .choose(&mut self.rng)
            .expect("a choice");
        if self.climate.has(Hazard::Pages) {
            traits.page = *self.climate.pages.choose(&mut self.rng).expect("a choice");
            self.note(Hazard::Pages);
        }
        let mut device = Device::new(traits, skew);
        if self.climate.has(Hazard::Selection) && self.rng.random_bool(0.6) {
            device.selects = true;
            self.note(Hazard::Selection);
        }
        if self.climate.has(Hazard::Loops) && device.traits.family.merge_rule() == MergeRule::Blind
        {
            device.is_stubborn = self.rng.random_bool(0.5);
        }
        let native = device.traits.family.sends_whole_model();
        device.is_flutter = native && self.rng.random_bool(0.3);
        self.enlist(device);
    }

    fn enlist(&mut self, mut device: Device) {
        if self.climate.subject.has_owners {
            let number = self.devices.len();
            device.person = Person::User(number % USERS, number);
        }
        self.devices.push(device);
        self.scripts.push(VecDeque::new());
    }

    pub(super) fn note(&mut self, hazard: Hazard) {
        *self.happened.entry(hazard).or_default() += 1;
    }

    /// The time by the devices' clocks.
    pub(super) fn time(&self) -> i64 {
        self.rig.now() - self.offset
    }

    pub(super) fn pass(&mut self, milliseconds: i64) {
        self.rig.stand.clock.advance(milliseconds);
        self.newest = self.newest.max(self.rig.now());
    }

    /// Runs until nobody has anything to do; false if that does not come.
    fn run(&mut self, hazardous: bool) -> bool {
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
            if hazardous {
                self.befall();
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
            if device.socket.as_ref().is_some_and(Socket::is_closed) {
                choices.push(Choice::Closed(number));
            }
            if device.phase == Phase::Offline && device.wants_online {
                choices.push(Choice::Connect(number));
            }
            if device.phase == Phase::Syncing && !self.awaits(number, false) {
                choices.push(Choice::Page(number));
            }
            if device.phase == Phase::Online {
                if device
                    .socket
                    .as_ref()
                    .is_some_and(|socket| !socket.is_empty())
                {
                    choices.push(Choice::Frame(number));
                }
                if !device.outbox.is_empty() && !self.awaits(number, true) {
                    choices.push(Choice::Send(number));
                }
            }
        }
        choices.extend((0..self.calls.len()).map(Choice::Work));
        for (number, node) in self.nodes.iter().enumerate() {
            let models = 0..self.models.len();
            let behind = models.filter(|model| node.is_behind(*model));
            choices.extend(behind.map(|model| Choice::Hear(number, model)));
        }
        choices
    }

    /// Some actions wait for something.
    fn may_act(&self, number: usize) -> bool {
        let device = &self.devices[number];
        let answered = !self.awaits(number, true);
        match self.scripts[number].front() {
            Some(Action::AwaitAnswer) => answered || !device.wants_online,
            Some(Action::AwaitDrained) => device.outbox.is_empty() || !device.wants_online,
            Some(Action::Sync) => answered && device.phase != Phase::Syncing,
            _ => true,
        }
    }

    /// Whether a device waits for the answer to a mutation, or to a page.
    fn awaits(&self, device: usize, is_mutation: bool) -> bool {
        let mut awaited = self.calls.iter().filter(|call| call.is_awaited);
        awaited.any(|call| call.errand.device == device && call.errand.is_mutation == is_mutation)
    }

    fn happen(&mut self, choice: Choice) {
        match choice {
            Choice::Act(number) => self.act(number),
            Choice::Work(number) => self.work(number),
            Choice::Frame(number) => self.devices[number].take_frame(&self.climate.subject.schema),
            Choice::Closed(number) => {
                if self.climate.has(Hazard::SlowReader) {
                    self.note(Hazard::SlowReader);
                }
                self.cut(number);
            }
            Choice::Connect(number) => self.connect(number),
            Choice::Send(number) => self.send(number),
            Choice::Page(number) => self.page(number),
            Choice::Hear(node, model) => {
                let rows = self.rng.random_range(1..6);
                self.nodes[node].hear(model, rows);
            }
        }
    }

    /// The device's connections break. The server may or may not go on with what it was asked.
    pub(super) fn cut(&mut self, number: usize) {
        self.devices[number].disconnect();
        let dies = self.rng.random_bool(0.3);
        let own = |call: &Call| call.errand.device == number;
        self.calls.retain(|call| !(dies && own(call)));
        for call in self.calls.iter_mut().filter(|call| own(call)) {
            call.is_awaited = false;
        }
    }

    fn connect(&mut self, number: usize) {
        let time = self.time();
        self.devices[number].begin_sync(true, time);
        let family = self.devices[number].traits.family;
        if !family.syncs_before_subscribing() {
            self.subscribe(number);
        }
    }

    /// Events committed from now on are sent to it.
    fn subscribe(&mut self, number: usize) {
        if self.devices[number].is_deaf {
            return;
        }
        let time = self.time();
        let node = self.rng.random_range(0..self.nodes.len());
        let device = &mut self.devices[number];
        let mut subscriptions = Vec::new();
        for (at, model) in self.climate.subject.schema.models.iter().enumerate() {
            for operation in Operation::ALL {
                let topic = Topic {
                    operation,
                    model: model.name.clone(),
                };
                subscriptions.push((at, topic, device.subscription(operation, model)));
            }
        }
        let (caller, queue) = (device.caller(), self.climate.queue);
        let socket = Socket::open(&self.nodes[node], node, queue, &caller, subscriptions);
        device.listen(socket, time);
    }

    fn send(&mut self, number: usize) {
        let time = self.time();
        let schema = &self.climate.subject.schema;
        if let Some(request) = self.devices[number].send(schema, &self.ledger, time) {
            self.call(number, true, request);
        }
    }

    fn page(&mut self, number: usize) {
        if let Some(request) = self.devices[number].page(&self.climate.subject.schema) {
            self.call(number, false, request);
        }
    }

    fn call(&mut self, device: usize, is_mutation: bool, request: Request) {
        let errand = Errand {
            device,
            node: self.rng.random_range(0..self.nodes.len()),
            is_mutation,
        };
        let caller = self.devices[device].caller();
        let api = &self.nodes[errand.node].api;
        self.calls.push(Call::new(errand, api, caller, request));
    }

    fn work(&mut self, number: usize) {
        if self.is_overloaded(number) {
            self.calls.swap_remove(number);
            return;
        }
        let Some(reply) = self.calls[number].step() else {
            if self.rig.stand.clock.is_awaited() {
                self.note(Hazard::Loops);
            }
            return;
        };
        let call = self.calls.swap_remove(number);
        if !call.is_awaited {
            return;
        }
        let errand = call.errand;
        let lost = std::mem::take(&mut self.devices[errand.device].loses_answer);
        match reply {
            Reply::Answer(body) if !lost => {
                let answer = serde_json::from_slice(&body).expect("JSON");
                self.answer(errand, answer);
            }
            // The client comes back.
            Reply::Answer(_) | Reply::Unavailable(_) => {}
            Reply::Malformed { message, .. } => panic!("{message}"),
        }
    }

    fn answer(&mut self, errand: Errand, answer: Answer) {
        let (time, newest) = (self.time(), self.newest);
        let tolerance = Tolerance {
            stale_updates: self.climate.refuses_stale_updates(),
            stale_deletes: self.climate.refuses_stale_deletes(),
            repeated_creates: !self.climate.recognises_repetitions(),
            creates_over_tombstones: self.climate.has(Hazard::Rebirth),
            lost: &self.backups.lost,
        };
        let schema = &self.climate.subject.schema;
        let device = &mut self.devices[errand.device];
        if errand.is_mutation {
            device.take_answer(schema, &self.ledger, &tolerance, answer, time);
        } else if device.take_page(schema, &answer, time, newest) {
            device.phase = Phase::Online;
            if device.socket.is_none() {
                self.subscribe(errand.device);
            }
        }
    }

    /// Whoever has been told several versions in a short time is told the last one once more.
    fn settle(&mut self) {
        for node in &self.nodes {
            node.settle();
        }
    }

    /// Nothing more is edited; time passes until everything has settled.
    fn calm_down(&mut self) -> bool {
        for _ in 0..5 {
            self.pass(3_000);
            self.settle();
            if !self.run(false) {
                return false;
            }
        }
        true
    }

    fn sync_once_more(&mut self) -> bool {
        let time = self.time();
        for device in &mut self.devices {
            device.begin_sync(false, time);
        }
        self.run(false)
    }
}
