//! Does one order of the clients' mutations explain every version the server ever published?
//!
//! A strict observer has seen each version of each record. Every step from one version to the next must be the work of
//! exactly one mutation that some client sent, every acknowledged mutation must be one of those steps, and a refused one
//! none. A lost, doubled, reordered or invented write leaves a version or an acknowledgement unexplained.

use std::collections::BTreeMap;

use crate::{
    ledger::{Entry, Outcome},
    oracle::{Strategy, explains},
    record::{Record, RecordId},
    schema::{Model, Schema},
};

/// All versions of one record in order.
pub type Versions = BTreeMap<u64, Record>;

/// Checks every record of a run; the answer lists what cannot be explained.
pub fn check(
    histories: &BTreeMap<RecordId, Versions>,
    entries: &[Entry],
    schema: &Schema,
    strategy: Strategy,
) -> Vec<String> {
    let mut sent: BTreeMap<&RecordId, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        sent.entry(&entry.mutation.id).or_default().push(entry);
    }
    let empty = Versions::new();
    let mut problems = Vec::new();
    for (id, entries) in &sent {
        let versions = histories.get(*id).unwrap_or(&empty);
        problems.extend(check_answers(id, versions, entries));
        match schema.model(&id.model) {
            Some(model) => problems.extend(check_steps(id, model, versions, entries, strategy)),
            None => problems.push(format!("{id} is of no model")),
        }
    }
    for id in histories.keys().filter(|id| !sent.contains_key(id)) {
        problems.push(format!("{id} was published but nobody wrote it"));
    }
    problems
}

/// What a client was told must be what was stored under that version.
fn check_answers(id: &RecordId, versions: &Versions, entries: &[&Entry]) -> Vec<String> {
    let mut problems = Vec::new();
    for entry in entries {
        if let Outcome::Acknowledged(record) = &entry.outcome
            && versions.get(&record.version) != Some(record)
        {
            problems.push(format!(
                "{id}: {} was answered {record:?}, but version {} was published as {:?}",
                describe(entry),
                record.version,
                versions.get(&record.version)
            ));
        }
    }
    problems
}

fn check_steps(
    id: &RecordId,
    model: &Model,
    versions: &Versions,
    entries: &[&Entry],
    strategy: Strategy,
) -> Vec<String> {
    let groups = group(entries);
    let mut matching = Matching::new(model, versions, &groups, strategy);
    let mut problems = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        if group.acknowledged && !matching.place_group(number) {
            problems.push(format!(
                "{id}: no published version shows the acknowledged {}",
                describe(group.entries[0])
            ));
        }
    }
    for index in 0..matching.versions.len() {
        if !matching.place_version(index) {
            let after = &matching.versions[index];
            let before = versions.get(&(after.version - 1));
            let tried: Vec<_> = entries.iter().map(|entry| describe(entry)).collect();
            problems.push(format!(
                "{id}: no mutation explains version {}: {before:?} -> {after:?}; sent were:\n    {}",
                after.version,
                tried.join("\n    ")
            ));
        }
    }
    problems
}

fn describe(entry: &Entry) -> String {
    let outcome = match &entry.outcome {
        Outcome::Unknown => "unanswered".to_owned(),
        Outcome::Acknowledged(record) => format!("acknowledged as {}", record.version),
        Outcome::Rejected(kind) => format!("refused with {kind}"),
    };
    format!(
        "{:?} by {} on version {:?} with {}, sent {}x, {outcome}",
        entry.mutation.operation,
        entry.client,
        entry.mutation.version,
        serde_json::Value::Object(entry.mutation.input.clone()),
        entry.attempts
    )
}

/// Mutations the server cannot tell apart: same record, operation, input and base version (errata row 15).
struct Group<'a> {
    entries: Vec<&'a Entry>,
    acknowledged: bool,
    most: usize,
    version: Option<u64>,
}

fn group<'a>(entries: &[&'a Entry]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for entry in entries {
        let known = groups
            .iter_mut()
            .find(|group| group.entries[0].mutation == entry.mutation);
        match known {
            Some(group) => group.entries.push(entry),
            None => groups.push(Group {
                entries: vec![entry],
                acknowledged: false,
                most: 0,
                version: None,
            }),
        }
    }
    for group in &mut groups {
        group.acknowledged = group
            .entries
            .iter()
            .any(|entry| acknowledged(entry).is_some());
        group.most = group.entries.iter().map(|entry| most_steps(entry)).sum();
        group.version = match group.entries[..] {
            [entry] if entry.attempts == 1 => acknowledged(entry),
            _ => None,
        };
    }
    groups
}

