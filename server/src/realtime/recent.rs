//! What changed a moment ago in one model: replayed to DataStore clients that have just subscribed (`client-js` 13.1),
//! and sent once more after a burst of writes to one record (`client-js` 13.2).

use std::collections::{HashMap, VecDeque};

use driftless_resolvers::feed::{Event, Operation};
use driftless_resolvers::storage::Key;
use driftless_resolvers::{Record, Timestamp};

/// How far a replay reaches back, in milliseconds.
const REACH: i64 = 30_000;
/// Two writes of one record closer than this are one burst, in milliseconds. The client that made the first throws the
/// second's event away while its answer is under way, and an answer may take eight seconds and its way (`errata.md` 2.13).
const BURST: i64 = 10_000;
/// How long after the last write of a burst the record is sent once more, in milliseconds: soon, and once when every
/// answer has arrived that was under way.
const TELLINGS: [i64; 2] = [1_000, 9_000];
/// At most so many records are remembered; the oldest go first.
const CAPACITY: usize = 1_000;

/// The newest published state of records that changed lately. It only ever holds what was published before, in the
/// same order, so that nothing taken from it is older than what a subscriber has seen.
#[derive(Debug, Default)]
pub struct Recent {
    entries: HashMap<Key, Entry>,
    /// One element per write, oldest first; those whose record was written again since are skipped.
    order: VecDeque<(Timestamp, Key)>,
    unsettled: HashMap<Key, Burst>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    last_write: Timestamp,
    /// How often the record was told since.
    told: usize,
}

impl Burst {
    /// When the record is told next.
    fn due(self) -> Timestamp {
        let pause = TELLINGS.get(self.told).copied().unwrap_or(i64::MAX / 2);
        Timestamp(self.last_write.0 + pause)
    }
}

#[derive(Debug)]
struct Entry {
    event: Event,
    published: Timestamp,
}

impl Recent {
    /// Remembers an event that is being published at `now`.
    pub fn note(&mut self, key: &Key, event: &Event, now: Timestamp) {
        self.forget(now);
        if !is_recent(&event.record, now) {
            return;
        }
        let burst = self
            .entries
            .get(key)
            .is_some_and(|before| now.0 - before.published.0 <= BURST);
        if burst || self.unsettled.contains_key(key) {
            let burst = Burst {
                last_write: now,
                told: 0,
            };
            self.unsettled.insert(key.clone(), burst);
        }
        let entry = Entry {
            event: event.clone(),
            published: now,
        };
        self.entries.insert(key.clone(), entry);
        self.order.push_back((now, key.clone()));
    }

    /// The states to replay to somebody who subscribes now.
    pub fn replay(&self, now: Timestamp) -> impl Iterator<Item = Event> {
        self.entries
            .values()
            .filter(move |entry| is_recent(&entry.event.record, now))
            .map(|entry| restated(&entry.event))
    }

    /// When the next record is to be told once more, in milliseconds from `now`.
    #[must_use]
    pub fn next_settling(&self, now: Timestamp) -> Option<u64> {
        let due = self.unsettled.values().map(|burst| burst.due()).min()?;
        Some(u64::try_from(due.0 - now.0).unwrap_or(0))
    }

    /// The newest state of every record that is to be told now.
    pub fn settled(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let entries = &self.entries;
        self.unsettled.retain(|key, burst| {
            if burst.due() > now {
                return true;
            }
            events.extend(entries.get(key).map(|entry| restated(&entry.event)));
            burst.told += 1;
            burst.told < TELLINGS.len()
        });
        events
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((published, key)) = self.order.front() {
            let old = now.0 - published.0 > REACH || self.entries.len() >= CAPACITY;
            let superseded = self
                .entries
                .get(key)
                .is_none_or(|entry| entry.published > *published);
            if !old && !superseded {
                return;
            }
            if !superseded {
                self.entries.remove(key);
                self.unsettled.remove(key);
            }
            self.order.pop_front();
        }
    }
}

fn is_recent(record: &Record, now: Timestamp) -> bool {
    now.0 - record.last_changed_at.0 <= REACH
}

/// The record's state as an event, whole whatever the last mutation selected. DataStore upserts whatever the kind is; only the flag decides (`client-js` 12.2).
fn restated(event: &Event) -> Event {
    let operation = if event.record.deleted {
        Operation::Delete
    } else {
        Operation::Update
    };
    Event {
        operation,
        selected: None,
        ..event.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::feed::Seq;
    use driftless_resolvers::{Fields, Version};
    use std::sync::Arc;

    fn key(name: &str) -> Key {
        Key(format!("[\"{name}\"]"))
    }

    fn event(version: u32, at: i64) -> Event {
        Event {
            seq: Seq(i64::from(version)),
            operation: Operation::Create,
            record: Arc::new(Record {
                fields: Fields::new(),
                version: Version(version),
                last_changed_at: Timestamp(at),
                deleted: false,
            }),
            selected: None,
        }
    }

    fn versions(events: impl IntoIterator<Item = Event>) -> Vec<u32> {
        events
            .into_iter()
            .map(|event| event.record.version.0)
            .collect()
    }

    #[test]
    fn a_replay_holds_the_newest_state_of_each_record() {
        let mut recent = Recent::default();
        recent.note(&key("a"), &event(1, 1_000), Timestamp(1_000));
        recent.note(&key("a"), &event(2, 5_000), Timestamp(5_000));
        assert_eq!(versions(recent.replay(Timestamp(6_000))), [2]);
        assert!(
            recent
                .replay(Timestamp(6_000))
                .all(|event| event.operation == Operation::Update)
        );
    }

    #[test]
    fn a_replay_forgets_after_half_a_minute() {
        let mut recent = Recent::default();
        recent.note(&key("a"), &event(1, 1_000), Timestamp(1_000));
        assert_eq!(versions(recent.replay(Timestamp(31_001))), [0_u32; 0]);
        recent.note(&key("b"), &event(1, 40_000), Timestamp(40_000));
        assert_eq!(recent.entries.len(), 1);
    }

    #[test]
    fn one_write_needs_no_settling() {
        let mut recent = Recent::default();
        recent.note(&key("a"), &event(1, 1_000), Timestamp(1_000));
        assert_eq!(recent.next_settling(Timestamp(1_000)), None);
    }

    #[test]
    fn a_burst_is_told_soon_after_its_last_write_and_once_when_its_answers_have_arrived() {
        let mut recent = Recent::default();
        for (version, at) in [(1, 1_000), (2, 1_500), (3, 2_000)] {
            recent.note(&key("a"), &event(version, at), Timestamp(at));
        }
        assert_eq!(recent.next_settling(Timestamp(2_200)), Some(800));
        assert!(recent.settled(Timestamp(2_999)).is_empty());
        assert_eq!(versions(recent.settled(Timestamp(3_000))), [3]);
        assert!(recent.settled(Timestamp(10_999)).is_empty());
        assert_eq!(recent.next_settling(Timestamp(10_000)), Some(1_000));
        assert_eq!(versions(recent.settled(Timestamp(11_000))), [3]);
        assert_eq!(recent.next_settling(Timestamp(11_000)), None);
        assert!(recent.settled(Timestamp(99_000)).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        for number in 0..5_000 {
            recent.note(
                &key(&number.to_string()),
                &event(1, 1_000),
                Timestamp(1_000),
            );
        }
        assert!(recent.entries.len() <= CAPACITY);
        for version in 1..5_000 {
            recent.note(
                &key("hot"),
                &event(version, 1_000),
                Timestamp(i64::from(version)),
            );
        }
        assert!(recent.order.len() <= 5_000 + CAPACITY);
    }
}
