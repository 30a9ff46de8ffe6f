//! What must be true when everything is quiet.

use std::collections::{BTreeMap, BTreeSet};

use driftless_client_test_harness::converge::disagreements;
use driftless_client_test_harness::document::{self, Operation};
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::history::{self, Versions};
use driftless_client_test_harness::http::Answer;
use driftless_client_test_harness::ledger::{Entry, Outcome};
use driftless_client_test_harness::realtime::Topic;
use driftless_client_test_harness::record::{self, Record, RecordId};
use driftless_resolvers::api::{Reply, Subscription};
use driftless_resolvers::feed::Seq;
use serde_json::{Value, json};

use super::climate::Hazard;
use super::device::{Device, Phase, request};
use super::network::{Call, Errand};
use super::node::at_once;
use super::person::Person;
use super::world::{USERS, World};

/// What the server holds for somebody.
type State = BTreeMap<RecordId, Record>;

/// Who has read every row of the log, as a client would read it, before it was trimmed.
#[derive(Default)]
pub(super) struct Witness {
    /// Of each model, the subscriptions of everybody.
    subscriptions: Vec<Vec<(Topic, Subscription)>>,
    read: Vec<Seq>,
    histories: BTreeMap<RecordId, Versions>,
    pub(super) problems: Vec<String>,
}

impl Witness {
    pub(super) fn of(world: &World) -> Witness {
        let api = &world.nodes[0].api;
        let mut subscriptions = Vec::new();
        for model in &world.climate.subject.schema.models {
            let mut of_model = Vec::new();
            for person in world.people() {
                for operation in Operation::ALL {
                    let topic = Topic {
                        operation,
                        model: model.name.clone(),
                    };
                    let text = document::subscription(operation, model);
                    let admitted =
                        api.subscribe(&request(text, Default::default()), &person.caller());
                    of_model.push((topic, admitted.expect("a subscription")));
                }
            }
            subscriptions.push(of_model);
        }
        Witness {
            read: vec![Seq(0); subscriptions.len()],
            subscriptions,
            ..Witness::default()
        }
    }

    /// The records that it has seen.
    pub(super) fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.histories.keys()
    }

    /// Begins anew, in another history.
    pub(super) fn forget(&mut self) {
        self.read.fill(Seq(0));
        self.histories.clear();
    }
}

impl World {
    fn people(&self) -> Vec<Person> {
        if self.climate.subject.has_owners {
            (0..USERS).map(|user| Person::User(user, 1_000)).collect()
        } else {
            vec![Person::Anybody]
        }
    }

    /// Reads what the log has come to hold.
    pub(super) fn bear_witness(&mut self) {
        for (number, model) in self.climate.subject.schema.models.iter().enumerate() {
            let served = &self.models[number];
            let witness = &mut self.witness;
            let read = self
                .rig
                .stand
                .feed
                .since(served, witness.read[number], usize::MAX);
            let stretch = at_once(read).expect("a log");
            witness.read[number] = stretch.next;
            for event in stretch.events {
                for (topic, subscription) in &witness.subscriptions[number] {
                    if let Some(payload) = subscription.payload(&event) {
                        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
                        let item = &payload["data"][topic.operation.subscription_field(model)];
                        match record::read(model, item) {
                            Ok((id, record)) => {
                                let versions = witness.histories.entry(id).or_default();
                                versions.insert(record.version, record);
                            }
                            Err(problem) => witness.problems.push(format!("the log: {problem}")),
                        }
                    }
                }
            }
        }
    }

    /// The mutations that were answered, by number.
    pub(super) fn answered(&self) -> BTreeSet<usize> {
        let entries = self.ledger.entries().into_iter().enumerate();
        let answered = entries.filter(|(_, entry)| entry.outcome != Outcome::Unknown);
        answered.map(|(number, _)| number).collect()
    }

    /// What no order of the mutations explains, in the history up to now.
    pub(super) fn unexplained(&self) -> Vec<String> {
        let Some(oracle) = self.climate.oracle() else {
            return Vec::new();
        };
        if self.backups.is_another_history {
            return Vec::new();
        }
        let mut entries = self.ledger.entries();
        let latest = self.climate.config.engine.missing_version == Default::default();
        // The create of one device may be taken for the repetition of another's.
        let mut created: BTreeMap<RecordId, usize> = BTreeMap::new();
        for entry in &entries {
            let is_create = entry.mutation.operation == Operation::Create;
            *created.entry(entry.mutation.id.clone()).or_default() += usize::from(is_create);
        }
        let is_clear = |entry: &Entry| {
            let versioned = entry.mutation.version.is_some()
                || entry.mutation.operation == Operation::Create
                || latest;
            versioned
                && created[&entry.mutation.id] < 2
                && (entry.attempts < 2 || self.climate.recognises_repetitions())
        };
        let unclear: BTreeSet<RecordId> = entries
            .iter()
            .filter(|entry| !is_clear(entry))
            .map(|entry| entry.mutation.id.clone())
            .collect();
        entries.retain(|entry| !unclear.contains(&entry.mutation.id));
        let mut histories = self.witness.histories.clone();
        histories.retain(|id, _| !unclear.contains(id));
        history::check(&histories, &entries, &self.climate.subject.schema, oracle)
    }

