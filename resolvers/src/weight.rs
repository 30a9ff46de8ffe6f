//! How much memory records take, for whoever keeps some.

use driftless_conflict_handlers::Fields;
use serde_json::Value;

/// About how many bytes a document takes.
#[must_use]
pub fn of(fields: &Fields) -> usize {
    fields
        .iter()
        .map(|(name, value)| name.len() + of_value(value))
        .sum()
}

fn of_value(value: &Value) -> usize {
    const NODE: usize = 64;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(of_value).sum(),
        Value::Object(fields) => of(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
