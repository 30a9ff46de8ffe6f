//! What people do with their devices.

use driftless_client_test_harness::trace::{Action, Edit, Fault, Slot, overgrown};
use rand::Rng as _;
use serde_json::Value;

use super::climate::Hazard;
use super::device::Phase;
use super::person::Person;
use super::world::{USERS, World};

impl World {
    /// The next thing that the user of a device does.
    pub(super) fn act(&mut self, number: usize) {
        let Some(action) = self.scripts[number].pop_front() else {
            return;
        };
        match action {
            Action::Create(slot, edits) => {
                self.create(number, &slot, &edits);
                self.births.insert(slot, edits);
            }
            Action::Update(slot, edits) => self.update(number, &slot, &edits),
            Action::Delete(slot) => {
                if let Some(model) = self.climate.subject.schema.model(&slot.model) {
                    self.devices[number].delete(model, &self.names.id(model, &slot));
                }
            }
            Action::Offline(_) => {
                self.devices[number].wants_online = false;
                self.cut(number);
            }
            Action::Online => self.devices[number].wants_online = true,
            Action::Sync => self.refresh(number),
            Action::Break(fault) => self.fail(number, fault),
            Action::AwaitAnswer | Action::AwaitDrained => {}
        }
        // The one that hears nothing looks now and then.
        if self.rng.random_bool(0.05) {
            self.refresh(self.devices.len() - 1);
        }
    }

    fn refresh(&mut self, number: usize) {
        let time = self.time();
        if self.devices[number].phase == Phase::Online {
            self.devices[number].begin_sync(false, time);
        }
    }

    fn create(&mut self, number: usize, slot: &Slot, edits: &[Edit]) {
        let schema = &self.climate.subject.schema;
        if let Some(model) = schema.model(&slot.model) {
            let mut fields = self.names.id(model, slot).key_fields(model);
            fields.extend(self.names.apply(schema, edits, None));
            self.devices[number].create(model, fields);
        }
    }

    fn update(&mut self, number: usize, slot: &Slot, edits: &[Edit]) {
        let schema = &self.climate.subject.schema;
        let Some(model) = schema.model(&slot.model) else {
            return;
        };
        let id = self.names.id(model, slot);
        let device = &mut self.devices[number];
        let Some(row) = device.store.row(&id) else {
            // Where records have owners it may be somebody else's.
            let may_create = self.climate.has(Hazard::Rebirth)
                && !self.climate.subject.has_owners
                && !device.outbox.holds(&id);
            if let Some(edits) = self.births.get(slot).filter(|_| may_create).cloned() {
                self.create(number, slot, &edits);
                self.note(Hazard::Rebirth);
            }
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

    /// A device forgets everything; where records have owners somebody else may sign in.
    pub(super) fn part(&mut self, number: usize) {
        self.cut(number);
        let device = &mut self.devices[number];
        device.clear();
        if let Person::User(user, device) = &mut device.person {
            *user = self.rng.random_range(0..USERS);
            // Another sign-in.
            *device += 100;
        }
        self.note(Hazard::Parting);
    }
}
