//! Where a record stands in an index: the one place that says how fields become partition and sort values.

use std::cmp::Ordering;

use driftless_conflict_handlers::Fields;
use serde_json::{Number, Value};

use crate::filter::Test;
use crate::schema::model::{Base, KeyFields, Model};
use crate::storage::Key;

/// The longest key, and the longest value of an index attribute, in bytes; DynamoDB's limits are of the same order.
pub const LONGEST: usize = 1_024;
/// How much an entry of an index may hold, a key and one or two values: Postgres stores none of more than 2,704 bytes, with
/// what it adds to each.
const ENTRY: usize = 2_640;

/// The longest value of an index attribute in the record that has a key: [`LONGEST`], or less where the key is so long
/// that two such values would not go with it into an entry.
#[must_use]
pub fn longest(key: &Key) -> usize {
    LONGEST.min((ENTRY - key.0.len().min(LONGEST)) / 2)
}

/// How values of an index attribute are kept and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// As text, by its UTF-8 bytes.
    Text,
    /// As a number, by its value.
    Number,
}

/// The partition or sort attribute of an index: one field, or several joined with `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The fields it is made of, at least one.
    pub fields: Vec<String>,
    /// How it compares.
    pub kind: Kind,
}

/// The two attributes an index is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The partition attribute.
    pub partition: Attribute,
    /// The sort attribute, if the index has sort fields.
    pub sort: Option<Attribute>,
}

impl Attributes {
    /// The attributes of an index (or of the primary key) of `model`.
    #[must_use]
    pub fn of(model: &Model, key: &KeyFields) -> Attributes {
        Attributes {
            partition: Attribute::of(model, std::slice::from_ref(&key.partition)),
            sort: (!key.sort.is_empty()).then(|| Attribute::of(model, &key.sort)),
        }
    }

    /// The partition and sort value of a record (`Null` without sort fields), or `None` if the index does not hold it.
    #[must_use]
    pub fn entry(&self, key: &Key, fields: &Fields) -> Option<(Value, Value)> {
        let partition = self.partition.value(key, fields)?;
        match &self.sort {
            None => Some((partition, Value::Null)),
            Some(sort) => Some((partition, sort.value(key, fields)?)),
        }
    }
}

impl Attribute {
    /// The attribute that is one field of `model`.
    #[must_use]
    pub fn of_field(model: &Model, name: &str) -> Attribute {
        Attribute::of(model, &[name.to_owned()])
    }

    fn of(model: &Model, fields: &[String]) -> Attribute {
        let is_number = |name: &String| {
            model.fields.get(name).is_some_and(
                |field| matches!(field.ty.base, Base::Scalar(scalar) if scalar.is_number()),
            )
        };
        Attribute {
            fields: fields.to_vec(),
            kind: match fields {
                [one] if is_number(one) => Kind::Number,
                _ => Kind::Text,
            },
        }
    }

    /// Its value in a record: the plain value of one field, `a#b` of several (`transformer.md` 5). `None` if a field
    /// is missing, NULL or of a type that no index can hold, or if the value is too long beside the record's key
    /// ([`longest`]): no mutation makes such a record, but it may be older than the index.
    #[must_use]
    pub fn value(&self, key: &Key, fields: &Fields) -> Option<Value> {
        let longest = longest(key);
        self.whole(fields).filter(|value| bytes(value) <= longest)
    }

    /// How many bytes its value in a record has, whether an index can hold it or not.
    #[must_use]
    pub fn bytes(&self, fields: &Fields) -> usize {
        self.whole(fields).as_ref().map_or(0, bytes)
    }

    fn whole(&self, fields: &Fields) -> Option<Value> {
        match self.fields.as_slice() {
            [one] => match (self.kind, fields.get(one)?) {
                (Kind::Number, value @ Value::Number(_)) => Some(value.clone()),
                (Kind::Text, value) => text(value).map(Value::String),
                _ => None,
            },
            several => {
                let parts: Option<Vec<String>> = several
                    .iter()
                    .map(|name| fields.get(name).and_then(text))
                    .collect();
                Some(Value::String(parts?.join("#")))
            }
        }
    }
}

/// Whether an index can hold a value, as far as its length matters.
#[must_use]
pub fn fits(value: &Value) -> bool {
    bytes(value) <= LONGEST
}

/// Whether an index holds every record that has a value, whatever its key is.
#[must_use]
pub fn always_fits(value: &Value) -> bool {
    bytes(value) <= (ENTRY - LONGEST) / 2
}

