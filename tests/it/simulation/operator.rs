//! What happens to the server: hazards, when their time has come.

use std::collections::BTreeSet;

use driftless_client_test_harness::family::Family;
use driftless_client_test_harness::record::RecordId;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::filter::Filter;
use driftless_resolvers::storage::memory::{Backup, Memory};
use driftless_resolvers::storage::{Key, Query, Scope};
use driftless_resolvers::sync::FUTURE_TOLERANCE;
use rand::Rng as _;

use super::climate::Hazard;
use super::node::at_once;
use super::world::World;
use crate::support::bent::Flaw;

/// Backups, and what was lost by putting one back.
#[derive(Default)]
pub(super) struct Backups {
    last: Option<Backup>,
    /// Records that were created after a backup that was put back.
    pub(super) lost: BTreeSet<RecordId>,
    /// So many mutations were answered before the last one was put back: what became of them is gone.
    pub(super) forgotten: BTreeSet<usize>,
    /// Whether one was put back.
    pub(super) is_another_history: bool,
}

impl World {
    /// Whatever befalls the server now, if anything.
    pub(super) fn befall(&mut self) {
        let hazard = Hazard::ALL[self.rng.random_range(0..Hazard::ALL.len())];
        if !self.climate.has(hazard) || !self.rng.random_bool(0.1) {
            return;
        }
        match hazard {
            Hazard::Restart => self.restart(),
            Hazard::Trim => self.trim(),
            Hazard::Restore if self.backups.last.is_some() && self.rng.random_bool(0.3) => {
                self.restore();
            }
            Hazard::Restore => self.back_up(),
            Hazard::Overload => {
                self.rig.store.lose_answers(1);
                self.note(Hazard::Overload);
            }
            Hazard::Jump => self.jump(),
            Hazard::Parting if self.rng.random_bool(0.2) => {
                let number = self.rng.random_range(0..self.devices.len());
                self.part(number);
            }
            _ => {}
        }
        if self.flaw == Some(Flaw::Purge) {
            self.purge();
        }
    }

    fn memory(&self) -> &Memory {
        let memory = self.rig.stand.reference();
        memory.expect("a run over the reference store")
    }

    /// Tombstones go, whoever has not heard of them yet.
    fn purge(&self) {
        for model in &self.models {
            let query = Query {
                scope: Scope::Table,
                rows: Filter::everything(),
                filter: Filter::everything(),
                limit: usize::MAX,
                after: None,
            };
            let page = at_once(self.rig.stand.storage.query(model, &query)).expect("all records");
            for record in page.records.iter().filter(|record| record.deleted) {
                let key = Key::of(model, &record.fields).expect("a record has its key");
                self.memory().purge(model, &key);
            }
        }
    }

    /// Whether a request is answered 503 without having begun.
    pub(super) fn is_overloaded(&mut self, call: usize) -> bool {
        let overloaded = self.climate.has(Hazard::Overload)
            && !self.calls[call].is_begun
            && self.rng.random_bool(0.05);
        if overloaded {
            self.note(Hazard::Overload);
        }
        overloaded
    }

    /// A node ends and starts again; what it was doing is done or not.
    fn restart(&mut self) {
        let number = self.rng.random_range(0..self.nodes.len());
        self.calls.retain(|call| call.errand.node != number);
        for device in 0..self.devices.len() {
            let socket = self.devices[device].socket.as_ref();
            if socket.is_some_and(|socket| socket.node == number) {
                self.cut(device);
            }
        }
        self.nodes[number] = at_once(self.node());
        self.note(Hazard::Restart);
    }

    /// The log of a model loses rows, but not its last one: that is the clock.
    fn trim(&mut self) {
        self.bear_witness();
        let number = self.rng.random_range(0..self.models.len());
        let model = &self.models[number];
        let head = at_once(self.rig.stand.feed.head(model)).expect("a head");
        let kept = match self.flaw {
            Some(Flaw::TrimHead) => 0,
            _ => self.rng.random_range(1..6),
        };
        self.memory().trim(model, Seq(head.0 - kept));
        self.note(Hazard::Trim);
    }

    fn back_up(&mut self) {
        self.backups.last = Some(self.memory().backup());
    }

    /// An older state is put back, and an epoch begins. Nobody gets answers to what was asked before.
    fn restore(&mut self) {
        let Some(backup) = self.backups.last.take() else {
            return;
        };
        self.bear_witness();
        let before: BTreeSet<RecordId> = self.witness.records().cloned().collect();
        let explained = self.unexplained();
        self.witness.problems.extend(explained);
        for call in &mut self.calls {
            call.is_awaited = false;
        }
        let dies = self.rng.random_bool(0.5);
        self.calls.retain(|_| !dies);
        self.memory().put_back(&backup);
        self.newest = (self.newest + 1).max(self.rig.now() + FUTURE_TOLERANCE + 1);
        self.rig.store.begin_epoch();
        self.backups.is_another_history = true;
        self.backups.forgotten = self.answered();
        self.witness.forget();
        self.bear_witness();
        let now: BTreeSet<RecordId> = self.witness.records().cloned().collect();
        self.backups.lost.extend(before.difference(&now).cloned());
        self.note(Hazard::Restore);
    }

    /// The server's clock is set. A device with its own clock must not come to be ahead by more than the overlap, or it
    /// loses what is written while it is away; and what is put back must not come from a clock that was ahead by more than
    /// an epoch makes up for (`docs/anomalies.md`, T44, T29).
    fn jump(&mut self) {
        let mut families = self.devices.iter().map(|device| device.traits.family);
        let own_clocks = families.any(Family::remembers_own_clock);
        let restores = self.climate.has(Hazard::Restore);
        let earliest = if own_clocks || restores {
            -50_000
        } else {
            -3_600_000
        };
        let latest = if restores { 0 } else { 3_600_000 };
        let offset = self.rng.random_range(earliest..=latest);
        self.rig.stand.clock.set_off(offset - self.offset);
        self.offset = offset;
        self.pass(0);
        self.note(Hazard::Jump);
    }
}
