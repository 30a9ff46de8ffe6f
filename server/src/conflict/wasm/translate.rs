//! Between our conflicts and those of the component's world.

use std::time::Duration;

use driftless_conflict_handlers::answer::Answer;
use driftless_conflict_handlers::payload::{Payload, REGION};
use driftless_conflict_handlers::{Conflict, Fault, Operation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::world::driftless::conflict::types as world;

/// What a component is told.
pub(super) fn question(conflict: &Conflict<'_>, time: Duration) -> Result<world::Conflict, Fault> {
    let payload = Payload::of(conflict)?;
    let request = conflict.request;
    let intermediate = payload.intermediate.into_iter().map(|step| world::Change {
        version: step.version,
        changed_at_ms: u64::try_from(step.changed_at).unwrap_or_default(),
        changed_fields: step.changed_fields,
        actor: step.actor,
    });
    Ok(world::Conflict {
        operation: match conflict.operation {
            Operation::Update => world::Operation::Update,
            Operation::Delete => world::Operation::Delete,
        },
        model: conflict.model.to_owned(),
        key: payload.key.to_string(),
        new_item: payload.new_item.to_string(),
        existing_item: payload.existing_item.to_string(),
        base_item: payload.base_item.as_ref().map(Value::to_string),
        incoming: payload.incoming.to_string(),
        removed: payload.removed,
        client_version: conflict.client_version().map_or(0, |version| version.0),
        existing_version: conflict.stored.version.0,
        intermediate: intermediate.collect(),
        condition: payload.condition.as_ref().map(Value::to_string),
        automerge_result: payload.automerge_result.as_ref().map(Value::to_string),
        arguments: payload.arguments.to_string(),
        identity: Some(&payload.identity)
            .filter(|identity| !identity.is_null())
            .map(Value::to_string),
        resolver: world::ResolverInfo {
            table_name: conflict.model.to_owned(),
            aws_region: REGION.to_owned(),
            parent_type: "Mutation".to_owned(),
            field: request.field.clone(),
        },
        attempt: conflict.attempt,
        max_attempts: request.max_attempts,
        deadline_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
    })
}

/// The fields of a model, as `host.model-fields` tells them.
pub(super) fn fields(conflict: &Conflict<'_>) -> Vec<world::FieldType> {
    let types = conflict.request.types.iter();
    types
        .map(|(name, graphql_type)| world::FieldType {
            name: name.clone(),
            graphql_type: graphql_type.clone(),
            is_list: graphql_type.starts_with('['),
            is_required: graphql_type.ends_with('!'),
            kind: match conflict.kinds.get(name) {
                Some(driftless_conflict_handlers::Kind::List) => "list",
                Some(driftless_conflict_handlers::Kind::Map(_)) => "map",
                Some(driftless_conflict_handlers::Kind::Json) => "json",
                _ => "scalar",
            }
            .to_owned(),
        })
        .collect()
}

/// What a component answers.
pub(super) fn answer(decision: world::Decision) -> Result<Answer, Fault> {
    Ok(match decision {
        world::Decision::Resolve(item) => Answer::Resolve {
            item: parsed("the resolved item", &item)?,
        },
        world::Decision::Reject(rejection) => Answer::Reject {
            message: rejection.message,
            error_info: info(rejection.error_info)?,
        },
        world::Decision::Remove => Answer::Remove,
        world::Decision::Merge(patch) => Answer::Merge {
            patch: parsed("the patch", &patch.set)?,
            unset: patch.unset,
        },
        world::Decision::Accept => Answer::Accept,
        world::Decision::Keep(bump) => Answer::Keep { bump },
        world::Decision::Automerge => Answer::Automerge,
        world::Decision::Error(error) => Answer::Error {
            error_type: error.error_type,
            message: error.message,
            error_info: info(error.error_info)?,
        },
    })
}

fn info(text: Option<String>) -> Result<Option<Value>, Fault> {
    text.map(|text| parsed("error-info", &text)).transpose()
}

fn parsed<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Malformed(format!("{what}: {error}")))
}
