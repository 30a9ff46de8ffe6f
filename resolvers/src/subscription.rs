//! Which events a subscription wants (`errata.md` row 45).

use serde_json::Value;

use crate::api::error::FieldError;
use crate::api::outcome::Arguments;
use crate::authz::{Access, unauthorized};
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
    let access = engine.rules.listen(&model.name, &caller.identity, args);
    if access == Access::Deny {
        return Err(unauthorized(field, "Subscription"));
    }
    let filter = Filter::from_input(args.get("filter").unwrap_or(&Value::Null), model)?;
    let filter = engine.rules.usable(&model.name, &caller.identity, filter);
    let owners = args.iter().filter(|(name, _)| *name != "filter");
    let owned = owners.map(|(name, owner)| {
        let rules = &engine.rules;
        rules.argument(&model.name, &caller.identity, name, owner)
    });
    Ok(Interest {
        operation,
        filter: owned.fold(filter, Filter::and),
        access,
    })
}

impl Interest {
    /// Whether an event of the subscription's model is for this subscriber.
    ///
    /// The filter is tested on the full record, whatever the mutation selected, and the rules per event.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        event.operation == self.operation
            && self.access.includes(&event.record)
            && self.filter.matches(&event.record)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::api::error::ErrorType;
    use crate::feed::Seq;
    use crate::fixtures::{World, object, record, schema, tombstone};

    fn admitted(operation: Operation, args: Value) -> Result<Interest, FieldError> {
        let world = World::new();
        let model = world.model("Post");
        admit(
            &world.engine,
            &world.caller,
            model,
            operation,
            &object(args),
        )
    }

    fn event(operation: Operation, record: crate::Record) -> Event {
        Event {
            seq: Seq(1),
            operation,
            record: Arc::new(record),
        }
    }

    #[test]
    fn a_subscription_gets_its_kind_of_events() {
        let interest = admitted(Operation::Update, json!({})).unwrap();
        assert!(interest.matches(&event(Operation::Update, record(json!({})))));
        assert!(interest.matches(&event(Operation::Update, tombstone(json!({})))));
        assert!(!interest.matches(&event(Operation::Create, record(json!({})))));
        assert!(!interest.matches(&event(Operation::Delete, tombstone(json!({})))));
    }

    #[test]
    fn a_filter_is_tested_on_the_full_record() {
        let filter = json!({"filter": {"and": [{"rating": {"in": [1, 2]}}, {"title": {"notContains": "x"}}]}});
        let interest = admitted(Operation::Delete, filter).unwrap();
        assert!(interest.matches(&event(Operation::Delete, tombstone(json!({"rating": 2})))));
        assert!(!interest.matches(&event(Operation::Delete, tombstone(json!({"rating": 3})))));
        let crossed = tombstone(json!({"rating": 2, "title": "xyz"}));
        assert!(!interest.matches(&event(Operation::Delete, crossed)));
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let args = json!({"filter": {"rating": {"between": [1]}}});
        let error = admitted(Operation::Create, args).unwrap_err();
        assert_eq!(error.error_type, Some(ErrorType::UnrecognizedFilter));
    }

    #[test]
    fn a_closed_model_is_not_listened_to() {
        let mut schema = schema();
        let mut closed = crate::fixtures::post();
        closed.auth.clear();
        schema.models.insert("Post".to_owned(), closed.into());
        let world = World::over(schema, crate::engine::Strategies::default());
        let model = world.model("Post");
        for (operation, field) in [
            (Operation::Create, "onCreatePost"),
            (Operation::Update, "onUpdatePost"),
            (Operation::Delete, "onDeletePost"),
        ] {
            let error = admit(
                &world.engine,
                &world.caller,
                model,
                operation,
                &Arguments::new(),
            )
            .unwrap_err();
            assert_eq!(error.error_type, Some(ErrorType::Unauthorized));
            assert_eq!(
                error.message,
                format!("Not Authorized to access {field} on type Subscription")
            );
        }
    }
}
