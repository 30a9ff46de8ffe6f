//! Which events a subscription wants (`errata.md` row 45).

use serde_json::Value;

use crate::api::error::FieldError;
use crate::api::outcome::Arguments;
use crate::authz::{Access, Permit};
use crate::engine::Engine;
use crate::feed::{Event, Operation};
use crate::filter::Filter;
use crate::identity::Caller;
use crate::schema::model::{Model, ModelOperation};

/// An admitted subscription's wish: the events of one kind that pass its filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    operation: Operation,
    filter: Filter,
    /// What the caller may see of the model's records, decided when the subscription started.
    access: Access,
}

/// Admits a subscription: authorised, its filter compiled.
pub fn admit(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    operation: Operation,
    args: &Arguments,
) -> Result<Interest, FieldError> {
    let names = match operation {
        Operation::Create => &model.operations.on_create,
        Operation::Update => &model.operations.on_update,
        Operation::Delete => &model.operations.on_delete,
    };
    let field = names.first().map_or("subscription", String::as_str);
    let listen = ModelOperation::Listen;
    let permit = Permit::request(engine, caller, model, listen, field, "Subscription")?;
    Ok(Interest {
        operation,
        filter: Filter::from_input(args.get("filter").unwrap_or(&Value::Null), model)?,
        access: permit.access(),
    })
}

impl Interest {
    /// Whether an event of the subscription's model is for this subscriber.
    ///
    /// The filter is tested on the full record, whatever the mutation selected, and the rules per event.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        let may_see = match self.access {
            Access::Allow => true,
            Access::Deny => false,
        };
        may_see && event.operation == self.operation && self.filter.matches(&event.record)
    }
}
