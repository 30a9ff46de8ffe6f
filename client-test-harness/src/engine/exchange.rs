//! One mutation as a request, and what its answer says.

use serde_json::{Map, Value};

use crate::{
    document::{self, Operation},
    family::Family,
    http::{Answer, GraphqlError},
    outbox::Mutation,
    record::{self, Record},
    schema::Model,
};

/// What an answer with status 200 says about the mutation.
pub enum Reply {
    /// It was done and led to this.
    Done(Record),
    /// It was refused for this.
    Refused(GraphqlError),
    /// No real client could use it.
    Wrong(String),
}

/// Reads the answer as the real clients do.
pub fn reply(model: &Model, head: &Mutation, mut answer: Answer) -> Reply {
    let field = head.operation.mutation_field(model);
    let item = answer.data[&field].take();
    match (item, answer.errors.pop(), answer.errors.is_empty()) {
        (Value::Null, Some(error), true) => Reply::Refused(error),
        (item, None, _) => match record::read(model, &item) {
            Ok((id, record)) if id == head.id => Reply::Done(record),
            Ok((id, _)) => Reply::Wrong(format!("answered with {id}")),
            Err(problem) => Reply::Wrong(problem),
        },
        (item, error, _) => Reply::Wrong(format!("answered with {item} and {error:?}")),
    }
}

/// The document and its variables, as clients of the family send them.
pub fn request(model: &Model, mutation: &Mutation, family: Family) -> (String, Map<String, Value>) {
    let mut input = mutation.input.clone();
    if mutation.operation == Operation::Delete && family.deletes_by_text() {
        input.extend(mutation.id.key_texts(model));
    }
    let mut variables = Map::new();
    if mutation.operation != Operation::Create {
        variables.insert("condition".into(), Value::Null);
        if let Some(version) = mutation.version {
            input.insert("_version".into(), version.into());
        }
    }
    variables.insert("input".into(), Value::Object(input));
    (document::mutation(mutation.operation, model), variables)
}
