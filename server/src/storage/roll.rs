//! Which nodes work with a database, so that none of them writes to a server of it before those have looked at it that may
//! know of more than it does.
//!
//! A copy of the database's files that is put back shows only to who knows of something that it lacks: of what one node
//! acknowledged a moment before, that is this node alone. If another one wrote first, it would give versions away that
//! clients hold already (`sync-design.md` F2). So every node signs the roll when it has looked at a server, and waits for the
//! others when it finds that the server is another one, or was started anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::storage::StorageError;
use tokio::time::{Instant, sleep};

use super::database::{Arg, Row, Statement};
use super::engine::Engine;
use super::statements::RUNS_SINCE;

/// How often a node shows that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// A node that was not seen for so long is not waited for: it was killed.
const GONE: Duration = Duration::from_secs(20);
/// How long to wait for a node that was there: longer than a network that has fallen silent keeps it.
const KNOWN: Duration = Duration::from_secs(10);
/// For how long a server must have been running because of nodes that nobody had seen yet: whoever works with it comes back
/// by then. It is not waited for longer than that, whatever the server's clock says.
const STRANGERS: Duration = Duration::from_secs(2);
/// The same for a node that joins, as long as there are others on the roll that have not looked at the server: they may
/// be gone for long.
const JOINING: Duration = Duration::from_secs(5);
/// Between two looks at the roll while there is somebody to wait for.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// What is on the roll.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Since when the server runs, in microseconds.
    pub(super) server: i64,
    /// For how long, by its clock.
    age: Duration,
    entries: Vec<Entry>,
}

/// A node on the roll.
#[derive(Debug)]
struct Entry {
    node: String,
    /// Which start of the server it has looked at.
    looked: i64,
    /// When it showed that it is there: another value each time.
    beat: i64,
}

/// What one node knows of the others.
pub(super) struct Roll {
    node: Arc<str>,
    /// The server that everybody has looked at; 0 before the first.
    settled: i64,
    /// The others that were there then.
    known: HashMap<String, Sighting>,
    /// The server that is waited at, and since when.
    waiting: Option<(i64, Instant)>,
    /// Where this node signed last, and when.
    signed: Option<(i64, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    beat: i64,
    at: Instant,
}

/// The roll, and whose it is.
pub(super) async fn read(engine: &Engine) -> Result<Reading, StorageError> {
    let sql = format!(
        "select {RUNS_SINCE}, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint), n.node, n.looked, n.seen_ms \
         from (select 1) one left join nodes n on true"
    );
    let rows = engine.rows(Statement::new(sql, Vec::new())).await?;
    let mut reading = Reading::default();
    for row in &rows {
        reading.server = row.int(0)?;
        let age = u64::try_from(row.int(1)? - reading.server).unwrap_or_default();
        reading.age = Duration::from_micros(age);
        if let Some(node) = row.maybe_text(2)? {
            reading.entries.push(entry(node, row)?);
        }
    }
    Ok(reading)
}

fn entry(node: String, row: &Row) -> Result<Entry, StorageError> {
    Ok(Entry {
        node,
        looked: row.int(3)?,
        beat: row.int(4)?,
    })
}

/// Takes a node that ends off the roll.
pub(super) async fn leave(engine: &Engine, node: &str) -> Result<(), StorageError> {
    let args = vec![Arg::Text(node.to_owned())];
    let sql = "delete from nodes where node = $1";
    engine.execute(Statement::new(sql, args)).await
}

impl Roll {
    /// That of a node which joins, when those who may know more have looked at the server.
    pub(super) async fn join(engine: &Engine, node: Arc<str>) -> Result<Roll, StorageError> {
        let mut roll = Roll::of(node);
        while !roll.call(&read(engine).await?, Instant::now()) {
            sleep(AGAIN).await;
        }
        Ok(roll)
    }

    fn of(node: Arc<str>) -> Roll {
        Roll {
            node,
            settled: 0,
            known: HashMap::new(),
            waiting: None,
            signed: None,
        }
    }

    /// Whether everybody who may know of writes that a server lacks has looked at it: who was there before, and is not
    /// silent for too long.
    pub(super) fn call(&mut self, reading: &Reading, now: Instant) -> bool {
        if reading.server != self.settled {
            let missing = self.missing(reading);
            let waited = now - self.waiting_since(reading.server, &missing, now);
            if self.waits(reading, waited, !missing.is_empty()) {
                return false;
            }
            self.say_end(&missing);
            self.settled = reading.server;
            self.waiting = None;
            self.known.clear();
        }
        self.see(reading, now);
        true
    }

