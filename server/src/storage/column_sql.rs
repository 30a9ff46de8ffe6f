//! Tests of index columns as SQL: never stricter than the test, and as strict as the database can be exactly.

use serde_json::Value;

use driftless_resolvers::filter::Test;
use driftless_resolvers::storage::attributes;

use super::database::{Arg, Dialect};
use super::range::push;

/// What a test looks at.
pub(super) struct Operand {
    column: String,
    is_number: bool,
}

impl Operand {
    /// A column that holds an index attribute.
    pub(super) fn column(name: &str, is_number: bool) -> Self {
        Operand {
            column: name.to_owned(),
            is_number,
        }
    }
}

/// A value as it compares with a column, if the column may hold it.
pub(super) fn bound(is_number: bool, value: &Value) -> Option<Arg> {
    match value {
        Value::Number(number) if is_number => number.as_f64().map(Arg::Float),
        Value::String(text) if !is_number && attributes::fits(value) => {
            Some(Arg::Text(text.clone()))
        }
        _ => None,
    }
}

/// A test of a column that is not NULL; `None` where the caller has to test by itself.
pub(super) fn column_test(
    dialect: Dialect,
    operand: &Operand,
    test: &Test,
    args: &mut Vec<Arg>,
) -> Option<String> {
    let column = &operand.column;
    let mut compare = |comparison: &str, value: &Value| {
        let bound = bound(operand.is_number, value)?;
        Some(format!("{column} {comparison} {}", push(args, bound)))
    };
    match test {
        Test::Eq(value) => compare("=", value),
        Test::Lt(value) => compare("<", value),
        Test::Le(value) => compare("<=", value),
        Test::Gt(value) => compare(">", value),
        Test::Ge(value) => compare(">=", value),
        Test::Between(low, high) => {
            let low = compare(">=", low);
            let high = compare("<=", high);
            Some(format!("{} and {}", low?, high?))
        }
        Test::BeginsWith(prefix) if !operand.is_number => {
            Some(begins_with(dialect, column, prefix, args))
        }
        _ => None,
    }
}

/// A range first, for the index; the upper end of it is missing where no text follows the prefix.
fn begins_with(dialect: Dialect, column: &str, prefix: &str, args: &mut Vec<Arg>) -> String {
    let from = push(args, Arg::Text(prefix.to_owned()));
    let mut sql = format!("{column} >= {from}");
    match successor(prefix) {
        Some(end) => {
            let end = push(args, Arg::Text(end));
            sql.push_str(&format!(" and {column} < {end}"));
        }
        None if dialect == Dialect::Postgres => {
            sql.push_str(&format!(" and starts_with({column}, {from})"));
        }
        None => {
            sql.push_str(&format!(
                " and substr({column}, 1, length({from})) = {from}"
            ));
        }
    }
    sql
}

/// The least text that is greater than every text with this prefix.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}
