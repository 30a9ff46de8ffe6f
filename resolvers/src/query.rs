//! `getX`, `listXs` and index queries (`transformer.md` 5).

use crate::api::outcome::{Arguments, Outcome};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::model::{Index, Model};

/// `getX`: one record by key, tombstones included; null if there is none.
pub async fn get(_engine: &Engine, _caller: &Caller, _model: &Model, _args: &Arguments) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}

/// `listXs`: a page of the table, or of one partition of it.
pub async fn list(
    _engine: &Engine,
    _caller: &Caller,
    _model: &Model,
    _args: &Arguments,
) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}

/// The query field of an index: a page of one partition.
pub async fn index(
    _engine: &Engine,
    _caller: &Caller,
    _model: &Model,
    _index: &Index,
    _args: &Arguments,
) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}
