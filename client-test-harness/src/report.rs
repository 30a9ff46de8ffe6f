//! What a run found: broken rules and how much was exercised.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// More than this many violations add nothing for a reader.
const KEPT: usize = 20;

/// Violations and counters of one run, shared by all its clients.
#[derive(Debug, Default)]
pub struct Report {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    violations: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Notes a broken rule.
    pub fn violation(&self, text: impl Into<String>) {
        let mut state = self.lock();
        if state.violations.len() < KEPT {
            state.violations.push(text.into());
        }
    }

    /// Counts something that happened.
    pub fn count(&self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts several at once.
    pub fn add(&self, what: &'static str, number: u64) {
        *self.lock().counts.entry(what).or_default() += number;
    }

    /// The violations so far.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// The counters so far.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }
}
