//! Which events a subscription wants (`errata.md` row 45).

use crate::api::error::FieldError;
use crate::api::outcome::Arguments;
use crate::engine::Engine;
use crate::feed::{Event, Operation};
use crate::filter::Filter;
use crate::identity::Caller;
use crate::schema::model::Model;

/// An admitted subscription's wish: the events of one kind that pass its filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    operation: Operation,
    filter: Filter,
}

/// Admits a subscription: authorised, its filter compiled.
pub fn admit(
    _engine: &Engine,
    _caller: &Caller,
    model: &Model,
    operation: Operation,
    args: &Arguments,
) -> Result<Interest, FieldError> {
    Ok(Interest {
        operation,
        filter: Filter::from_input(
            args.get("filter").unwrap_or(&serde_json::Value::Null),
            model,
        )?,
    })
}

impl Interest {
    /// Whether an event of the subscription's model is for this subscriber.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        event.operation == self.operation && self.filter.matches(&event.record)
    }
}
