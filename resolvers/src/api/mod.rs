//! The generated API: [`Api::execute`] answers queries and mutations, [`Api::subscribe`] admits subscriptions.

pub mod client_models;
pub mod error;
pub mod generate;
pub mod introspection;
pub mod outcome;
pub mod scalars;
pub mod sdl;
pub mod types;

use std::sync::Arc;

use serde_json::Value;

use crate::engine::Engine;
use crate::feed::{Event, Operation};
use crate::identity::Caller;
use error::GraphqlError;

/// A GraphQL request as it came, before anything was checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The document.
    pub query: String,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// The variables as sent; number literals keep their text.
    pub variables: serde_json::Map<String, Value>,
}

/// The answer to a request over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// HTTP 200 with this JSON body (data, errors or both).
    Answer(Vec<u8>),
    /// HTTP 400: the document does not parse, or no operation can be chosen.
    Malformed {
        /// `MalformedHttpRequestException` or `BadRequestException`.
        error_type: &'static str,
        /// For people.
        message: String,
    },
    /// The store cannot be used and nothing was committed: "try again later" (`errata.md` rows 1, 2).
    Unavailable(String),
}

/// An admitted subscription: which events it wants and how they look.
#[derive(Clone)]
pub struct Subscription {
    /// The model whose events it wants.
    pub model: String,
    /// The kind of events it wants.
    pub operation: Operation,
    /// Who subscribed.
    pub caller: Caller,
    /// The API that admitted it; after a schema reload it keeps its plan (`errata.md` 2.7).
    pub api: Arc<Api>,
}

/// Why a subscription is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// A rule says no (`Unauthorized`).
    Unauthorized(String),
    /// The document is a query or mutation, or nothing at all; the word to name in the answer.
    NotASubscription(String),
    /// The document or its variables are wrong.
    Invalid(Vec<GraphqlError>),
}

/// A served schema.
pub struct Api {
    /// What the resolvers work with.
    pub engine: Engine,
}

impl Api {
    /// The API of a schema.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Api { engine }
    }

    /// Answers a query or a mutation.
    pub async fn execute(&self, _request: &Request, _caller: &Caller) -> Reply {
        Reply::Unavailable("not built yet".to_owned())
    }

    /// Admits a subscription: validated, authorised, its filter compiled.
    pub fn subscribe(
        self: &Arc<Self>,
        _request: &Request,
        _caller: &Caller,
    ) -> Result<Subscription, Refusal> {
        Err(Refusal::NotASubscription("unknown".to_owned()))
    }
}

impl Subscription {
    /// The `payload` of a `data` frame for an event (`{"data":{…}}`), or `None` if the event is not for this subscriber.
    #[must_use]
    pub fn payload(&self, _event: &Event) -> Option<Vec<u8>> {
        None
    }
}
