//! What changed a moment ago in one model: replayed to DataStore clients that have just subscribed (`client-js` 13.1),
//! and sent once more after a burst of writes to one record (`client-js` 13.2).
//!
//! What counts is when this node published a change, by a clock that nobody sets: the time of the change is the database's,
//! whose clock may be another one, or in doubt.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use driftless_resolvers::feed::{Event, Operation};
use driftless_resolvers::storage::Key;
use driftless_resolvers::weight;
use driftless_resolvers::{Record, Timestamp};

/// How far a replay reaches back.
const REACH: Duration = Duration::from_secs(30);
/// Two writes of one record closer than this are one burst. The client that made the first throws the
/// second's event away while its answer is under way, and an answer may take eight seconds and its way (`errata.md` 2.13).
const BURST: Duration = Duration::from_secs(10);
/// How long after the last write of a burst the record is sent once more: soon, and once when every answer has arrived
/// that was under way.
const TELLINGS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(9)];
/// At most so many records are remembered, and as many as weigh so much together, in bytes; the oldest go first.
const CAPACITY: usize = 1_000;
const HEAVIEST: usize = 16 << 20;

/// The newest published state of records that changed lately. It only ever holds what was published before, in the
/// same order, so that nothing taken from it is older than what a subscriber has seen.
#[derive(Debug, Default)]
pub struct Recent {
    entries: HashMap<Key, Entry>,
    /// What they weigh.
    weight: usize,
    /// One element per write, oldest first; those whose record was written again since are skipped.
    order: VecDeque<(Duration, Key)>,
    unsettled: HashMap<Key, Burst>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    last_write: Duration,
    /// How often the record was told since.
    told: usize,
}

impl Burst {
    /// When the record is told next.
    fn due(self) -> Duration {
        let pause = TELLINGS.get(self.told).copied();
        self.last_write
            .saturating_add(pause.unwrap_or(Duration::MAX))
    }
}

#[derive(Debug)]
struct Entry {
    event: Event,
    weight: usize,
    published: Duration,
}

impl Recent {
    /// Remembers an event that is being published at `now`.
    pub fn note(&mut self, key: &Key, event: &Event, now: Duration) {
        self.forget(now);
        let burst = self
            .entries
            .get(key)
            .is_some_and(|before| now.saturating_sub(before.published) <= BURST);
        if burst || self.unsettled.contains_key(key) {
            let burst = Burst {
                last_write: now,
                told: 0,
            };
            self.unsettled.insert(key.clone(), burst);
        }
        let entry = Entry {
            event: event.clone(),
            weight: weight::of(&event.record.fields),
            published: now,
        };
        self.weight += entry.weight;
        if let Some(former) = self.entries.insert(key.clone(), entry) {
            self.weight -= former.weight;
        }
        self.order.push_back((now, key.clone()));
    }

    /// The states to replay to somebody who subscribes now, in the order of the log.
    #[must_use]
    pub fn replay(&self, now: Duration) -> Vec<Event> {
        let recent = self
            .entries
            .values()
            .filter(|entry| now.saturating_sub(entry.published) <= REACH);
        restated(recent)
    }

    /// How long it is until the next record is to be told once more.
    #[must_use]
    pub fn next_settling(&self, now: Duration) -> Option<Duration> {
        let due = self.unsettled.values().map(|burst| burst.due()).min()?;
        Some(due.saturating_sub(now))
    }

    /// The newest state of every record that is to be told now, in the order of the log.
    pub fn settled(&mut self, now: Duration) -> Vec<Event> {
        let mut due = Vec::new();
        let entries = &self.entries;
        self.unsettled.retain(|key, burst| {
            if burst.due() > now {
                return true;
            }
            due.extend(entries.get(key));
            burst.told += 1;
            burst.told < TELLINGS.len()
        });
        restated(due)
    }

    fn forget(&mut self, now: Duration) {
        while let Some((published, key)) = self.order.front() {
            let full = self.entries.len() >= CAPACITY || self.weight > HEAVIEST;
            let old = full || now.saturating_sub(*published) > REACH;
            let superseded = self
                .entries
                .get(key)
                .is_none_or(|entry| entry.published > *published);
            if !old && !superseded {
                return;
            }
            if !superseded && let Some(entry) = self.entries.remove(key) {
                self.weight -= entry.weight;
                self.unsettled.remove(key);
            }
            self.order.pop_front();
        }
    }
}