fn acknowledged(entry: &Entry) -> Option<u64> {
    match &entry.outcome {
        Outcome::Acknowledged(record) => Some(record.version),
        Outcome::Unknown | Outcome::Rejected(_) => None,
    }
}

/// How many versions an entry may account for: a refusal that was the only attempt wrote nothing.
fn most_steps(entry: &Entry) -> usize {
    match entry.outcome {
        Outcome::Rejected(_) => entry.attempts.saturating_sub(1),
        Outcome::Unknown | Outcome::Acknowledged(_) => entry.attempts,
    }
}

/// For each version in order, the groups that may have made it.
fn fitting(
    model: &Model,
    versions: &Versions,
    groups: &[Group<'_>],
    strategy: Strategy,
) -> Vec<Vec<usize>> {
    let fits = |after: &Record, group: &Group<'_>| {
        let before = versions.get(&(after.version - 1));
        group.version.is_none_or(|version| version == after.version)
            && explains(model, &group.entries[0].mutation, before, after, strategy)
    };
    let makers = |after: &Record| -> Vec<usize> {
        let numbers = 0..groups.len();
        numbers
            .filter(|number| fits(after, &groups[*number]))
            .collect()
    };
    let mut fitting: Vec<Vec<usize>> = versions.values().map(makers).collect();
    // A mutation that was done on the very version it named is recognised when it is sent again (errata row 15), so the
    // only possible maker of the version after that one has made no other.
    let bound: Vec<(u64, usize)> = versions
        .keys()
        .zip(&fitting)
        .filter_map(|(version, makers)| match makers[..] {
            [only] => Some((*version, only)),
            _ => None,
        })
        .filter(|(version, only)| {
            // Of several devices' equal mutations the later ones may be done too. A create that is not recognised meets a
            // record, or goes over a tombstone.
            let entries = &groups[*only].entries;
            let base = entries[0].mutation.version;
            entries.len() == 1 && base.is_some_and(|base| base + 1 == *version)
        })
        .collect();
    for (version, only) in bound {
        for (other, makers) in versions.keys().zip(&mut fitting) {
            if *other != version {
                makers.retain(|maker| *maker != only);
            }
        }
    }
    fitting
}

