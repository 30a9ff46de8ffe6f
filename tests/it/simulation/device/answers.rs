//! What it sends, and what becomes of it.

use std::collections::BTreeSet;

use driftless_client_test_harness::document::Operation;
use driftless_client_test_harness::engine::exchange::{self, Reply};
use driftless_client_test_harness::family::{Family, MergeRule};
use driftless_client_test_harness::http::{Answer, GraphqlError};
use driftless_client_test_harness::ledger::{Ledger, Outcome};
use driftless_client_test_harness::outbox::Mutation;
use driftless_client_test_harness::record::{self, Record, RecordId};
use driftless_client_test_harness::schema::{Model, Schema};
use driftless_resolvers::api::Request;

use super::{Device, REPAIRED, request};

/// JavaScript gives up on a conflict after this many attempts.
const CONFLICT_TRIES: u32 = 10;

/// What a refusal may be, in the circumstances.
pub(in crate::simulation) struct Tolerance<'a> {
    pub(in crate::simulation) stale_updates: bool,
    pub(in crate::simulation) stale_deletes: bool,
    /// Creates that were sent twice, or for the second time under their id.
    pub(in crate::simulation) repeated_creates: bool,
    pub(in crate::simulation) creates_over_tombstones: bool,
    /// Records that a restore took away.
    pub(in crate::simulation) lost: &'a BTreeSet<RecordId>,
}

impl Device {
    /// The next mutation to send.
    pub(in crate::simulation) fn send(
        &mut self,
        schema: &Schema,
        ledger: &Ledger,
        now: i64,
    ) -> Option<Request> {
        self.busy_since = now;
        let mutation = self.outbox.begin()?;
        let model = schema.model(&mutation.id.model)?;
        let name = &self.traits.name;
        let entry = *self
            .entry
            .get_or_insert_with(|| ledger.open(name, mutation));
        ledger.attempt(entry);
        let (text, variables) = exchange::request(model, mutation, self.traits.family);
        Some(request(text, variables))
    }

    /// Takes the answer to the mutation it sent.
    pub(in crate::simulation) fn take_answer(
        &mut self,
        schema: &Schema,
        ledger: &Ledger,
        tolerance: &Tolerance<'_>,
        answer: Answer,
        now: i64,
    ) {
        self.is_late |= now - self.busy_since > REPAIRED[0];
        let (Some(head), Some(entry)) = (self.outbox.begin().cloned(), self.entry) else {
            return;
        };
        let Some(model) = schema.model(&head.id.model) else {
            return;
        };
        match exchange::reply(model, &head, answer) {
            Reply::Done(record) => {
                self.settle(Some(&record));
                if !self.outbox.holds(&head.id) {
                    self.store.merge(&head.id, &record);
                }
                ledger.close(entry, Outcome::Acknowledged(record));
            }
            Reply::Refused(error) => self.take_refusal(model, ledger, tolerance, &head, &error),
            Reply::Wrong(why) => {
                self.complain(&format!("{:?} of {}: {why}", head.operation, head.id));
                self.settle(None);
            }
        }
    }

    fn take_refusal(
        &mut self,
        model: &Model,
        ledger: &Ledger,
        tolerance: &Tolerance<'_>,
        head: &Mutation,
        error: &GraphqlError,
    ) {
        let entry = self.entry.expect("an answer belongs to an entry");
        let kind = error.error_type.clone().unwrap_or_default();
        let stored = match record::read(model, &error.data) {
            Ok((id, stored)) if id == head.id => stored,
            _ if error.data.is_null() && tolerance.lost.contains(&head.id) => {
                ledger.close(entry, Outcome::Rejected(kind));
                return self.settle(None);
            }
            other => {
                self.complain(&format!(
                    "{:?} of {} is refused with {error:?}: {other:?}",
                    head.operation, head.id
                ));
                return self.settle(None);
            }
        };
        let conflict = kind == "ConflictUnhandled";
        let repeated = ledger.attempts(entry) > 1;
        let expected = match head.operation {
            Operation::Create if stored.deleted => {
                conflict == self.learns_at_conflicts_alone()
                    && (repeated || tolerance.creates_over_tombstones)
            }
            Operation::Create => {
                !conflict
                    && (tolerance.creates_over_tombstones || repeated && tolerance.repeated_creates)
            }
            Operation::Update => {
                conflict && tolerance.stale_updates
                    || stored.deleted && tolerance.creates_over_tombstones
            }
            Operation::Delete => {
                conflict && tolerance.stale_deletes
                    || stored.deleted && tolerance.creates_over_tombstones
            }
        };
        if !expected {
            self.complain(&format!(
                "{:?} of {} is refused with {kind}: {stored:?}",
                head.operation, head.id
            ));
        }
        ledger.close(entry, Outcome::Rejected(kind));
        self.entry = None;
        self.conflicts += 1;
        let insists = conflict && !stored.deleted && (self.traits.insists || self.is_stubborn);
        if insists && self.conflicts < CONFLICT_TRIES {
            if !self.is_stubborn {
                self.outbox.retry_with(stored.version);
            }
            return;
        }
        self.settle(None);
        let adopts = conflict || self.traits.family.merge_rule() == MergeRule::Blind;
        if adopts && self.outbox.holds(&head.id) {
            return;
        }
        if !(adopts && self.adopts(&head.id, &stored)) {
            self.stranded.insert(head.id.clone());
        }
    }

    /// Takes the record of a refusal over its own, if its library does: Android's lets in what is newer than it knows.
    fn adopts(&mut self, id: &RecordId, stored: &Record) -> bool {
        if self.traits.family == Family::Android {
            return self.store.merge(id, stored);
        }
        self.store.put(id, stored);
        true
    }

    /// Whether it is told of a conflict where the others are told that the id is taken.
    fn learns_at_conflicts_alone(&self) -> bool {
        self.traits.family == Family::Android && !self.is_flutter
    }

    fn settle(&mut self, answer: Option<&Record>) {
        self.outbox.settle(answer);
        self.entry = None;
        self.conflicts = 0;
    }
}
