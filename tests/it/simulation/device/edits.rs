//! What its user does, and what waits to be sent of it.

use driftless_client_test_harness::document::Operation;
use driftless_client_test_harness::record::{Fields, RecordId};
use driftless_client_test_harness::schema::Model;
use serde_json::Value;

use super::Device;

impl Device {
    pub(in crate::simulation) fn create(&mut self, model: &Model, fields: Fields) {
        if let Some(id) = RecordId::of(model, &fields) {
            self.store.edit(&id, &fields);
            self.outbox.edit(&self.store, id, Operation::Create, fields);
        }
    }

    pub(in crate::simulation) fn update(&mut self, model: &Model, id: &RecordId, changes: &Fields) {
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
        self.outbox
            .edit(&self.store, id.clone(), Operation::Update, input);
    }

    pub(in crate::simulation) fn delete(&mut self, model: &Model, id: &RecordId) {
        if self.store.row(id).is_some() {
            self.outbox.edit(
                &self.store,
                id.clone(),
                Operation::Delete,
                id.key_fields(model),
            );
            self.store.remove(id);
            // A create that was not answered goes with its deletion, unsent. What was told of it meanwhile was not taken and
            // is not told again.
            if !self.outbox.holds(id) && self.discarded.contains(id) {
                self.stranded.insert(id.clone());
            }
        }
    }
}
