//! What a [`Filter`] means, record by record: the reference for every other reader.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::{AttributeType, Filter, Test};
use crate::Record;

/// Whether a record passes a filter.
pub(super) fn filter(filter: &Filter, record: &Record) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| self::filter(part, record)),
        Filter::Any(parts) => parts.iter().any(|part| self::filter(part, record)),
        Filter::Not(part) => !self::filter(part, record),
        Filter::Field { name, test } => passes(test, attribute(record, name).as_deref()),
    }
}

/// An attribute by name, metadata included; `None` is missing.
fn attribute<'a>(record: &'a Record, name: &str) -> Option<Cow<'a, Value>> {
    match name {
        "_deleted" => record.deleted.then_some(Cow::Owned(Value::Bool(true))),
        "_version" => Some(Cow::Owned(record.version.0.into())),
        "_lastChangedAt" => Some(Cow::Owned(record.last_changed_at.0.into())),
        _ => record.fields.get(name).map(Cow::Borrowed),
    }
}

/// Whether an attribute passes a test; `None` is a missing attribute.
pub(super) fn passes(test: &Test, attribute: Option<&Value>) -> bool {
    match test {
        Test::Exists(expected) => attribute.is_some() == *expected,
        Test::Ne(value) => !attribute.is_some_and(|held| equal(held, value)),
        Test::NotContains(value) => !attribute.is_some_and(|held| contains(held, value)),
        Test::NotIn(values) => !attribute.is_some_and(|held| one_of(held, values)),
        _ => attribute.is_some_and(|held| holds(test, held)),
    }
}

/// The tests that are false on a missing attribute.
fn holds(test: &Test, held: &Value) -> bool {
    let compares =
        |value: &Value, wanted: fn(Ordering) -> bool| order(held, value).is_some_and(wanted);
    match test {
        Test::Eq(value) => equal(held, value),
        Test::Lt(value) => compares(value, Ordering::is_lt),
        Test::Le(value) => compares(value, Ordering::is_le),
        Test::Gt(value) => compares(value, Ordering::is_gt),
        Test::Ge(value) => compares(value, Ordering::is_ge),
        Test::Between(low, high) => {
            compares(low, Ordering::is_ge) && compares(high, Ordering::is_le)
        }
        Test::BeginsWith(prefix) => held
            .as_str()
            .is_some_and(|text| text.as_bytes().starts_with(prefix.as_bytes())),
        Test::Names(name) => held.as_str().is_some_and(|text| names(text, name)),
        Test::HasName(name) => held.as_array().is_some_and(|elements| {
            let mut texts = elements.iter().filter_map(Value::as_str);
            texts.any(|text| names(text, name))
        }),
        Test::Contains(value) => contains(held, value),
        Test::In(values) => one_of(held, values),
        Test::Type(wanted) => attribute_type(held) == *wanted,
        Test::Size(test) => size(held).is_some_and(|size| passes(test, Some(&size.into()))),
        Test::Exists(_) | Test::Ne(_) | Test::NotContains(_) | Test::NotIn(_) => {
            passes(test, Some(held))
        }
    }
}

/// Equality by value: numbers as doubles, objects whatever their key order.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => order(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, l)| right.get(name).is_some_and(|r| equal(l, r)))
        }
        _ => left == right,
    }
}

/// The order of two numbers or two strings; nothing else has one.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        _ => None,
    }
}

/// Whether a text is a name, or some whole parts of it in a row are.
fn names(text: &str, name: &str) -> bool {
    format!("::{text}::").contains(&format!("::{name}::"))
}

fn contains(held: &Value, value: &Value) -> bool {
    match (held, value) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(elements), _) => elements.iter().any(|element| equal(element, value)),
        _ => false,
    }
}

fn one_of(held: &Value, values: &[Value]) -> bool {
    values.iter().any(|value| equal(held, value))
}

