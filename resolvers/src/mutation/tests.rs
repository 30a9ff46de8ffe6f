//! Sentences of `sync-semantics` 1, 2, 5 and 6, run over the reference store.

mod automerge;
mod create;
mod external;
mod laws;
mod options;
mod repeated;
mod shells;
mod table;
mod update;

use serde_json::{Value, json};

use crate::Record;
use crate::fixtures::World;

/// The record's document and metadata as one object.
fn image(record: &Record) -> Value {
    let mut fields = record.fields.clone();
    fields.insert("_version".to_owned(), record.version.0.into());
    let deleted = if record.deleted {
        json!(true)
    } else {
        Value::Null
    };
    fields.insert("_deleted".to_owned(), deleted);
    Value::Object(fields)
}

/// Creates a post and updates it until it has this version; the last update sets these fields.
async fn post_at(world: &World, version: u32, mut fields: Value) {
    world.create("Post", json!({"id": "p"})).await.unwrap();
    for v in 1..version {
        let mut input = json!({"id": "p", "_version": v});
        if v + 1 == version {
            input
                .as_object_mut()
                .unwrap()
                .append(fields.as_object_mut().unwrap());
        }
        world.update("Post", input).await.unwrap();
    }
}
