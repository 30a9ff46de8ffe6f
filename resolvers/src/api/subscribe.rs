//! Subscriptions: admitted once, then every event is matched and projected without reading anything else.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_graphql::parser::types::OperationType;

use super::document::Rejection;
use super::error::{ErrorType, GraphqlError};
use super::plan::{Field, Plan, Selection, Source};
use super::project::Projection;
use super::resolved::{Cell, Column, Layer};
use super::types::Resolver;
use super::validate::Rule;
use super::variables::{self, Variables};
use super::viewer::Viewer;
use super::{Api, Refusal, Request, respond, shown};
use crate::Record;
use crate::authz::{Sight, unauthorized};
use crate::feed::{Event, Told};
use crate::identity::Caller;
use crate::notice::Notice;
use crate::subscription::{self, Interest};

/// Where a subscription's events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The log of this model.
    Log(String),
    /// The results of these hand-written mutations.
    Results(Vec<String>),
}

/// An admitted subscription: which events it wants and how they look.
#[derive(Clone)]
pub struct Subscription {
    /// Where its events come from.
    pub origin: Origin,
    /// Who subscribed.
    pub caller: Caller,
    /// The API that admitted it; after a schema reload it keeps its plan (`errata.md` 2.7).
    pub api: Arc<Api>,
    plan: Arc<Plan>,
    variables: Arc<Variables>,
    interest: Arc<Interest>,
    /// What the subscriber may read, as its token said when it subscribed.
    sight: Arc<Sight>,
    /// The selected fields that it does not reach, whatever the record.
    unreached: Vec<String>,
}

impl Api {
    /// Admits a subscription: validated, authorised, its filter compiled.
    pub fn subscribe(
        self: &Arc<Self>,
        request: &Request,
        caller: &Caller,
    ) -> Result<Subscription, Refusal> {
        let plan = self.plan(request).map_err(refuse)?;
        let variables = variables::coerce(self.inputs(), &plan.variables, &request.variables);
        let variables = variables.map_err(refuse)?;
        let (_, field) = root(&plan, &variables)?;
        single_root(&plan, &variables, field)?;
        let engine = &self.engine;
        let viewer = Viewer { engine, caller };
        if viewer.is_denied("Subscription", &field.name) {
            let error = unauthorized(&field.name, "Subscription");
            return Err(Refusal::Unauthorized(error.message));
        }
        let arguments = field.arguments(self.inputs(), &variables);
        let arguments = arguments.map_err(|fault| invalid(fault.message(), None, field))?;
        let (origin, interest, sight) = match &field.source {
            Source::Root(Resolver::Subscribe(model, operations)) => {
                let definition = engine.schema.models.get(model);
                let definition = definition.ok_or_else(|| silent(field))?;
                let name = &field.name;
                let interest =
                    subscription::admit(engine, caller, definition, name, operations, &arguments);
                let interest = interest.map_err(|error| match error.error_type {
                    Some(ErrorType::Unauthorized) => Refusal::Unauthorized(error.message),
                    error_type => invalid(error.message, error_type, field),
                })?;
                let sight = engine.rules.sight(model, &caller.identity);
                (Origin::Log(model.clone()), interest, sight)
            }
            Source::Root(Resolver::Hear(mutations)) => {
                let interest = subscription::of_results(&arguments);
                (
                    Origin::Results(mutations.clone()),
                    interest,
                    Sight::default(),
                )
            }
            _ => return Err(silent(field)),
        };
        Ok(Subscription {
            origin,
            caller: caller.clone(),
            api: Arc::clone(self),
            interest: Arc::new(interest),
            sight: Arc::new(sight),
            variables: Arc::new(variables),
            unreached: unreached(viewer, &plan.root),
            plan: Arc::clone(&plan),
        })
    }
}

/// The fields below a selection that a reader does not reach wherever they stand.
fn unreached(viewer: Viewer<'_>, selection: &Selection) -> Vec<String> {
    let ty = &selection.type_name;
    let guarded = viewer.guards(ty);
    let mut found = Vec::new();
    for field in &selection.fields {
        if guarded && viewer.is_denied(ty, &field.name) {
            found.push(format!("{ty}.{}", field.name));
        }
        if let Some(below) = field.selection() {
            found.extend(unreached(viewer, below));
        }
    }
    found
}

/// Nothing would ever be sent.
fn silent(field: &Field) -> Refusal {
    let name = &field.name;
    let message = format!(
        "Nothing is published to '{name}': no mutation in its @aws_subscribe is served and of its type."
    );
    invalid(message, None, field)
}

