//! What it is told: pages and events, and how they are asked for.

use std::collections::BTreeMap;

use driftless_client_test_harness::document::{self, Operation};
use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::http::Answer;
use driftless_client_test_harness::record::{self, Record, RecordId};
use driftless_client_test_harness::schema::{Model, Schema};
use driftless_resolvers::api::Request;
use serde_json::{Map, Value};

use super::{Device, request};
use crate::simulation::node::Socket;
use crate::simulation::selection;

/// A sync on its way.
pub(super) struct Sync {
    /// Which model is being fetched.
    model: usize,
    token: Value,
    items: Vec<(RecordId, Record)>,
}

impl Sync {
    /// The sync of the model with this number, and of those after it.
    pub(super) fn of(model: usize) -> Sync {
        Sync {
            model,
            token: Value::Null,
            items: Vec::new(),
        }
    }
}

impl Device {
    /// The next page to ask for.
    pub(in crate::simulation) fn page(&self, schema: &Schema) -> Option<Request> {
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
    pub(in crate::simulation) fn subscription(
        &self,
        operation: Operation,
        model: &Model,
    ) -> Request {
        let text = document::subscription(operation, model);
        let chooses = self.selects && self.traits.family == Family::Datastore;
        match selection::filter(model).filter(|_| chooses) {
            Some(filter) => {
                let variables = Map::from_iter([("filter".to_owned(), filter)]);
                request(selection::filtered(&text, operation, model), variables)
            }
            None => request(text, Map::new()),
        }
    }

    /// Whether it keeps a record like this one.
    pub(in crate::simulation) fn keeps(&self, model: &Model, record: &Record) -> bool {
        !self.selects || selection::matches(model, record)
    }

    /// Takes a page; answers whether the whole sync is done.
    ///
    /// `newest` is the latest time that the server can have told by now, `now` the time of this device.
    pub(in crate::simulation) fn take_page(
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
        self.sync = Some(Sync::of(sync.model + 1));
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
    pub(in crate::simulation) fn take_frame(&mut self, schema: &Schema) {
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
}
