//! What one accepted mutation may turn a record into, written down from the documented rules only
//! (`sync-semantics` 2.2 and 6.1). The server's merge code shares nothing with it, so it can be found wrong.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    document::Operation,
    outbox::Mutation,
    record::{Fields, Record, STAMPS, without_nulls},
    schema::{Field, Kind, Model},
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
    model: &Model,
    mutation: &Mutation,
    before: Option<&Record>,
    after: &Record,
    strategy: Strategy,
) -> bool {
    let given = [Some(&mutation.input), before.map(|record| &record.fields)];
    let outcomes = outcomes(model, mutation, before, strategy);
    outcomes.iter().any(|(fields, deleted)| {
        *deleted == after.deleted && same(model, fields, &after.fields, given)
    })
}

/// Equal but for the times the server stamps. What was `given` must be there in the same words; JSON that a merge has put
/// together may be written in any way.
fn same(model: &Model, expected: &Fields, found: &Fields, given: [Option<&Fields>; 2]) -> bool {
    let mut names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    names.retain(|name| !STAMPS.contains(&name.as_str()));
    names.into_iter().all(|name| {
        let (expected, found) = (expected.get(name), found.get(name));
        let was_given = || {
            given
                .into_iter()
                .flatten()
                .any(|fields| fields.get(name) == expected)
        };
        let is_json = model
            .field(name)
            .is_some_and(|field| matches!(field.kind, Kind::Json));
        expected == found
            || is_json
                && !was_given()
                && means(expected).is_some_and(|meaning| means(found) == Some(meaning))
    })
}

/// What JSON in a text says.
fn means(text: Option<&Value>) -> Option<Value> {
    serde_json::from_str(text?.as_str()?).ok()
}

/// The contents an accepted mutation may lead to; empty when it must be refused.
pub fn outcomes(
    model: &Model,
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
            let fields = merged(&model.fields, &record.fields, &mutation.input);
            let merged = (fields, record.deleted);
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

/// The version did not match: nothing stored is overwritten, lists grow, nested values and JSON merge.
fn merged(known: &[Field], stored: &Fields, input: &Fields) -> Fields {
    let mut fields = stored.clone();
    for (name, value) in input {
        let value = without_nulls(value);
        let kind = known
            .iter()
            .find(|field| field.name == *name)
            .map(|field| &field.kind);
        match (fields.get_mut(name), value) {
            (_, Value::Null) => {}
            (None, value) => {
                fields.insert(name.clone(), value);
            }
            (Some(kept), sent) if matches!(kind, Some(Kind::Json)) => merge_json(kept, &sent),
            (Some(Value::Array(kept)), Value::Array(sent)) => kept.extend(sent),
            (Some(Value::Object(kept)), Value::Object(sent)) => {
                let inner: &[Field] = match kind {
                    Some(Kind::Object(fields)) => fields,
                    _ => &[],
                };
                *kept = merged(inner, kept, &sent);
            }
            _ => {}
        }
    }
    fields
}

/// JSON in texts merges by what it says (example A17); where that changes nothing the text stays as it was written.
fn merge_json(kept: &mut Value, sent: &Value) {
    let (Some(stored), Some(incoming)) = (means(Some(kept)), means(Some(sent))) else {
        return;
    };
    let mut meaning = stored.clone();
    merge_meaning(&mut meaning, incoming);
    if stored.is_null() {
        *kept = sent.clone();
    } else if meaning != stored {
        *kept = meaning.to_string().into();
    }
}

fn merge_meaning(stored: &mut Value, incoming: Value) {
    match (stored, incoming) {
        (Value::Array(stored), Value::Array(incoming)) => stored.extend(incoming),
        (Value::Object(stored), Value::Object(incoming)) => {
            for (name, incoming) in incoming {
                match stored.get_mut(&name) {
                    Some(stored) if !stored.is_null() => merge_meaning(stored, incoming),
                    _ => drop(stored.insert(name, incoming)),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::RecordId;
    use crate::schema::Schema;

    fn explains(
        mutation: &Mutation,
        before: Option<&Record>,
        after: &Record,
        strategy: Strategy,
    ) -> bool {
        let text = r#"{"models": [{"name": "Post", "plural": "Posts", "key": ["id"],
            "fields": [{"name": "id", "kind": "text"}, {"name": "meta", "kind": "json"}]}]}"#;
        let schema = Schema::from_json(text).unwrap();
        super::explains(&schema.models[0], mutation, before, after, strategy)
    }

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
    fn stale_json_merges_by_what_it_says_and_keeps_its_words_where_that_is_nothing_new() {
        let meta = |text: &str| json!({ "meta": text });
        let before = record(5, &meta(r#"{"k": 1, "list": ["a"], "none": null}"#), false);
        let explained = |sent: &str, after: &str| {
            let stale = update(Some(4), &meta(sent));
            let after = record(6, &meta(after), false);
            explains(&stale, Some(&before), &after, Strategy::Automerge)
        };
        let sent = r#"{"k":2,"z":{"y":1},"list":["a"],"none":3}"#;
        assert!(explained(
            sent,
            r#"{ "z":{"y":1}, "none":3, "list":["a","a"], "k":1 }"#
        ));
        assert!(!explained(
            sent,
            r#"{"z":{"y":1},"none":3,"list":["a"],"k":1}"#
        ));
        assert!(explained(
            r#"{"k":2}"#,
            r#"{"k": 1, "list": ["a"], "none": null}"#
        ));
        assert!(!explained(
            r#"{"k":2}"#,
            r#"{"k":1,"list":["a"],"none":null}"#
        ));
        let replaced = update(Some(5), &meta(r#"{"k":2}"#));
        let reworded = record(6, &meta(r#"{"k": 2}"#), false);
        assert!(!explains(
            &replaced,
            Some(&before),
            &reworded,
            Strategy::Automerge
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
