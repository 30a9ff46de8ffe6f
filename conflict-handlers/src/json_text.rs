//! `AWSJSON`: JSON in a string.

use serde_json::Value;

/// What the text of a value says; `None` if it is no JSON text.
pub(crate) fn parsed(text: &Value) -> Option<Value> {
    serde_json::from_str(text.as_str()?).ok()
}

/// A value as text again.
pub(crate) fn written(value: &Value) -> Value {
    Value::String(value.to_string())
}
