//! Which events and notices a subscription wants (`errata.md` row 45).

use crate::Record;
use crate::api::error::FieldError;
use crate::api::outcome::Arguments;
use crate::authz::{Access, unauthorized};
use crate::engine::Engine;
use crate::feed::{Event, Operation};
use crate::filter::Filter;
use crate::identity::Caller;
use crate::schema::model::Model;

/// An admitted subscription's wish: the events of some kinds that pass its filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    operations: Vec<Operation>,
    filter: Filter,
    /// What the caller may see of the model's records, decided when the subscription started.
    access: Access,
}

/// Admits a subscription to a model's events: authorised, its filter compiled. `field` is its name in the API.
///
/// The argument `filter` of a generated subscription is a filter; every other argument is the value that the record's
/// field of that name has to have. The model's rules decide also where the schema writes the subscription by hand.
pub fn admit(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    field: &str,
    operations: &[Operation],
    args: &Arguments,
) -> Result<Interest, FieldError> {
    let (rules, identity) = (&engine.rules, &caller.identity);
    let access = rules.listen(&model.name, identity, args);
    if access == Access::Deny {
        return Err(unauthorized(field, "Subscription"));
    }
    let written = engine.schema.operations.subscriptions.contains_key(field);
    let mut wanted = Filter::everything();
    for (name, value) in args {
        wanted = wanted.and(if name == "filter" && !written {
            let filter = Filter::from_input(value, model)?;
            rules.usable(&model.name, identity, filter)
        } else {
            rules.equal(&model.name, identity, name, value)
        });
    }
    Ok(Interest {
        operations: operations.to_vec(),
        filter: wanted,
        access,
    })
}

/// What a subscription wants that is told of hand-written mutations: results whose fields are its arguments.
#[must_use]
pub fn of_results(args: &Arguments) -> Interest {
    let equal = args.iter().map(|(name, value)| Filter::equal(name, value));
    Interest {
        operations: Vec::new(),
        filter: equal.fold(Filter::everything(), Filter::and),
        access: Access::Allow,
    }
}

impl Interest {
    /// Whether an event of the subscription's model is for this subscriber.
    ///
    /// The rules are asked about the record, the filter and the arguments about what subscribers are told of it.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        let Event {
            operation,
            record,
            selected,
            ..
        } = event;
        self.operations.contains(operation)
            && match selected {
                None => self.includes(record),
                Some(selected) => {
                    let told = Record {
                        fields: selected.part(&record.fields),
                        ..**record
                    };
                    self.access.includes(record) && self.filter.matches(&told)
                }
            }
    }

    /// Whether a record, or a result, is for this subscriber.
    #[must_use]
    pub fn includes(&self, record: &Record) -> bool {
        self.access.includes(record) && self.filter.matches(record)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

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
            "onPost",
            &[operation],
            &object(args),
        )
    }

    fn event(operation: Operation, record: crate::Record) -> Event {
        Event {
            seq: Seq(1),
            operation,
            record: Arc::new(record),
            selected: None,
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
                field,
                &[operation],
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
