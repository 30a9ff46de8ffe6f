//! Every mutation that was ever sent and what became of it: the clients' side of the story the server must match.

use std::sync::{Mutex, MutexGuard};

use crate::{outbox::Mutation, record::Record};

/// What a client was told about one mutation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Sent, never answered.
    Unknown,
    /// Answered with success and this record.
    Acknowledged(Record),
    /// Answered with an error of this type.
    Rejected(String),
}

/// One mutation with one base version; resending the same request keeps the entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who sent it.
    pub client: String,
    /// What was sent.
    pub mutation: Mutation,
    /// How often it was sent.
    pub attempts: usize,
    /// What the client was told.
    pub outcome: Outcome,
}

/// The ledger of one run, shared by all its clients.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Vec<Entry>>,
}

impl Ledger {
    /// Opens an entry before the first attempt and returns its number.
    pub fn open(&self, client: &str, mutation: &Mutation) -> usize {
        let mut entries = self.lock();
        entries.push(Entry {
            client: client.to_owned(),
            mutation: mutation.clone(),
            attempts: 0,
            outcome: Outcome::Unknown,
        });
        entries.len() - 1
    }

    /// Notes that the mutation goes out once more; returns how often it has gone out by now.
    pub fn attempt(&self, number: usize) -> usize {
        let mut entries = self.lock();
        entries[number].attempts += 1;
        entries[number].attempts
    }

    /// How often the mutation has gone out.
    pub fn attempts(&self, number: usize) -> usize {
        self.lock()[number].attempts
    }

    /// Notes the answer.
    pub fn close(&self, number: usize, outcome: Outcome) {
        self.lock()[number].outcome = outcome;
    }

    /// A copy of all entries.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries
            .lock()
            .expect("no holder of this lock can panic")
    }
}
