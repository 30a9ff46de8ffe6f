//! What must be true when everything is quiet.

use std::collections::BTreeMap;

use driftless_client_test_harness::converge::differences;
use driftless_client_test_harness::document;
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::history::{self, Versions};
use driftless_client_test_harness::http::Answer;
use driftless_client_test_harness::ledger::Outcome;
use driftless_client_test_harness::record::{self, Record, RecordId};
use driftless_resolvers::api::Reply;
use driftless_resolvers::feed::Seq;
use serde_json::{Value, json};

use super::network::Call;
use super::world::{World, caller};

impl World {
    /// Every replica equals the server, every acknowledged write is there, and the writes explain every version.
    pub(super) fn judge(mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut histories: BTreeMap<RecordId, Versions> = BTreeMap::new();
        let state = self.state(&mut histories, &mut found);
        for device in &mut self.devices {
            found.append(&mut device.problems);
            for difference in differences(&device.store, &state).into_iter().take(3) {
                found.push(format!("{}: {difference}", device.traits.name));
            }
        }
        let entries = self.ledger.entries();
        for entry in &entries {
            if let Outcome::Acknowledged(told) = &entry.outcome {
                let kept = histories
                    .get(&entry.mutation.id)
                    .and_then(|versions| versions.get(&told.version));
                if kept != Some(told) {
                    found.push(format!(
                        "{} was told {told:?}, committed is {kept:?}",
                        entry.client
                    ));
                }
            }
        }
        found.extend(history::check(&histories, &entries, self.strategy));
        found
    }

    /// What the server holds, read through its API; and every version that its log holds, without gaps.
    fn state(
        &mut self,
        histories: &mut BTreeMap<RecordId, Versions>,
        found: &mut Vec<String>,
    ) -> BTreeMap<RecordId, Record> {
        let mut state = BTreeMap::new();
        for (number, model) in self.subject.schema.models.iter().enumerate() {
            let variables = json!({"limit": 1000, "lastSync": 0});
            let variables = variables.as_object().expect("an object").clone();
            let caller = caller(Family::Js);
            let mut call = Call::new(
                0,
                false,
                &self.api,
                caller,
                document::sync(model),
                variables,
            );
            let reply = loop {
                if let Some(reply) = call.step() {
                    break reply;
                }
            };
            let Reply::Answer(body) = reply else {
                panic!("no state");
            };
            let answer: Answer = serde_json::from_slice(&body).expect("JSON");
            let items = answer.data[document::sync_field(model)]["items"].clone();
            for item in items.as_array().into_iter().flatten() {
                let (id, record) = record::read(model, item).expect("a good record");
                state.insert(id, record);
            }
            self.read_log(number, histories);
        }
        for (id, versions) in histories {
            if !versions.keys().copied().eq(1..=versions.len() as u64) {
                found.push(format!("{id} has the versions {:?}", versions.keys()));
            }
            let last = versions.last_key_value().map(|(_, record)| record);
            if last != state.get(id) {
                found.push(format!(
                    "{id} is {:?}, its log ends with {last:?}",
                    state.get(id)
                ));
            }
        }
        state
    }

    fn read_log(&self, number: usize, histories: &mut BTreeMap<RecordId, Versions>) {
        use futures_util::FutureExt as _;
        let model = &self.subject.schema.models[number];
        let read = self
            .rig
            .stand
            .feed
            .since(&self.tails[number].model, Seq(0), 1_000_000);
        let read = read
            .now_or_never()
            .expect("the reference store never waits");
        for event in read.expect("a log").events {
            // As a client would read it, whatever it asks of events.
            for (topic, subscription) in &self.subscriptions[0][number] {
                if let Some(payload) = subscription.payload(&event) {
                    let payload: Value = serde_json::from_slice(&payload).expect("JSON");
                    let item = &payload["data"][topic.operation.subscription_field(model)];
                    let (id, record) = record::read(model, item).expect("a good record");
                    histories
                        .entry(id)
                        .or_default()
                        .insert(record.version, record);
                }
            }
        }
    }
}
