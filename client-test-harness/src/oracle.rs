//! What one accepted mutation may turn a record into, written down from the documented rules only
//! (`sync-semantics` 2.2 and 6.1). The server's merge code shares nothing with it, so it can be found wrong.

use serde_json::{Map, Value};

use crate::{
    document::Operation,
    outbox::Mutation,
    record::{Fields, Record, STAMPS, without_nulls},
};

/// The server's conflict strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// Stale updates are merged field by field, stale deletes refused.
    Automerge,
    /// Everything stale is refused.
    Optimistic,
    /// Everything stale is taken as it came.
    LastWriter,
}

/// Whether accepting `mutation` can have turned `before` into `after`, which is one version later.
pub fn explains(
    mutation: &Mutation,
    before: Option<&Record>,
    after: &Record,
    strategy: Strategy,
) -> bool {
    let outcomes = outcomes(mutation, before, strategy);
    outcomes
        .iter()
        .any(|(fields, deleted)| *deleted == after.deleted && same(fields, &after.fields))
}

/// Equal but for the times the server stamps.
fn same(left: &Fields, right: &Fields) -> bool {
    let bare = |fields: &Fields| -> Fields {
        let kept = fields
            .iter()
            .filter(|(name, _)| !STAMPS.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    bare(left) == bare(right)
}

/// The contents an accepted mutation may lead to; empty when it must be refused.
pub fn outcomes(
    mutation: &Mutation,
    before: Option<&Record>,
    strategy: Strategy,
) -> Vec<(Fields, bool)> {
    let matches =
        strategy == Strategy::LastWriter || mutation.version == before.map(|record| record.version);
    match (mutation.operation, before) {
        (Operation::Create, None) => vec![(replaced(&Map::new(), &mutation.input), false)],
        // Over a tombstone whose time is over, or that a create may revive; another one is an error.
        (Operation::Create, Some(record)) if record.deleted => {
            vec![(replaced(&Map::new(), &mutation.input), false)]
        }
        (Operation::Update, Some(record)) if matches => {
            vec![(replaced(&record.fields, &mutation.input), record.deleted)]
        }
        (Operation::Update, Some(record)) if strategy == Strategy::Automerge => {
            let merged = (merged(&record.fields, &mutation.input), record.deleted);
            match record.deleted {
                // Delete wins; whether the tombstone takes the fields is left open (example A13).
                true => vec![merged, (record.fields.clone(), true)],
                false => vec![merged],
            }
        }
        (Operation::Delete, Some(record)) if matches => vec![(record.fields.clone(), true)],
        _ => Vec::new(),
    }
}

/// The version matched: sent values replace stored ones, nulls clear, what was not sent stays.
fn replaced(stored: &Fields, input: &Fields) -> Fields {
    let mut fields = stored.clone();
    for (name, value) in input {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), without_nulls(value));
        }
    }
    fields
}

/// The version did not match: nothing stored is overwritten, lists grow, nested values merge.
fn merged(stored: &Fields, input: &Fields) -> Fields {
    let mut fields = stored.clone();
    for (name, value) in input {
        let value = without_nulls(value);
        match (fields.get_mut(name), value) {
            (_, Value::Null) => {}
            (None, value) => {
                fields.insert(name.clone(), value);
            }
            (Some(Value::Array(kept)), Value::Array(sent)) => kept.extend(sent),
            (Some(Value::Object(kept)), Value::Object(sent)) => *kept = merged(kept, &sent),
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::RecordId;

    fn record(version: u64, fields: &Value, deleted: bool) -> Record {
        Record {
            fields: fields.as_object().unwrap().clone(),
            version,
            last_changed: version,
            deleted,
        }
    }

    fn update(version: Option<u64>, input: &Value) -> Mutation {
        Mutation {
            id: RecordId {
                model: "Post".into(),
                key: vec!["p".into()],
            },
            operation: Operation::Update,
            input: input.as_object().unwrap().clone(),
            version,
        }
    }

    #[test]
    fn a_stale_update_appends_lists_merges_nested_values_and_keeps_scalars() {
        let before = record(
            5,
            &json!({"note": "n", "nested": {"a": 1, "b": [1]}, "tags": ["x"]}),
            false,
        );
        let stale = update(
            Some(4),
            &json!({"note": null, "nested": {"a": 2, "b": [2], "c": 3}, "tags": ["x", "y"], "new": 1}),
        );
        let after = record(
            6,
            &json!({"note": "n", "nested": {"a": 1, "b": [1, 2], "c": 3}, "tags": ["x", "x", "y"], "new": 1}),
            false,
        );
        assert!(explains(&stale, Some(&before), &after, Strategy::Automerge));
        assert!(!explains(
            &stale,
            Some(&before),
            &after,
            Strategy::Optimistic
        ));
    }

    #[test]
    fn a_vanished_list_element_is_not_explained() {
        let before = record(5, &json!({"tags": ["x"]}), false);
        let stale = update(Some(4), &json!({"tags": ["y"]}));
        let lost = record(6, &json!({"tags": ["y"]}), false);
        assert!(!explains(&stale, Some(&before), &lost, Strategy::Automerge));
    }

    #[test]
    fn an_update_of_the_stored_version_replaces_and_clears() {
        let before = record(5, &json!({"note": "n", "tags": ["x"], "other": 1}), false);
        let current = update(Some(5), &json!({"note": null, "tags": ["y"]}));
        let after = record(6, &json!({"tags": ["y"], "other": 1}), false);
        assert!(explains(
            &current,
            Some(&before),
            &after,
            Strategy::Optimistic
        ));
    }

    #[test]
    fn an_update_never_brings_a_deleted_record_back() {
        let before = record(5, &json!({"note": "n"}), true);
        let revived = record(6, &json!({"note": "m"}), false);
        let current = update(Some(5), &json!({"note": "m"}));
        assert!(!explains(
            &current,
            Some(&before),
            &revived,
            Strategy::Automerge
        ));
    }

    #[test]
    fn only_a_create_brings_a_deleted_record_back_and_with_nothing_of_what_it_was() {
        let dead = record(5, &json!({"note": "n", "other": 1}), true);
        let mut create = update(None, &json!({"note": "m"}));
        create.operation = Operation::Create;
        let reborn = record(6, &json!({"note": "m"}), false);
        assert!(explains(&create, Some(&dead), &reborn, Strategy::Automerge));
        let alive = record(5, &json!({"note": "n"}), false);
        assert!(!explains(
            &create,
            Some(&alive),
            &reborn,
            Strategy::Automerge
        ));
    }

    #[test]
    fn the_last_writer_replaces_and_deletes_whatever_version_it_knew() {
        let before = record(5, &json!({"note": "n", "tags": ["x"]}), false);
        let stale = update(Some(2), &json!({"note": null, "tags": ["y"]}));
        let after = record(6, &json!({"tags": ["y"]}), false);
        assert!(explains(
            &stale,
            Some(&before),
            &after,
            Strategy::LastWriter
        ));
        let mut delete = update(Some(2), &json!({}));
        delete.operation = Operation::Delete;
        let gone = record(6, &json!({"note": "n", "tags": ["x"]}), true);
        assert!(explains(
            &delete,
            Some(&before),
            &gone,
            Strategy::LastWriter
        ));
    }

    #[test]
    fn a_stale_delete_explains_nothing() {
        let before = record(5, &json!({"note": "n"}), false);
        let mut delete = update(Some(4), &json!({}));
        delete.operation = Operation::Delete;
        let after = record(6, &json!({"note": "n"}), true);
        assert!(!explains(
            &delete,
            Some(&before),
            &after,
            Strategy::Automerge
        ));
    }
}
