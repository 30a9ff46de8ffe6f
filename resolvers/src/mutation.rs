//! `createX`, `updateX`, `deleteX` (`sync-semantics` 2).

use crate::api::outcome::{Arguments, Outcome};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::model::Model;

/// `createX`.
pub async fn create(
    _engine: &Engine,
    _caller: &Caller,
    _model: &Model,
    _args: &Arguments,
) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}

/// `updateX`.
pub async fn update(
    _engine: &Engine,
    _caller: &Caller,
    _model: &Model,
    _args: &Arguments,
) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}

/// `deleteX`.
pub async fn delete(
    _engine: &Engine,
    _caller: &Caller,
    _model: &Model,
    _args: &Arguments,
) -> Outcome {
    Err(crate::api::error::Failure::Unavailable(
        "not built yet".to_owned(),
    ))
}
