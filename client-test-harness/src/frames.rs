//! The delivery rules of one socket: each version of a record at most once per subscription and never going back.

use std::collections::HashMap;

use crate::{
    document::Operation,
    realtime::Topic,
    record::{Record, RecordId},
};

/// What one socket has delivered so far.
#[derive(Debug)]
pub struct FrameLog {
    repeats: bool,
    by_topic: HashMap<(Topic, RecordId), u64>,
    by_record: HashMap<RecordId, (u64, bool)>,
}

impl FrameLog {
    /// A log for a new socket; `repeats` where replay and settle frames may repeat the newest version (errata row 13).
    pub fn new(repeats: bool) -> Self {
        Self {
            repeats,
            by_topic: HashMap::new(),
            by_record: HashMap::new(),
        }
    }

    /// Notes a delivery and says which rule it breaks, if one.
    pub fn note(&mut self, topic: &Topic, id: &RecordId, record: &Record) -> Result<(), String> {
        let version = record.version;
        let on_topic = self.by_topic.insert((topic.clone(), id.clone()), version);
        let before = self.by_record.insert(id.clone(), (version, record.deleted));
        let on_socket = before.map(|(version, _)| version);
        let backwards = |before: Option<u64>| before.is_some_and(|before| version < before);
        let again = on_topic == Some(version) || on_socket == Some(version);
        if backwards(on_topic) || backwards(on_socket) {
            return Err(format!(
                "{id}: version {version} was delivered after version {on_socket:?}"
            ));
        }
        if again && !self.repeats {
            return Err(format!("{id}: version {version} was delivered twice"));
        }
        // Between two versions that do not follow each other a filter may have hidden a deletion.
        let was_live = before.is_some_and(|(before, deleted)| !deleted && version <= before + 1);
        check_kind(topic, record, was_live)
            .map_err(|problem| format!("{id}: version {version} {problem}"))
    }
}

/// The deleted flag decides what a client does (`client-js` 0.10); a create makes a record where there was none, or a
/// deleted one.
fn check_kind(topic: &Topic, record: &Record, was_live: bool) -> Result<(), &'static str> {
    match topic.operation {
        Operation::Delete if !record.deleted => Err("came by onDelete without _deleted"),
        Operation::Create if was_live => Err("of a live record came by onCreate"),
        Operation::Create if record.deleted => Err("came by onCreate with _deleted"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(log: &mut FrameLog, operation: Operation, version: u64) -> Result<(), String> {
        let topic = Topic {
            operation,
            model: "Post".into(),
        };
        let id = RecordId {
            model: "Post".into(),
            key: vec!["p".into()],
        };
        let record = Record {
            fields: crate::record::Fields::new(),
            version,
            last_changed: 1,
            deleted: operation == Operation::Delete,
        };
        log.note(&topic, &id, &record)
    }

    #[test]
    fn a_live_version_comes_once_and_in_order() {
        let mut log = FrameLog::new(false);
        assert!(note(&mut log, Operation::Create, 1).is_ok());
        assert!(note(&mut log, Operation::Update, 2).is_ok());
        assert!(note(&mut log, Operation::Update, 2).is_err());
        assert!(note(&mut log, Operation::Update, 1).is_err());
    }

    #[test]
    fn a_create_follows_nothing_or_a_deletion() {
        let mut log = FrameLog::new(false);
        assert!(note(&mut log, Operation::Create, 3).is_ok());
        assert!(note(&mut log, Operation::Create, 4).is_err());
        assert!(note(&mut log, Operation::Delete, 5).is_ok());
        assert!(note(&mut log, Operation::Create, 6).is_ok());
        assert!(note(&mut log, Operation::Create, 8).is_ok());
    }

    #[test]
    fn order_holds_across_the_three_subscriptions_of_a_model() {
        let mut log = FrameLog::new(false);
        assert!(note(&mut log, Operation::Delete, 3).is_ok());
        assert!(note(&mut log, Operation::Update, 2).is_err());
    }

    #[test]
    fn a_settle_frame_may_repeat_the_newest_version_but_never_an_older_one() {
        let mut log = FrameLog::new(true);
        assert!(note(&mut log, Operation::Update, 3).is_ok());
        assert!(note(&mut log, Operation::Update, 3).is_ok());
        assert!(note(&mut log, Operation::Update, 2).is_err());
    }
}
