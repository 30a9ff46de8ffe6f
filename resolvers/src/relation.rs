//! Fields that lead from a record to others (`transformer.md` 5.1).

use std::sync::Arc;

use crate::api::outcome::{Arguments, Outcome};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::Schema;
use crate::schema::model::{Field, Model};
use crate::{Fields, Record};

/// What a relation field shows for each of these parents, in their order.
///
/// `key_only` says that the selection asks for nothing but the key, `_deleted` and `__typename`; then a parent that is
/// missing or may not be read is answered from the foreign key (`errata.md` row 6).
pub async fn load(
    _engine: &Engine,
    _caller: &Caller,
    _parent_model: &Model,
    _field: &Field,
    parents: &[Arc<Record>],
    _args: &Arguments,
    _key_only: bool,
) -> Vec<Outcome> {
    parents
        .iter()
        .map(|_| {
            Err(crate::api::error::Failure::Unavailable(
                "not built yet".to_owned(),
            ))
        })
        .collect()
}

/// The key of the record that a belongsTo or hasOne field points to, made from the foreign key alone.
#[must_use]
pub fn reference(_schema: &Schema, _field: &Field, _record: &Record) -> Option<Fields> {
    None
}