/// Bipartite matching of versions to mutation slots by augmenting paths.
struct Matching<'a> {
    versions: Vec<&'a Record>,
    slots: Vec<usize>,
    candidates: Vec<Vec<usize>>,
    slot_of: Vec<Option<usize>>,
    version_of: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    fn new(
        model: &Model,
        versions: &'a Versions,
        groups: &[Group<'_>],
        strategy: Strategy,
    ) -> Self {
        let fitting = fitting(model, versions, groups, strategy);
        let slots: Vec<usize> = groups
            .iter()
            .enumerate()
            .flat_map(|(number, group)| std::iter::repeat_n(number, group.most))
            .collect();
        let candidates = fitting
            .iter()
            .map(|fitting| {
                let fits = |slot: &usize| fitting.contains(&slots[*slot]);
                (0..slots.len()).filter(fits).collect()
            })
            .collect();
        Self {
            versions: versions.values().collect(),
            slot_of: vec![None; versions.len()],
            version_of: vec![None; slots.len()],
            slots,
            candidates,
        }
    }

    /// Finds a slot for the version, moving others if need be.
    fn place_version(&mut self, version: usize) -> bool {
        self.slot_of[version].is_some() || {
            let mut seen = vec![false; self.slots.len()];
            self.augment_version(version, &mut seen)
        }
    }

    fn augment_version(&mut self, version: usize, seen: &mut [bool]) -> bool {
        for slot in self.candidates[version].clone() {
            if std::mem::replace(&mut seen[slot], true) {
                continue;
            }
            let free = match self.version_of[slot] {
                None => true,
                Some(other) => self.augment_version(other, seen),
            };
            if free {
                self.slot_of[version] = Some(slot);
                self.version_of[slot] = Some(version);
                return true;
            }
        }
        false
    }

    /// Finds a version for the group's first slot, moving others if need be.
    fn place_group(&mut self, group: usize) -> bool {
        let Some(slot) = self.slots.iter().position(|owner| *owner == group) else {
            return false;
        };
        let mut seen = vec![false; self.versions.len()];
        self.version_of[slot].is_some() || self.augment_slot(slot, &mut seen)
    }

    fn augment_slot(&mut self, slot: usize, seen: &mut [bool]) -> bool {
        for version in 0..self.versions.len() {
            if !self.candidates[version].contains(&slot)
                || std::mem::replace(&mut seen[version], true)
            {
                continue;
            }
            let free = match self.slot_of[version] {
                None => true,
                Some(other) => self.augment_slot(other, seen),
            };
            if free {
                self.slot_of[version] = Some(slot);
                self.version_of[slot] = Some(version);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{document::Operation, outbox::Mutation};

    fn id() -> RecordId {
        RecordId {
            model: "Post".into(),
            key: vec!["p".into()],
        }
    }

    fn record(version: u64, fields: &Value) -> Record {
        Record {
            fields: fields.as_object().unwrap().clone(),
            version,
            last_changed: version,
            deleted: false,
        }
    }

    fn entry(operation: Operation, version: Option<u64>, input: &Value, outcome: Outcome) -> Entry {
        Entry {
            client: "a".into(),
            mutation: Mutation {
                id: id(),
                operation,
                input: input.as_object().unwrap().clone(),
                version,
            },
            attempts: 1,
            outcome,
        }
    }

    fn created() -> Entry {
        let outcome = Outcome::Acknowledged(record(1, &json!({"tags": []})));
        entry(Operation::Create, None, &json!({"tags": []}), outcome)
    }

    fn append(token: &str, acknowledged: Option<Record>) -> Entry {
        let outcome = acknowledged.map_or(Outcome::Unknown, Outcome::Acknowledged);
        entry(
            Operation::Update,
            Some(0),
            &json!({"tags": [token]}),
            outcome,
        )
    }

    fn problems(versions: &[Record], entries: &[Entry]) -> Vec<String> {
        let versions = versions
            .iter()
            .map(|record| (record.version, record.clone()))
            .collect();
        check(
            &BTreeMap::from([(id(), versions)]),
            entries,
            &Schema::whitepaper(),
            Strategy::Automerge,
        )
    }

    #[test]
    fn a_history_that_some_order_explains_has_no_problems() {
        let two = record(2, &json!({"tags": ["x"]}));
        let three = record(3, &json!({"tags": ["x", "y"]}));
        let versions = [record(1, &json!({"tags": []})), two, three.clone()];
        let entries = [created(), append("y", Some(three)), append("x", None)];
        assert_eq!(problems(&versions, &entries), Vec::<String>::new());
    }

    #[test]
    fn an_acknowledged_write_that_no_version_shows_is_a_problem() {
        let versions = [record(1, &json!({"tags": []}))];
        let lost = append("x", Some(record(2, &json!({"tags": ["x"]}))));
        assert_eq!(problems(&versions, &[created(), lost]).len(), 2);
    }

    #[test]
    fn a_write_applied_twice_is_a_problem() {
        let two = record(2, &json!({"tags": ["x"]}));
        let versions = [
            record(1, &json!({"tags": []})),
            two.clone(),
            record(3, &json!({"tags": ["x", "x"]})),
        ];
        assert_eq!(
            problems(&versions, &[created(), append("x", Some(two))]).len(),
            1
        );
    }

    #[test]
    fn a_resent_write_counts_twice_only_if_it_was_stale_both_times() {
        let sent_twice = |base: u64| {
            let mut entry = append("x", None);
            entry.mutation.version = Some(base);
            entry.attempts = 2;
            entry
        };
        let versions = [
            record(1, &json!({"tags": []})),
            record(2, &json!({"tags": ["x"]})),
            record(3, &json!({"tags": ["x", "x"]})),
        ];
        assert_eq!(problems(&versions, &[created(), sent_twice(0)]).len(), 0);
        assert_eq!(problems(&versions, &[created(), sent_twice(1)]).len(), 1);
    }

    #[test]
    fn a_refused_write_that_shows_up_is_a_problem() {
        let versions = [
            record(1, &json!({"tags": []})),
            record(2, &json!({"tags": ["x"]})),
        ];
        let mut refused = append("x", None);
        refused.outcome = Outcome::Rejected("ConflictUnhandled".into());
        assert_eq!(problems(&versions, &[created(), refused.clone()]).len(), 1);
        refused.attempts = 2;
        assert_eq!(problems(&versions, &[created(), refused]).len(), 0);
    }

    #[test]
    fn two_acknowledgements_of_one_version_are_a_problem() {
        let two = record(2, &json!({"tags": ["x"]}));
        let versions = [record(1, &json!({"tags": []})), two.clone()];
        let mut other = append("x", Some(two.clone()));
        other.mutation.input = json!({"tags": ["x"], "note": null})
            .as_object()
            .unwrap()
            .clone();
        let entries = [created(), append("x", Some(two)), other];
        assert_eq!(problems(&versions, &entries).len(), 1);
    }
}
