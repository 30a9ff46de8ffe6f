//! A shared stock: concurrent counts add up.
//!
//! Every device sends the number it came to, and the handler finds out what it counted: the difference to the number it
//! had seen. That is added to what is stored, so that ten devices that each sold one piece leave ten pieces less. All
//! other fields are merged as AppSync does.
//!
//! `config = { fields = "count,reserved" }` names the counted fields; without it every `Int` the client sent is one.

wit_bindgen::generate!({ path: "../../../../wit", world: "handler" });

use driftless::conflict::host::{Level, config, log, model_fields};
use driftless::conflict::types::{Operation, Rejection};
use serde_json::{Map, Value};

struct StockCounter;

export!(StockCounter);

impl Guest for StockCounter {
    fn init() -> Result<u32, String> {
        Ok(1)
    }

    fn resolve(conflict: Conflict) -> Result<Decision, String> {
        if conflict.operation == Operation::Delete {
            return Ok(rejected("somebody counted meanwhile"));
        }
        let Some(base) = &conflict.base_item else {
            return Ok(rejected(
                "the version this count is based on is not known any more",
            ));
        };
        let (base, stored, sent) = (
            object(base)?,
            object(&conflict.existing_item)?,
            object(&conflict.incoming)?,
        );
        let merged = conflict.automerge_result.as_deref();
        let mut result = object(merged.unwrap_or(&conflict.existing_item))?;
        for name in counted(&sent) {
            let (Some(from), Some(to)) = (number(&base, &name), number(&sent, &name)) else {
                continue;
            };
            let sum = number(&stored, &name).unwrap_or(0) + to - from;
            log(
                Level::Debug,
                &format!("{name}: {} counted, {sum} left", to - from),
            );
            result.insert(name, sum.into());
        }
        Ok(Decision::Resolve(Value::Object(result).to_string()))
    }
}

/// The counted fields among those that were sent.
fn counted(sent: &Map<String, Value>) -> Vec<String> {
    let names = match config("fields") {
        Some(names) => names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        None => model_fields()
            .into_iter()
            .filter(|field| field.graphql_type.trim_end_matches('!') == "Int")
            .map(|field| field.name)
            .collect::<Vec<_>>(),
    };
    names
        .into_iter()
        .filter(|name| sent.contains_key(name))
        .collect()
}

/// A number that was never set is 0.
fn number(item: &Map<String, Value>, name: &str) -> Option<i64> {
    match item.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_i64(),
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn rejected(message: &str) -> Decision {
    Decision::Reject(Rejection {
        message: Some(message.to_owned()),
        error_info: None,
    })
}
