//! The replica: records by model and key, and the merge rule that lets remote versions in.

use std::collections::BTreeMap;

use crate::{
    family::MergeRule,
    record::{Fields, Record, RecordId, without_nulls},
};

/// What a client knows of a record's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `_version`.
    pub version: u64,
    /// `_lastChangedAt`.
    pub last_changed: u64,
}

/// A client's copy of the data, its own unsent edits included.
#[derive(Debug)]
pub struct LocalStore {
    rule: MergeRule,
    rows: BTreeMap<RecordId, Fields>,
    metadata: BTreeMap<RecordId, Metadata>,
}

impl LocalStore {
    /// An empty store that merges by the given rule.
    pub fn new(rule: MergeRule) -> Self {
        Self {
            rule,
            rows: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// The visible records.
    pub fn rows(&self) -> impl Iterator<Item = (&RecordId, &Fields)> {
        self.rows.iter()
    }

    /// A visible record's fields.
    pub fn row(&self, id: &RecordId) -> Option<&Fields> {
        self.rows.get(id)
    }

    /// The version a mutation of this record would name.
    pub fn version(&self, id: &RecordId) -> Option<u64> {
        self.metadata.get(id).map(|metadata| metadata.version)
    }

    /// Version and time as last heard.
    pub fn metadata(&self, id: &RecordId) -> Option<Metadata> {
        self.metadata.get(id).copied()
    }

    /// Applies the user's own edit; absent fields stay, nulls clear.
    pub fn edit(&mut self, id: &RecordId, changes: &Fields) {
        let row = self.rows.entry(id.clone()).or_default();
        for (name, value) in changes {
            if value.is_null() {
                row.remove(name);
            } else {
                row.insert(name.clone(), without_nulls(value));
            }
        }
    }

    /// Applies the user's own delete; metadata is kept for the answer.
    pub fn remove(&mut self, id: &RecordId) {
        self.rows.remove(id);
    }

    /// Lets a remote record in if the rule allows it; whether it does.
    pub fn merge(&mut self, id: &RecordId, record: &Record) -> bool {
        let known = self.metadata.get(id).map(|metadata| metadata.version);
        let stale = known.is_some_and(|version| version >= record.version);
        let lets_in = match self.rule {
            MergeRule::VersionGate => !stale,
            MergeRule::Blind => true,
        };
        if lets_in {
            self.put(id, record);
        }
        lets_in
    }

    /// Takes a remote record whatever the rule says (the user's edit lost a conflict).
    pub fn put(&mut self, id: &RecordId, record: &Record) {
        let metadata = Metadata {
            version: record.version,
            last_changed: record.last_changed,
        };
        if record.deleted {
            self.rows.remove(id);
        } else {
            self.rows.insert(id.clone(), record.fields.clone());
        }
        match self.rule {
            // JS keeps nothing of a deleted record; the native clients keep its version as a gate.
            MergeRule::Blind if record.deleted => self.metadata.remove(id),
            MergeRule::Blind | MergeRule::VersionGate => self.metadata.insert(id.clone(), metadata),
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id() -> RecordId {
        RecordId {
            model: "Post".into(),
            key: vec!["p".into()],
        }
    }

    fn record(version: u64, title: &str, deleted: bool) -> Record {
        let fields = json!({"id": "p", "title": title});
        Record {
            fields: fields.as_object().unwrap().clone(),
            version,
            last_changed: version,
            deleted,
        }
    }

    fn title(store: &LocalStore) -> Option<&str> {
        store.row(&id())?["title"].as_str()
    }

    #[test]
    fn the_blind_rule_lets_an_older_version_overwrite_a_newer_one() {
        let mut store = LocalStore::new(MergeRule::Blind);
        store.merge(&id(), &record(3, "new", false));
        store.merge(&id(), &record(2, "old", false));
        assert_eq!(title(&store), Some("old"));
    }

    #[test]
    fn the_version_gate_keeps_the_newer_version() {
        let mut store = LocalStore::new(MergeRule::VersionGate);
        store.merge(&id(), &record(3, "new", false));
        store.merge(&id(), &record(2, "old", false));
        store.merge(&id(), &record(3, "same version, other text", false));
        assert_eq!(title(&store), Some("new"));
    }

    #[test]
    fn the_version_gate_does_not_resurrect_a_deleted_record() {
        let mut store = LocalStore::new(MergeRule::VersionGate);
        store.merge(&id(), &record(4, "", true));
        store.merge(&id(), &record(3, "late", false));
        assert_eq!(title(&store), None);
    }

    #[test]
    fn the_blind_rule_resurrects_a_deleted_record_from_a_late_update() {
        let mut store = LocalStore::new(MergeRule::Blind);
        store.merge(&id(), &record(4, "", true));
        assert_eq!(store.version(&id()), None);
        store.merge(&id(), &record(3, "late", false));
        assert_eq!(title(&store), Some("late"));
    }
}
