//! Key arguments: the partition field and the condition on the sort fields (`transformer` section 4).

use super::names::{composite_argument, composite_inputs, filtered_as};
use super::operators::key_operators;
use super::{Generator, base_name, input, list, named};
use crate::api::types::{InputField, InputRole};
use crate::schema::model::{Base, KeyFields, Model};

impl Generator<'_> {
    /// The argument that takes a condition on a key's sort fields, its inputs made if they are not there yet; `None`
    /// for a key without sort fields. `index` is the index's name, `None` for the primary key.
    pub(super) fn sort_argument(
        &mut self,
        model: &Model,
        key: &KeyFields,
        index: Option<&str>,
    ) -> Option<InputField> {
        match key.sort.as_slice() {
            [] => None,
            [field] => {
                let base = &model.fields.get(field)?.ty.base;
                let condition = self.key_condition(base);
                Some(input(field, named(&condition)))
            }
            several => {
                let condition = self.composite_condition(model, several, index);
                Some(input(&composite_argument(several), named(&condition)))
            }
        }
    }

    fn composite_condition(
        &mut self,
        model: &Model,
        sort: &[String],
        index: Option<&str>,
    ) -> String {
        let (condition, fields) = composite_inputs(&model.name, index);
        let operators = key_operators(true).map(|name| {
            let ty = named(&fields);
            input(name, if name == "between" { list(ty) } else { ty })
        });
        self.add_input(&condition, InputRole::Key, operators.collect());
        let parts = sort.iter().enumerate().filter_map(|(position, name)| {
            let base = &model.fields.get(name)?.ty.base;
            Some(input(
                name,
                named(&composite_part(base, position + 1 == sort.len())),
            ))
        });
        self.add_input(&fields, InputRole::Key, parts.collect());
        condition
    }
}

/// The type of a field inside a composite key: as declared, but the last one is widened to GraphQL's own scalar.
fn composite_part(base: &Base, last: bool) -> String {
    match base {
        Base::Scalar(scalar) if last => filtered_as(*scalar).name().to_owned(),
        other => base_name(other),
    }
}
