//! The body of an answer, in AppSync's order of keys.

use serde_json::Value;

use super::error::{GraphqlError, Location, PathSegment};

/// `{"data":…,"errors":[…]}`; `errors` only if there are any (`client-native` R18). No data is `null`.
pub(crate) fn body(data: Option<&[u8]>, errors: &[GraphqlError]) -> Vec<u8> {
    let data = data.unwrap_or(b"null");
    let mut out = Vec::with_capacity(data.len() + 32 + errors.len() * 256);
    out.extend_from_slice(b"{\"data\":");
    out.extend_from_slice(data);
    if !errors.is_empty() {
        out.extend_from_slice(b",\"errors\":");
        list(&mut out, errors, entry);
    }
    out.push(b'}');
    out
}

/// The entry as a JSON value, for frames of the real-time endpoint.
impl From<&GraphqlError> for Value {
    fn from(error: &GraphqlError) -> Self {
        let mut out = Vec::new();
        entry(&mut out, error);
        serde_json::from_slice(&out).unwrap_or_default()
    }
}

/// `path, data, errorType, errorInfo, locations, message`; `errorInfo` is null unless user code sets it
/// (`errata.md` row 57).
fn entry(out: &mut Vec<u8>, error: &GraphqlError) {
    out.extend_from_slice(b"{\"path\":");
    match &error.path {
        Some(path) => list(out, path, segment),
        None => out.extend_from_slice(b"null"),
    }
    // Errors of the request (validation, coercion) have path, locations and message only (`sync-semantics` 8.3).
    if error.path.is_some() || error.error_type.is_some() {
        let custom = error.custom.as_deref();
        let own_type = custom.and_then(|custom| custom.error_type.as_deref());
        out.extend_from_slice(b",\"data\":");
        json(out, &error.data);
        out.extend_from_slice(b",\"errorType\":");
        let error_type = error.error_type.map(super::error::ErrorType::name);
        json(out, &own_type.or(error_type));
        out.extend_from_slice(b",\"errorInfo\":");
        json(out, &custom.and_then(|custom| custom.info.as_ref()));
    }
    out.extend_from_slice(b",\"locations\":");
    match &error.locations {
        Some(locations) => list(out, locations, location),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"message\":");
    json(out, &error.message);
    out.push(b'}');
}

fn segment(out: &mut Vec<u8>, segment: &PathSegment) {
    match segment {
        PathSegment::Key(key) => json(out, key),
        PathSegment::Index(index) => json(out, index),
    }
}

fn location(out: &mut Vec<u8>, location: &Location) {
    let Location { line, column } = location;
    let text = format!("{{\"line\":{line},\"column\":{column},\"sourceName\":null}}");
    out.extend_from_slice(text.as_bytes());
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut each: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("writing plain JSON to memory cannot fail");
}