fn refuse(rejection: Rejection) -> Refusal {
    match rejection {
        Rejection::Malformed(..) => Refusal::NotASubscription("unknown".to_owned()),
        Rejection::Invalid(errors) => Refusal::Invalid(errors),
    }
}

fn invalid(message: String, error_type: Option<ErrorType>, field: &Field) -> Refusal {
    Refusal::Invalid(vec![GraphqlError {
        path: None,
        data: None,
        error_type,
        custom: None,
        locations: Some(vec![field.location]),
        message,
    }])
}

/// The one root field, and its place in the plan.
fn root<'p>(plan: &'p Plan, variables: &Variables) -> Result<(usize, &'p Field), Refusal> {
    let word = match plan.operation {
        OperationType::Subscription => "unknown",
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
    };
    let mut fields = plan.root.fields.iter().enumerate();
    let field = fields.find(|(_, field)| field.selected(variables));
    match field {
        Some(field) if plan.operation == OperationType::Subscription => Ok(field),
        _ => Err(Refusal::NotASubscription(word.to_owned())),
    }
}

/// Validation counts what is written at the root; here fragments are expanded.
fn single_root(plan: &Plan, variables: &Variables, field: &Field) -> Result<(), Refusal> {
    let selected = plan.root.fields.iter();
    if selected.filter(|field| field.selected(variables)).count() == 1 {
        return Ok(());
    }
    let detail = "Subscription operation must have exactly one root field.";
    let message = format!(
        "Validation error of type {:?}: {detail}",
        Rule::SubscriptionMultipleRootFields
    );
    Err(invalid(message, None, field))
}

impl Subscription {
    /// The `payload` of a `data` frame for an event (`{"data":{…}}`), or `None` if the event is not for this subscriber.
    #[must_use]
    pub fn payload(&self, event: &Event) -> Option<Vec<u8>> {
        if self.wants(event) {
            self.project(event.told())
        } else {
            None
        }
    }

    /// Whether the event is of its kind and passes its arguments, filter and rules.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        self.interest.matches(event)
    }

    /// Whether the result of a hand-written mutation is for it: of one of its mutations, with its arguments as fields.
    #[must_use]
    pub fn hears(&self, notice: &Notice) -> bool {
        let Origin::Results(mutations) = &self.origin else {
            return false;
        };
        mutations.contains(&notice.mutation) && self.interest.includes(&notice.result)
    }

    /// The payload for the record of an event, or the result of a mutation, that it wants; equal for all subscriptions
    /// with the same [`Subscription::projection_key`].
    ///
    /// An event that violates its type is skipped: clients do not get errors in data frames. Where a mutation has not
    /// selected what its subscriber's type requires they do, as from AppSync (`realtime` 3).
    #[must_use]
    pub fn project(&self, told: Told<'_>) -> Option<Vec<u8>> {
        let Told { record, selected } = told;
        let (index, field) = root(&self.plan, &self.variables).ok()?;
        let viewer = Viewer {
            engine: &self.api.engine,
            caller: &self.caller,
        };
        let below = shown::references(viewer, field.selection()?, record, &self.variables);
        let column = Column {
            cells: vec![Cell::Record(0)],
            records: vec![Arc::clone(record)],
            layers: vec![below],
        };
        let layer = Layer {
            columns: vec![(index, column)],
        };
        let mut projection = Projection::new(viewer, &self.variables).of(selected);
        let written = projection.root(&self.plan.root, &layer);
        if projection.lacks {
            return Some(respond::body(Some(&projection.out), &projection.errors));
        }
        if let Some(error) = projection.errors.first() {
            tracing::warn!(
                origin = ?self.origin,
                error = error.message,
                "an event is skipped"
            );
            return None;
        }
        // What the type says is there and the subscriber may not see keeps the event back (`errata.md` row 21).
        written.ok().filter(|()| !projection.withheld)?;
        Some(respond::body(Some(&projection.out), &[]))
    }

    /// Equal for subscriptions whose payloads are equal for an event that both want: the same selection, and the same
    /// fields of the record that they may read (`errata.md` row 21).
    #[must_use]
    pub fn look(&self, record: &Record) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.projection_key().hash(&mut hasher);
        for field in self.sight.hidden(record) {
            field.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Equal for subscriptions whose payloads are equal for every event both want, where they may read the same fields of
    /// the record.
    #[must_use]
    pub fn projection_key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Arc::as_ptr(&self.plan).hash(&mut hasher);
        self.caller.family.is_native().hash(&mut hasher);
        self.unreached.hash(&mut hasher);
        for variable in self.plan.switches() {
            self.variables
                .get(variable)
                .is_some_and(|on| *on == true)
                .hash(&mut hasher);
        }
        hasher.finish()
    }
}
