//! What records store must be writable: every type inside a model becomes an input, all the way down.

use std::collections::HashSet;

use crate::schema::diagnostic::Problems;
use crate::schema::draft::Draft;
use crate::schema::model::{Base, Field, Model};
use crate::schema::naming::upper_first;

/// The types that records store. Reports those that cannot be written because they hold what is no value.
pub(super) fn check<'d>(draft: &'d Draft<'_>, problems: &mut Problems) -> HashSet<&'d str> {
    let mut stored = HashSet::new();
    let mut waiting: Vec<&Field> = draft
        .models
        .values()
        .flat_map(Model::stored_fields)
        .collect();
    while let Some(field) = waiting.pop() {
        let Base::Object(name) = &field.ty.base else {
            continue;
        };
        let by_hand = draft
            .inputs
            .contains_key(&format!("{}Input", upper_first(name)));
        let Some(ty) = draft.types.get(name) else {
            continue;
        };
        if by_hand || !stored.insert(name.as_str()) {
            continue;
        }
        for inner in ty.fields.values() {
            let what = match &inner.ty.base {
                Base::Model(target) => format!("records of `{target}`"),
                Base::Abstract(name) => format!("`{name}`, which stands for several types"),
                _ => continue,
            };
            problems.error(
                "model-in-type",
                inner.span,
                format!("`{name}` is stored in records, so it cannot hold {what}."),
                "Hold the id instead, or keep the type out of models.",
            );
        }
        waiting.extend(ty.fields.values());
    }
    stored
}
