//! Selective sync: a device keeps the records of a model whose first whole number is not negative.
//!
//! As with AppSync a record that leaves the choice is not told, so that a copy of it may stay as it was; whatever is in
//! the choice must be right.

use driftless_client_test_harness::document::Operation;
use driftless_client_test_harness::record::Record;
use driftless_client_test_harness::schema::{Kind, Model};
use serde_json::{Value, json};

fn field(model: &Model) -> Option<&str> {
    let mut fields = model.editable();
    let field = fields.find(|field| matches!(field.kind, Kind::Int))?;
    Some(&field.name)
}

/// The sync expression as DataStore sends it, for models that have one.
pub(super) fn filter(model: &Model) -> Option<Value> {
    let field = field(model)?;
    Some(json!({"and": [{field: {"ge": 0}}]}))
}

/// Whether the record is in the choice.
pub(super) fn matches(model: &Model, record: &Record) -> bool {
    field(model).is_none_or(|field| record.get(field).as_i64().is_some_and(|number| number >= 0))
}

/// A subscription with the filter among its arguments, as DataStore prints it (`client-js` 8.2).
pub(super) fn filtered(text: &str, operation: Operation, model: &Model) -> String {
    let name = operation.subscription_field(model);
    let declared = format!(
        "operation($filter: ModelSubscription{}FilterInput)",
        model.name
    );
    text.replacen("operation", &declared, 1)
        .replacen(&name, &format!("{name}(filter: $filter)"), 1)
}
