//! The queue of edits that wait for the server, merged and versioned as the clients do (`client-js` 11.4).

use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    document::Operation,
    local_store::LocalStore,
    record::{Fields, Record, RecordId, STAMPS, without_nulls},
};

/// One mutation on its way to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Which record.
    pub id: RecordId,
    /// Create, update or delete.
    pub operation: Operation,
    /// The input without `_version`, key fields included.
    pub input: Fields,
    /// The version the edit was made on; none for creates and when unknown.
    pub version: Option<u64>,
}

/// Whether a waiting mutation of the same record learns the version of the answer before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// JS: only if the answer holds every value that was sent.
    IfEchoed,
    /// Native clients read the version at sending.
    Always,
}

/// Edits in order of sending; the head may be in flight and is then closed to merging.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Mutation>,
    in_flight: bool,
    hand_over: HandOver,
}

impl Outbox {
    /// An empty queue.
    pub fn new(hand_over: HandOver) -> Self {
        Self {
            queue: VecDeque::new(),
            in_flight: false,
            hand_over,
        }
    }

    /// Whether every edit has been answered.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether an edit of this record waits or is in flight.
    pub fn holds(&self, id: &RecordId) -> bool {
        self.queue.iter().any(|mutation| mutation.id == *id)
    }

    /// Adds an edit of a record, over the version that the device holds of it.
    pub fn edit(&mut self, store: &LocalStore, id: RecordId, operation: Operation, input: Fields) {
        let version = match operation {
            Operation::Create => None,
            Operation::Update | Operation::Delete => store.version(&id),
        };
        self.enqueue(Mutation {
            id,
            operation,
            input,
            version,
        });
    }

    /// Adds an edit, merging it into a queued one of the same record that has not been sent yet.
    pub fn enqueue(&mut self, mutation: Mutation) {
        let first_open = usize::from(self.in_flight);
        let position = (first_open..self.queue.len()).find(|at| self.queue[*at].id == mutation.id);
        let Some(at) = position else {
            self.queue.push_back(mutation);
            return;
        };
        let queued = &mut self.queue[at];
        match (queued.operation, mutation.operation) {
            (Operation::Create, Operation::Delete) => {
                self.queue.remove(at);
            }
            (Operation::Create, _) => queued.input.extend(mutation.input),
            (_, Operation::Delete) => {
                queued.operation = Operation::Delete;
                queued.input = mutation.input;
            }
            _ => queued.input.extend(mutation.input),
        }
    }

    /// Closes the head to merging and hands it out for sending; the same one until it is settled.
    pub fn begin(&mut self) -> Option<&Mutation> {
        self.in_flight = !self.queue.is_empty();
        self.queue.front()
    }

    /// Puts a new version on the head after a conflict, to be sent again as a new request.
    pub fn retry_with(&mut self, version: u64) {
        if let Some(head) = self.queue.front_mut() {
            head.version = Some(version);
        }
    }

    /// Removes the answered head and hands its version to the next edits of the same record.
    pub fn settle(&mut self, answer: Option<&Record>) -> Option<Mutation> {
        let head = self.queue.pop_front()?;
        self.in_flight = false;
        if let Some(record) = answer
            && (self.hand_over == HandOver::Always || echoes(record, &head.input))
        {
            for waiting in self.queue.iter_mut().filter(|next| next.id == head.id) {
                waiting.version = Some(record.version);
            }
        }
        Some(head)
    }
}

