//! Results of hand-written mutations, published as their callers selected them (`realtime` 3).

use std::sync::Arc;

use serde_json::Value;

use super::execute::Run;
use super::outcome::Resolved;
use super::plan::{Field, Selection, Source};
use super::project::Projection;
use super::types::Resolver;
use super::variables::Variables;
use crate::Fields;
use crate::notice::{self, Notice};

impl Run<'_> {
    /// Lets subscribers know of the result of a hand-written mutation, unless the answer shows none.
    pub(super) fn tell(self, field: &Field, resolved: &Resolved) {
        let (Source::Root(Resolver::Echo), Resolved::Record(result), Some(selection)) =
            (&field.source, resolved, field.selection())
        else {
            return;
        };
        let mut projection = Projection::new(self.viewer(), self.variables);
        if projection.alone(selection, result).is_ok() {
            let fields = selected(selection, &result.fields, self.variables);
            self.api.engine.bulletin.put_up(Notice {
                mutation: field.name.clone(),
                result: Arc::new(notice::plain(fields)),
            });
        }
    }
}

/// The part of an object that a selection asks for, by the names of its fields.
fn selected(selection: &Selection, fields: &Fields, variables: &Variables) -> Fields {
    let mut part = Fields::new();
    let asked = selection.fields.iter();
    for field in asked.filter(|field| field.selected(variables)) {
        let Some(value) = fields.get(&field.name) else {
            continue;
        };
        let value = selected_value(field, value, variables);
        match (part.get_mut(&field.name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (_, value) => drop(part.insert(field.name.clone(), value)),
        }
    }
    part
}

fn selected_value(field: &Field, value: &Value, variables: &Variables) -> Value {
    match (field.selection(), value) {
        (Some(selection), Value::Object(inner)) => selected(selection, inner, variables).into(),
        (Some(_), Value::Array(items)) => {
            let items = items.iter();
            items
                .map(|item| selected_value(field, item, variables))
                .collect()
        }
        _ => value.clone(),
    }
}