    /// Since when a server is waited at.
    fn waiting_since(&mut self, server: i64, missing: &[String], now: Instant) -> Instant {
        if let Some((known, since)) = self.waiting
            && known == server
        {
            return since;
        }
        if !missing.is_empty() {
            tracing::info!(
                nodes = missing.join(", "),
                "the database was started anew, or is another one: nothing is written before these nodes have looked at it, too"
            );
        }
        self.waiting = Some((server, now));
        now
    }

    /// What is said of a server that is another one.
    fn say_end(&self, missing: &[String]) {
        if self.settled == 0 {
            return;
        }
        if missing.is_empty() {
            tracing::info!(
                "the database was started anew, or is another one: every node has looked at it, and writes go on"
            );
        } else {
            tracing::warn!(
                nodes = missing.join(", "),
                "these nodes have not come back to the database since it was started anew, and are not waited for any \
                 longer; what they acknowledged at last may be lost, and its versions be given away again"
            );
        }
    }

    fn waits(&self, reading: &Reading, waited: Duration, for_some: bool) -> bool {
        let running = reading.age.max(waited);
        if self.settled == 0 {
            return for_some && running < JOINING;
        }
        running < STRANGERS || for_some && waited < KNOWN
    }

    /// Who has not looked at the server: of those that are known, or for who has just come, of all.
    fn missing(&self, reading: &Reading) -> Vec<String> {
        if self.settled == 0 {
            let others = self.others(reading);
            let missing = others.filter(|entry| entry.looked != reading.server);
            return missing.map(|entry| entry.node.clone()).collect();
        }
        let has_looked = |node: &str| {
            let mut entries = reading.entries.iter();
            entries.any(|entry| entry.node == node && entry.looked == reading.server)
        };
        let known = self.known.keys();
        known.filter(|node| !has_looked(node)).cloned().collect()
    }

    /// Notes who is there.
    fn see(&mut self, reading: &Reading, now: Instant) {
        let mut known = HashMap::new();
        let others = self.others(reading);
        for entry in others.filter(|entry| entry.looked == reading.server) {
            let fresh = Sighting {
                beat: entry.beat,
                at: now,
            };
            let former = self.known.get(&entry.node).copied();
            let sighting = former
                .filter(|former| former.beat == entry.beat)
                .unwrap_or(fresh);
            if now - sighting.at < GONE {
                known.insert(entry.node.clone(), sighting);
            }
        }
        self.known = known;
    }

    fn others<'r>(&self, reading: &'r Reading) -> impl Iterator<Item = &'r Entry> + use<'r> {
        let node = Arc::clone(&self.node);
        let entries = reading.entries.iter();
        entries.filter(move |entry| *entry.node != *node)
    }