/// Whether the answer holds every value that was sent, null counting as absent.
fn echoes(record: &Record, input: &Fields) -> bool {
    let sent = input
        .iter()
        .filter(|(name, _)| !STAMPS.contains(&name.as_str()));
    sent.into_iter()
        .all(|(name, value)| match without_nulls(value) {
            Value::Null => record.get(name).is_null(),
            value => *record.get(name) == value,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mutation(key: &str, operation: Operation, input: &Value, version: Option<u64>) -> Mutation {
        Mutation {
            id: RecordId {
                model: "Post".into(),
                key: vec![key.into()],
            },
            operation,
            input: input.as_object().unwrap().clone(),
            version,
        }
    }

    fn answer(fields: &Value, version: u64) -> Record {
        Record {
            fields: fields.as_object().unwrap().clone(),
            version,
            last_changed: 1,
            deleted: false,
        }
    }

    #[test]
    fn an_update_of_a_queued_create_becomes_part_of_the_create() {
        let mut outbox = Outbox::new(HandOver::IfEchoed);
        outbox.enqueue(mutation(
            "p",
            Operation::Create,
            &json!({"title": "a", "rating": 1}),
            None,
        ));
        outbox.enqueue(mutation(
            "p",
            Operation::Update,
            &json!({"title": "b"}),
            None,
        ));
        let head = outbox.begin().unwrap().clone();
        assert_eq!(head.operation, Operation::Create);
        assert_eq!(
            Value::Object(head.input),
            json!({"title": "b", "rating": 1})
        );
        outbox.settle(None);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_delete_of_a_queued_create_leaves_nothing_to_send() {
        let mut outbox = Outbox::new(HandOver::IfEchoed);
        outbox.enqueue(mutation(
            "p",
            Operation::Create,
            &json!({"title": "a"}),
            None,
        ));
        outbox.enqueue(mutation("p", Operation::Delete, &json!({}), None));
        assert!(outbox.is_empty());
    }

    #[test]
    fn two_queued_updates_merge_and_keep_the_first_version() {
        let mut outbox = Outbox::new(HandOver::IfEchoed);
        outbox.enqueue(mutation(
            "p",
            Operation::Update,
            &json!({"title": "a"}),
            Some(3),
        ));
        outbox.enqueue(mutation(
            "p",
            Operation::Update,
            &json!({"rating": 2}),
            Some(9),
        ));
        let head = outbox.begin().unwrap();
        assert_eq!(head.version, Some(3));
        assert_eq!(
            Value::Object(head.input.clone()),
            json!({"title": "a", "rating": 2})
        );
    }

    #[test]
    fn an_edit_during_flight_waits_and_takes_the_version_of_an_echoed_answer() {
        let mut outbox = Outbox::new(HandOver::IfEchoed);
        outbox.enqueue(mutation(
            "p",
            Operation::Update,
            &json!({"title": "a"}),
            Some(3),
        ));
        outbox.begin();
        outbox.enqueue(mutation(
            "p",
            Operation::Update,
            &json!({"title": "b"}),
            Some(3),
        ));
        outbox.settle(Some(&answer(&json!({"title": "a", "tags": ["x"]}), 4)));
        assert_eq!(outbox.begin().unwrap().version, Some(4));
    }

    #[test]
    fn an_answer_that_differs_from_what_was_sent_hands_no_version_over() {
        for (rule, expected) in [(HandOver::IfEchoed, Some(3)), (HandOver::Always, Some(8))] {
            let mut outbox = Outbox::new(rule);
            outbox.enqueue(mutation(
                "p",
                Operation::Update,
                &json!({"title": "a"}),
                Some(3),
            ));
            outbox.begin();
            outbox.enqueue(mutation(
                "p",
                Operation::Update,
                &json!({"title": "b"}),
                Some(3),
            ));
            outbox.settle(Some(&answer(&json!({"title": "theirs"}), 8)));
            assert_eq!(outbox.begin().unwrap().version, expected);
        }
    }

    #[test]
    fn an_edit_never_merges_into_the_mutation_in_flight() {
        let mut outbox = Outbox::new(HandOver::IfEchoed);
        outbox.enqueue(mutation(
            "p",
            Operation::Create,
            &json!({"title": "a"}),
            None,
        ));
        outbox.begin();
        outbox.enqueue(mutation("p", Operation::Delete, &json!({}), None));
        assert_eq!(outbox.settle(None).unwrap().operation, Operation::Create);
        assert_eq!(outbox.begin().unwrap().operation, Operation::Delete);
    }
}