/// Whether a record changed a moment ago, by the clock that its time comes from: what is taken up of a log that nobody
/// listened to may be old.
pub fn is_recent(record: &Record, now: Timestamp) -> bool {
    let reach = i64::try_from(REACH.as_millis()).unwrap_or(i64::MAX);
    now.0.saturating_sub(record.last_changed_at.0) <= reach
}

/// The states of records as events, whole whatever the last mutation selected. DataStore upserts whatever the kind is;
/// only the flag decides (`client-js` 12.2).
fn restated<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Event> {
    let restate = |Entry { event, .. }: &Entry| Event {
        operation: match event.record.deleted {
            true => Operation::Delete,
            false => Operation::Update,
        },
        selected: None,
        ..event.clone()
    };
    let mut events: Vec<Event> = entries.into_iter().map(restate).collect();
    events.sort_by_key(|event| event.seq);
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::feed::Seq;
    use driftless_resolvers::{Fields, Version};
    use std::sync::Arc;

    fn after(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

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
        recent.note(&key("a"), &event(1, 1_000), after(1_000));
        recent.note(&key("a"), &event(2, 5_000), after(5_000));
        assert_eq!(versions(recent.replay(after(6_000))), [2]);
        assert!(
            recent
                .replay(after(6_000))
                .iter()
                .all(|event| event.operation == Operation::Update)
        );
    }

    #[test]
    fn a_replay_forgets_after_half_a_minute() {
        let mut recent = Recent::default();
        recent.note(&key("a"), &event(1, 1_000), after(1_000));
        assert_eq!(versions(recent.replay(after(31_001))), [0_u32; 0]);
        recent.note(&key("b"), &event(1, 40_000), after(40_000));
        assert_eq!(recent.entries.len(), 1);
    }

    /// A database whose clock is hours ahead or behind, or stands still.
    #[test]
    fn the_time_of_a_change_does_not_matter() {
        for at in [-7_200_000, 0, 7_200_000] {
            let mut recent = Recent::default();
            recent.note(&key("a"), &event(1, at), after(1_000));
            recent.note(&key("a"), &event(2, at), after(2_000));
            assert_eq!(versions(recent.replay(after(31_000))), [2], "{at}");
            assert_eq!(versions(recent.settled(after(3_000))), [2], "{at}");
        }
    }

    #[test]
    fn one_write_needs_no_settling() {
        let mut recent = Recent::default();
        recent.note(&key("a"), &event(1, 1_000), after(1_000));
        assert_eq!(recent.next_settling(after(1_000)), None);
    }

    #[test]
    fn a_burst_is_told_soon_after_its_last_write_and_once_when_its_answers_have_arrived() {
        let mut recent = Recent::default();
        for (version, at) in [(1, 1_000), (2, 1_500), (3, 2_000)] {
            recent.note(&key("a"), &event(version, at), after(at.unsigned_abs()));
        }
        assert_eq!(recent.next_settling(after(2_200)), Some(after(800)));
        assert!(recent.settled(after(2_999)).is_empty());
        assert_eq!(versions(recent.settled(after(3_000))), [3]);
        assert!(recent.settled(after(10_999)).is_empty());
        assert_eq!(recent.next_settling(after(10_000)), Some(after(1_000)));
        assert_eq!(versions(recent.settled(after(11_000))), [3]);
        assert_eq!(recent.next_settling(after(11_000)), None);
        assert!(recent.settled(after(99_000)).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        for number in 0..5_000 {
            recent.note(&key(&number.to_string()), &event(1, 1_000), after(1_000));
        }
        assert!(recent.entries.len() <= CAPACITY);
        for number in 0..40 {
            let mut heavy = event(1, 1_000);
            let mut fields = Fields::new();
            fields.insert("note".to_owned(), "x".repeat(HEAVIEST / 8).into());
            Arc::make_mut(&mut heavy.record).fields = fields;
            recent.note(&key(&format!("heavy {number}")), &heavy, after(1_001));
            recent.note(&key("heavy again"), &heavy, after(1_001));
        }
        assert!((8..=10).contains(&recent.entries.len()));
        for number in 0..CAPACITY {
            recent.note(
                &key(&format!("light {number}")),
                &event(1, 1_000),
                after(1_001),
            );
        }
        let weights = recent.entries.values().map(|entry| entry.weight);
        assert_eq!(recent.weight, weights.sum::<usize>());
        for version in 1..5_000 {
            recent.note(
                &key("hot"),
                &event(version, 1_000),
                after(u64::from(version)),
            );
        }
        assert!(recent.order.len() <= 5_000 + CAPACITY);
    }
}