fn bytes(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

/// A scalar as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(self::number(number)),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number in a key: one text for all literals of one value (`1`, `1.0`, `1e+0`; `-0` is 0).
#[must_use]
pub fn number(number: &Number) -> String {
    /// Up to here every whole number is a double.
    const EXACT: f64 = (1_i64 << 53) as f64;
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    match number.as_f64() {
        Some(value) if value.trunc() == value && value.abs() <= EXACT => (value as i64).to_string(),
        Some(value) => {
            Number::from_f64(value).map_or_else(|| number.to_string(), |n| n.to_string())
        }
        None => number.to_string(),
    }
}

/// Orders two values of one attribute.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64(), right.as_f64());
            left.partial_cmp(&right).unwrap_or(Ordering::Equal)
        }
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Whether a sort value passes all tests.
#[must_use]
pub fn passes(tests: &[Test], sort: &Value) -> bool {
    let sort = (!sort.is_null()).then_some(sort);
    tests.iter().all(|test| test.passes(sort))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(fields) => fields,
            other => panic!("{other} is no document"),
        }
    }

    fn attribute(names: &[&str], kind: Kind) -> Attribute {
        Attribute {
            fields: names.iter().map(|name| (*name).to_owned()).collect(),
            kind,
        }
    }

    fn key() -> Key {
        Key("[\"k\"]".to_owned())
    }

    #[test]
    fn one_field_keeps_its_plain_value() {
        let number: Value = serde_json::from_str("1.50").unwrap();
        let doc = fields(json!({ "a": "x#y", "n": number }));
        assert_eq!(
            attribute(&["a"], Kind::Text).value(&key(), &doc),
            Some(json!("x#y"))
        );
        let kept = attribute(&["n"], Kind::Number).value(&key(), &doc).unwrap();
        assert_eq!(kept.to_string(), "1.50");
    }

    #[test]
    fn several_fields_are_joined_into_one_string() {
        let doc = fields(json!({ "a": "x", "n": 7, "b": true }));
        let value = attribute(&["a", "n", "b"], Kind::Text).value(&key(), &doc);
        assert_eq!(value, Some(json!("x#7#true")));
    }

    #[test]
    fn a_missing_or_null_field_keeps_the_record_out_of_the_index() {
        let doc = fields(json!({ "a": "x", "nothing": null }));
        assert_eq!(attribute(&["a", "b"], Kind::Text).value(&key(), &doc), None);
        assert_eq!(
            attribute(&["nothing"], Kind::Text).value(&key(), &doc),
            None
        );
        assert_eq!(attribute(&["a"], Kind::Number).value(&key(), &doc), None);
    }

    #[test]
    fn a_value_that_is_too_long_keeps_the_record_out_of_the_index() {
        let long = "x".repeat(LONGEST);
        let (one, joined) = (
            attribute(&["a"], Kind::Text),
            attribute(&["a", "b"], Kind::Text),
        );
        let doc = fields(json!({ "a": long, "b": "" }));
        assert_eq!(one.value(&key(), &doc), Some(json!(long)));
        assert_eq!(joined.value(&key(), &doc), None);
        assert_eq!(joined.bytes(&doc), LONGEST + 1);
    }

    #[test]
    fn two_values_and_a_key_go_into_an_entry() {
        let of = |bytes: usize| longest(&Key("k".repeat(bytes)));
        assert_eq!(
            [0, 592, 593, LONGEST].map(of),
            [LONGEST, LONGEST, 1_023, 808]
        );
        for bytes in 0..=LONGEST {
            assert!(bytes + 2 * of(bytes) <= ENTRY);
        }
        let surely = |bytes: usize| always_fits(&json!("x".repeat(bytes)));
        assert!(surely(of(LONGEST)) && !surely(of(LONGEST) + 1));
    }

    #[test]
    fn a_number_in_a_key_has_one_text() {
        for (literals, expected) in [
            (&["7", "7.0", "7.00", "70e-1", "0.7e1"][..], "7"),
            (&["0", "-0", "-0.0", "0e5"], "0"),
            (&["1.5", "1.50", "15e-1"], "1.5"),
            (&["-2147483648"], "-2147483648"),
            (&["9007199254740993"], "9007199254740993"),
            (&["1e-7", "0.0000001"], "1e-7"),
        ] {
            for literal in literals {
                assert_eq!(number(&literal.parse().unwrap()), expected, "{literal}");
            }
        }
    }

    #[test]
    fn numbers_compare_by_value_and_strings_by_bytes() {
        assert_eq!(compare(&json!(9), &json!(10.0)), Ordering::Less);
        assert_eq!(compare(&json!("9"), &json!("10")), Ordering::Greater);
        assert_eq!(compare(&json!("Z"), &json!("a")), Ordering::Less);
        assert_eq!(compare(&json!("é"), &json!("z")), Ordering::Greater);
    }
}