    /// Signs, unless that was done a moment ago: this node has looked at the server, and what it knew to be lost is dealt
    /// with. What nobody has signed for an hour is removed.
    pub(super) async fn sign(&mut self, engine: &Engine, server: i64) -> Result<(), StorageError> {
        let now = Instant::now();
        if let Some((signed, at)) = self.signed
            && signed == server
            && now - at < BEAT
        {
            return Ok(());
        }
        let sql = "with former as (delete from nodes where seen_ms < wall_ms() - 3600000 and node <> $1) \
                   insert into nodes (node, looked, seen_ms) values ($1, $2, wall_ms()) \
                   on conflict (node) do update set looked = excluded.looked, seen_ms = excluded.seen_ms";
        let args = vec![Arg::Text(self.node.to_string()), Arg::Int(server)];
        engine.execute(Statement::new(sql, args)).await?;
        self.signed = Some((server, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Duration = Duration::from_secs(3_600);

    fn roll() -> Roll {
        Roll::of("own".into())
    }

    /// What is on the roll of a server of this age: names, what they looked at, and their beats.
    fn reading(server: i64, age: Duration, entries: &[(&str, i64, i64)]) -> Reading {
        let entries = entries.iter().map(|(node, looked, beat)| Entry {
            node: (*node).to_owned(),
            looked: *looked,
            beat: *beat,
        });
        Reading {
            server,
            age,
            entries: entries.collect(),
        }
    }

    /// A roll that has seen the others on server 1, and when.
    fn settled(others: &[&str]) -> (Roll, Instant) {
        let mut roll = roll();
        let now = Instant::now();
        let entries: Vec<_> = others.iter().map(|node| (*node, 1, 1)).collect();
        assert!(roll.call(&reading(1, OLD, &entries), now));
        (roll, now)
    }

    #[test]
    fn who_joins_waits_for_others_only_while_the_server_is_young_and_they_have_not_looked() {
        let now = Instant::now();
        assert!(roll().call(&reading(1, Duration::ZERO, &[]), now));
        let own = reading(2, Duration::ZERO, &[("own", 1, 1)]);
        assert!(roll().call(&own, now));
        let looked = reading(2, Duration::ZERO, &[("a", 2, 1), ("b", 2, 1)]);
        assert!(roll().call(&looked, now));
        let killed_before = reading(2, OLD, &[("a", 1, 1)]);
        assert!(roll().call(&killed_before, now));

        let mut joining = roll();
        let one_is_missing = reading(2, Duration::ZERO, &[("a", 2, 1), ("b", 1, 1)]);
        assert!(!joining.call(&one_is_missing, now));
        // Its clock may stand still, or be set back.
        assert!(!joining.call(&one_is_missing, now + STRANGERS));
        assert!(joining.call(&one_is_missing, now + JOINING));
    }

    #[test]
    fn who_was_there_is_waited_for_at_a_new_server_until_it_has_looked_at_that_one() {
        let (mut roll, now) = settled(&["a", "b"]);
        let before = reading(2, OLD, &[("a", 1, 2), ("b", 2, 2)]);
        assert!(!roll.call(&before, now));
        assert!(!roll.call(&before, now + STRANGERS));
        // Another one takes over meanwhile.
        let again = reading(3, OLD, &[("a", 2, 2), ("b", 2, 2)]);
        assert!(!roll.call(&again, now + KNOWN));
        assert!(!roll.call(&again, now + KNOWN + STRANGERS));
        let all = reading(3, OLD, &[("a", 3, 2), ("b", 3, 2)]);
        assert!(roll.call(&all, now + KNOWN + STRANGERS));
    }

    #[test]
    fn who_does_not_come_back_is_not_waited_for_for_ever() {
        let (mut roll, now) = settled(&["a"]);
        let silent = reading(2, OLD, &[("a", 1, 1)]);
        assert!(!roll.call(&silent, now));
        assert!(!roll.call(&silent, now + KNOWN - AGAIN));
        assert!(roll.call(&silent, now + KNOWN));
        let third = reading(3, OLD, &[("a", 1, 1)]);
        assert!(roll.call(&third, now + KNOWN));
    }

    #[test]
    fn who_has_left_or_shows_no_sign_of_life_is_not_waited_for() {
        let (mut roll, now) = settled(&["left", "killed", "lives"]);
        for beat in 2..=4 {
            let entries = [("killed", 1, 1), ("lives", 1, beat)];
            let later = now + u32::try_from(beat).unwrap() * BEAT;
            assert!(roll.call(&reading(1, OLD, &entries), later));
        }
        let missing = roll.missing(&reading(2, OLD, &[("lives", 1, 4)]));
        assert_eq!(missing, ["lives"]);
    }

    /// The others are away for as long as the database is: their silence says nothing.
    #[test]
    fn who_was_there_before_a_long_absence_of_the_database_is_waited_for() {
        let (mut roll, now) = settled(&["a"]);
        let back = now + 10 * GONE;
        assert!(!roll.call(&reading(2, OLD, &[("a", 1, 1)]), back));
        assert!(!roll.call(&reading(2, OLD, &[("a", 1, 1)]), back + STRANGERS));
        assert!(roll.call(&reading(2, OLD, &[("a", 2, 2)]), back + STRANGERS));
    }

    #[test]
    fn a_server_that_was_just_started_waits_for_nodes_that_nobody_has_seen_yet() {
        let (mut roll, now) = settled(&[]);
        let young = reading(2, AGAIN, &[("joined late", 1, 1)]);
        assert!(!roll.call(&young, now));
        assert!(roll.call(&reading(2, STRANGERS, &[]), now + AGAIN));
    }
}