fn attribute_type(held: &Value) -> AttributeType {
    match held {
        Value::Null => AttributeType::Null,
        Value::Bool(_) => AttributeType::Bool,
        Value::Number(_) => AttributeType::Number,
        Value::String(_) => AttributeType::String,
        Value::Array(_) => AttributeType::List,
        Value::Object(_) => AttributeType::Map,
    }
}

fn size(held: &Value) -> Option<usize> {
    match held {
        Value::String(text) => Some(text.len()),
        Value::Array(elements) => Some(elements.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{post, record, tombstone};

    fn matches(filter: &Value, record: &Record) -> bool {
        Filter::from_input(filter, &post()).unwrap().matches(record)
    }

    /// `transformer.md` 6.6: operator, on a missing attribute, on a NULL attribute.
    #[test]
    fn missing_and_null_attributes_follow_the_table() {
        let table = [
            (json!({"eq": "v"}), false, false),
            (json!({"eq": null}), false, true),
            (json!({"ne": "v"}), true, true),
            (json!({"ne": null}), true, false),
            (json!({"lt": "v"}), false, false),
            (json!({"le": "v"}), false, false),
            (json!({"gt": ""}), false, false),
            (json!({"ge": ""}), false, false),
            (json!({"between": ["", "z"]}), false, false),
            (json!({"beginsWith": ""}), false, false),
            (json!({"contains": ""}), false, false),
            (json!({"size": {"ge": 0}}), false, false),
            (json!({"size": {"ne": 5}}), false, false),
            (json!({"notContains": "v"}), true, true),
            (json!({"in": ["v"]}), false, false),
            (json!({"in": ["v", null]}), false, true),
            (json!({"notIn": ["v"]}), true, true),
            (json!({"attributeExists": true}), false, true),
            (json!({"attributeExists": false}), true, false),
            (json!({"attributeType": "_null"}), false, true),
            (json!({"attributeType": "string"}), false, false),
        ];
        for (operators, missing, null) in table {
            let filter = json!({"title": operators});
            assert_eq!(
                matches(&filter, &record(json!({}))),
                missing,
                "missing: {filter}"
            );
            let nulled = record(json!({"title": null}));
            assert_eq!(matches(&filter, &nulled), null, "null: {filter}");
        }
    }

    #[test]
    fn present_attributes_follow_their_operators() {
        let record = record(json!({
            "title": "Zürich", "rating": 7, "score": 2.50, "tags": ["a", "b"], "open": true, "place": {"city": "x"}
        }));
        let table = [
            (json!({"title": {"eq": "Zürich"}}), true),
            (json!({"title": {"lt": "a"}}), true),
            (json!({"title": {"between": ["Z", "Zz"]}}), false),
            (json!({"title": {"beginsWith": "Zü"}}), true),
            (json!({"title": {"contains": "ric"}}), true),
            (json!({"title": {"notContains": "ric"}}), false),
            (json!({"title": {"size": {"eq": 7}}}), true),
            (json!({"rating": {"eq": 7.0}}), true),
            (json!({"rating": {"ne": 7}}), false),
            (json!({"rating": {"between": [7, 7]}}), true),
            (json!({"rating": {"gt": 6, "lt": 7}}), false),
            (json!({"rating": {"in": [1, 7]}}), true),
            (json!({"rating": {"notIn": [1, 7]}}), false),
            (json!({"rating": {"size": {"ge": 0}}}), false),
            (json!({"score": {"eq": 2.5}}), true),
            (json!({"score": {"le": 2.4999}}), false),
            (json!({"tags": {"contains": "b"}}), true),
            (json!({"tags": {"contains": "ab"}}), false),
            (json!({"tags": {"eq": ["a", "b"]}}), true),
            (json!({"tags": {"size": {"eq": 2}}}), true),
            (json!({"tags": {"attributeType": "list"}}), true),
            (json!({"open": {"eq": true}}), true),
            (json!({"open": {"gt": false}}), false),
            (json!({"place": {"attributeType": "map"}}), true),
            (json!({"rating": {"attributeType": "number"}}), true),
            (json!({"rating": {"attributeType": "numberSet"}}), false),
        ];
        for (filter, expected) in table {
            assert_eq!(matches(&filter, &record), expected, "{filter}");
        }
    }

    #[test]
    fn an_owner_is_named_as_a_whole_and_by_each_part() {
        let names = |name: &str, held: Value| Test::Names(name.to_owned()).passes(Some(&held));
        for name in ["s::alice", "s", "alice"] {
            assert!(names(name, json!("s::alice")), "{name}");
        }
        for name in ["ali", "lice", "s::", "::alice", "", "S"] {
            assert!(!names(name, json!("s::alice")), "{name}");
        }
        assert!(!names("alice", json!(["alice"])));
        assert!(!Test::Names("alice".to_owned()).passes(None));
        let listed = |name: &str| {
            Test::HasName(name.to_owned()).passes(Some(&json!(["t::bob", 7, "s::alice"])))
        };
        assert!(listed("alice") && listed("s") && listed("t::bob"));
        assert!(!listed("ali") && !listed("7") && !listed("bob::s"));
        let text = Test::HasName("alice".to_owned()).passes(Some(&json!("alice")));
        assert!(!text, "it is about lists");
    }

    #[test]
    fn values_of_different_types_are_only_unequal() {
        let record = record(json!({"title": "7", "rating": 7}));
        for operator in ["eq", "lt", "le", "gt", "ge"] {
            assert!(!matches(&json!({"title": {operator: 7}}), &record));
            assert!(!matches(&json!({"rating": {operator: "7"}}), &record));
        }
        assert!(matches(&json!({"rating": {"ne": "7"}}), &record));
        assert!(!matches(&json!({"rating": {"contains": 7}}), &record));
        assert!(matches(&json!({"rating": {"notContains": 7}}), &record));
    }

    #[test]
    fn numbers_compare_by_value_whatever_their_text() {
        let record = record(serde_json::from_str(r#"{"score": 1.0e1}"#).unwrap());
        for literal in ["10", "10.0", "1e1", "100e-1"] {
            let filter =
                serde_json::from_str(&format!(r#"{{"score":{{"eq":{literal}}}}}"#)).unwrap();
            assert!(matches(&filter, &record), "{literal}");
        }
    }

    /// `errata.md` row 42.
    #[test]
    fn deleted_is_missing_on_a_live_record() {
        let live = record(json!({}));
        assert!(matches(&json!({"_deleted": {"ne": true}}), &live));
        assert!(matches(
            &json!({"_deleted": {"attributeExists": false}}),
            &live
        ));
        assert!(!matches(&json!({"_deleted": {"eq": false}}), &live));
        let dead = tombstone(json!({"title": "kept"}));
        assert!(!matches(&json!({"_deleted": {"ne": true}}), &dead));
        assert!(matches(
            &json!({"_deleted": {"eq": true}, "title": {"eq": "kept"}}),
            &dead
        ));
    }

    #[test]
    fn version_and_time_are_numbers() {
        let record = record(json!({}));
        assert!(matches(&json!({"_version": {"eq": 1}}), &record));
        assert!(matches(&json!({"_lastChangedAt": {"gt": 0}}), &record));
    }

    #[test]
    fn groups_combine_as_logic_does() {
        let record = record(json!({"rating": 7}));
        let yes = json!({"rating": {"eq": 7}});
        let no = json!({"rating": {"eq": 8}});
        assert!(matches(&json!({"or": [no, yes]}), &record));
        assert!(!matches(&json!({"and": [no, yes]}), &record));
        assert!(matches(&json!({"not": no}), &record));
        assert!(!matches(&json!({"or": [yes], "not": yes}), &record));
    }
}
