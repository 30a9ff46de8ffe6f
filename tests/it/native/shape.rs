//! Whether a value looks as its client expects: the keys it asked for, values of their types, no null where there is
//! none.

use serde_json::Value;

/// What is wrong with a value, by its place; nothing if it fits.
pub(super) fn misfits(shape: &Value, value: &Value, place: &str) -> Vec<String> {
    match (shape, value) {
        (Value::String(ty), value) => leaf(ty, value)
            .then(Vec::new)
            .unwrap_or_else(|| vec![format!("{place}: {value} is no {ty}")]),
        (_, Value::Null) => Vec::new(),
        (Value::Array(shapes), Value::Array(items)) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(index, item)| match item {
                    Value::Null => vec![format!("{place}[{index}] is null")],
                    item => misfits(&shapes[0], item, &format!("{place}[{index}]")),
                })
                .collect()
        }
        (Value::Object(shapes), Value::Object(members)) => {
            let mut wrong = Vec::new();
            if shapes.len() != members.len() {
                wrong.push(format!("{place}: {:?}", members.keys().collect::<Vec<_>>()));
            }
            for (key, shape) in shapes {
                match members.get(key) {
                    Some(value) => wrong.extend(misfits(shape, value, &format!("{place}.{key}"))),
                    None => wrong.push(format!("{place} lacks {key}")),
                }
            }
            wrong
        }
        _ => vec![format!("{place}: {value} is no {shape}")],
    }
}

/// Whether a value is of a type such as `Int!`, or `String! = "Post"`.
fn leaf(ty: &str, value: &Value) -> bool {
    let (ty, constant) = match ty.split_once(" = ") {
        Some((ty, constant)) => (ty, Some(constant.trim_matches('"'))),
        None => (ty, None),
    };
    if value.is_null() {
        return !ty.ends_with('!');
    }
    let ty = ty.trim_end_matches('!');
    if let Some(items) = ty.strip_prefix('[') {
        let item = items.trim_end_matches(']');
        let items = value.as_array();
        return items.is_some_and(|items| items.iter().all(|value| leaf(item, value)));
    }
    match ty {
        "Int" | "AWSTimestamp" => value.is_i64(),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        _ => value
            .as_str()
            .is_some_and(|text| constant.is_none_or(|constant| constant == text)),
    }
}
