//! The generated API: [`Api::execute`] answers queries and mutations, [`Api::subscribe`] admits subscriptions.
//!
//! A request goes through [`document`] (text to operation, limits), [`validate`], [`plan`], [`variables`], [`execute`]
//! (resolvers, relations in batches), [`project`] (bytes) and [`respond`].

pub mod client_models;
pub mod error;
pub mod generate;
pub mod introspection;
pub mod outcome;
pub mod scalars;
pub mod sdl;
pub mod types;

mod budget;
mod coerce;
mod document;
mod execute;
mod literal;
mod plan;
mod plan_cache;
mod predicate_input;
mod project;
mod publish;
pub(crate) mod resolved;
mod respond;
mod shown;
mod subscribe;
mod validate;
mod variables;
mod viewer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use serde_json::Value;

use crate::engine::Engine;
use crate::identity::Caller;
use budget::Budget;
use coerce::Inputs;
use document::Rejection;
use error::{ErrorType, GraphqlError};
use execute::{Run, Unavailable};
use introspection::Introspection;
use plan::Plan;
use plan_cache::PlanCache;
use project::Projection;
use types::TypeSystem;
use viewer::Viewer;

pub use subscribe::{Origin, Subscription};

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

impl Request {
    /// Whether it asks for a mutation, which some ways to ask are not for (`errata.md` 2.9). Reads the whole document:
    /// where an API is at hand, [`Api::mutates`] knows it at once.
    #[must_use]
    pub fn is_mutation(&self) -> bool {
        document::mutates(&self.query, self.operation_name.as_deref())
    }
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
    /// The types clients see.
    pub types: TypeSystem,
    introspection: Introspection,
    plans: PlanCache,
}

impl Api {
    /// The API of a schema.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let types = generate::generate(&engine.schema);
        Api {
            engine,
            types,
            introspection: Introspection::default(),
            plans: PlanCache::default(),
        }
    }

    /// Answers a query or a mutation.
    pub async fn execute(&self, request: &Request, caller: &Caller) -> Reply {
        match self.answer(request, caller).await {
            Ok(reply) => reply,
            Err(Rejection::Malformed(error_type, message)) => Reply::Malformed {
                error_type,
                message,
            },
            Err(Rejection::Invalid(errors)) => Reply::Answer(respond::body(None, &errors)),
        }
    }

    async fn answer(&self, request: &Request, caller: &Caller) -> Result<Reply, Rejection> {
        let plan = self.plan(request)?;
        if plan.operation == OperationType::Subscription {
            return Err(not_over_http().into());
        }
        let variables = variables::coerce(self.inputs(), &plan.variables, &request.variables)?;
        let run = Run {
            api: self,
            request,
            caller,
            variables: &variables,
            budget: &Budget::of(self.engine.settings.page_bytes),
            redacts: false,
        };
        let layer = match run.plan(&plan).await {
            Ok(layer) => layer,
            Err(Unavailable(reason)) => return Ok(Reply::Unavailable(reason)),
        };
        let viewer = Viewer {
            engine: &self.engine,
            caller,
        };
        let mut projection = Projection::new(viewer, &variables);
        let written = projection.root(&plan.root, &layer);
        let data = written.is_ok().then_some(projection.out.as_slice());
        Ok(Reply::Answer(respond::body(data, &projection.errors)))
    }

    /// Whether a request asks for a mutation. One that cannot be planned does nothing, so it is none.
    #[must_use]
    pub fn mutates(&self, request: &Request) -> bool {
        let plan = self.plan(request);
        plan.is_ok_and(|plan| plan.operation == OperationType::Mutation)
    }

    /// The plan of a request: cached, or made now.
    fn plan(&self, request: &Request) -> Result<Arc<Plan>, Rejection> {
        let operation = request.operation_name.as_deref();
        let operation = operation.filter(|name| !name.is_empty());
        if let Some(plan) = self.plans.get(&request.query, operation) {
            return Ok(plan);
        }
        let settings = &self.engine.settings;
        let plan = plan::plan(self.inputs(), settings, &request.query, operation)?;
        let plan = Arc::new(plan);
        self.plans.put(&request.query, operation, &plan);
        Ok(plan)
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            types: &self.types,
            schema: &self.engine.schema,
        }
    }
}

fn not_over_http() -> GraphqlError {
    GraphqlError {
        path: None,
        data: None,
        error_type: Some(ErrorType::OperationNotSupported),
        custom: None,
        locations: None,
        message: "Subscriptions are served by the real-time endpoint.".to_owned(),
    }
}