    /// Events alone have brought whoever listened up to date, but for what it discarded because of edits of its own. To
    /// DataStore in JavaScript that is told once more.
    pub(super) fn judge_events(&mut self) -> Vec<String> {
        let states = self.states();
        let mut found = Vec::new();
        for device in self
            .devices
            .iter()
            .filter(|device| self.has_listened(device))
        {
            let is_repaired = device.traits.family == Family::Datastore;
            for (id, difference) in self.differences(device, &states) {
                if is_repaired || !device.discarded.contains(&id) {
                    found.push(format!(
                        "by events alone: {}: {difference}",
                        device.traits.name
                    ));
                }
            }
        }
        found.truncate(5);
        found
    }

    fn has_listened(&self, device: &Device) -> bool {
        let is_online = device.phase == Phase::Online && device.socket.is_some();
        // What changed a moment ago is told by the clock, out of the log.
        let is_sure = device.traits.family != Family::Datastore
            || self.climate.config.realtime.repairs
                && !device.is_late
                && !self.climate.has(Hazard::Jump)
                && !self.climate.has(Hazard::Trim)
                && !self.climate.has(Hazard::Restore);
        is_online && is_sure
    }

    /// Every replica equals the server, every acknowledged write is there, and the writes explain every version.
    pub(super) fn judge(&mut self) -> Vec<String> {
        self.bear_witness();
        let states = self.states();
        let mut found = std::mem::take(&mut self.witness.problems);
        for number in 0..self.devices.len() {
            found.append(&mut self.devices[number].problems);
            let device = &self.devices[number];
            for (_, difference) in self.differences(device, &states).into_iter().take(3) {
                found.push(format!("{}: {difference}", device.traits.name));
            }
        }
        for entry in self.acknowledged() {
            let Outcome::Acknowledged(told) = &entry.outcome else {
                continue;
            };
            let versions = self.witness.histories.get(&entry.mutation.id);
            let kept = versions.and_then(|versions| versions.get(&told.version));
            if kept != Some(told) {
                found.push(format!(
                    "{} was told {told:?}, committed is {kept:?}",
                    entry.client
                ));
            }
        }
        found.extend(self.broken_histories(&states));
        found.extend(self.unexplained());
        found
    }

    /// The mutations whose success must still be seen.
    fn acknowledged(&self) -> Vec<Entry> {
        let entries = self.ledger.entries().into_iter().enumerate();
        let forgotten = &self.backups.forgotten;
        let remembered = entries.filter(|(number, _)| !forgotten.contains(number));
        remembered.map(|(_, entry)| entry).collect()
    }

    /// Versions without gaps, of which the last is what is stored.
    fn broken_histories(&self, states: &[State]) -> Vec<String> {
        let mut found = Vec::new();
        for (id, versions) in &self.witness.histories {
            let numbers: Vec<u64> = versions.keys().copied().collect();
            let gapless = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            let whole = numbers.first() == Some(&1) || self.backups.is_another_history;
            if !gapless || !whole {
                found.push(format!("{id} has the versions {numbers:?}"));
            }
            let times: Vec<u64> = versions
                .values()
                .map(|record| record.last_changed)
                .collect();
            if !times.is_sorted() {
                found.push(format!("the times of {id} run backwards: {times:?}"));
            }
            let last = versions.last_key_value().map(|(_, record)| record);
            let stored = states.iter().find_map(|state| state.get(id));
            if last != stored {
                found.push(format!("{id} is {stored:?}, its log ends with {last:?}"));
            }
        }
        found
    }

    /// How a device differs from what its user would be told now.
    fn differences(&self, device: &Device, states: &[State]) -> BTreeMap<RecordId, String> {
        let state = match device.person {
            Person::Anybody => &states[0],
            Person::User(user, _) => &states[user],
        };
        let mut differences = disagreements(&device.store, state);
        differences.retain(|id, _| match state.get(id) {
            _ if device.stranded.contains(id) => false,
            None => !self.backups.lost.contains(id),
            Some(record) => {
                let model = self.climate.subject.schema.model(&id.model);
                model.is_none_or(|model| device.keeps(model, record))
            }
        });
        differences
    }

    /// What the server holds for each of its users, read through its API.
    fn states(&mut self) -> Vec<State> {
        let people = self.people();
        people.iter().map(|person| self.state(person)).collect()
    }

    fn state(&mut self, person: &Person) -> State {
        let mut state = State::new();
        for model in &self.climate.subject.schema.models {
            let mut token = Value::Null;
            loop {
                let page = self.read_page(person, model, &token);
                for item in page["items"].as_array().into_iter().flatten() {
                    match record::read(model, item) {
                        Ok((id, record)) => drop(state.insert(id, record)),
                        Err(problem) => self.witness.problems.push(format!("stored: {problem}")),
                    }
                }
                token = page["nextToken"].clone();
                if token.is_null() {
                    break;
                }
            }
        }
        state
    }

    fn read_page(
        &self,
        person: &Person,
        model: &driftless_client_test_harness::schema::Model,
        token: &Value,
    ) -> Value {
        let variables = json!({"limit": 1000, "lastSync": 0, "nextToken": token});
        let variables = variables.as_object().expect("an object").clone();
        let errand = Errand {
            device: 0,
            node: 0,
            is_mutation: false,
        };
        let request = request(document::sync(model), variables);
        let reply = Call::new(errand, &self.nodes[0].api, person.caller(), request).finish();
        let Reply::Answer(body) = reply else {
            panic!("no state");
        };
        let mut answer: Answer = serde_json::from_slice(&body).expect("JSON");
        answer.data[document::sync_field(model)].take()
    }
}
