//! Running a plan: root fields, then relations level by level, then the answer.
//!
//! Query fields run at the same time, mutation fields one after the other, each its own commit (`errata.md` 2.10).

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use driftless_conflict_handlers::Record;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::budget::Budget;
use super::coerce::Inputs;
use super::error::{Failure, FieldError};
use super::outcome::{Arguments, Outcome, Resolved};
use super::plan::{Field, Plan, Selection, Source};
use super::resolved::{Cell, Column, Layer, internal_failure};
use super::shown;
use super::types::{ObjectKind, Resolver};
use super::variables::Variables;
use super::viewer::Viewer;
use super::{Api, Request};
use crate::authz::unauthorized;
use crate::identity::Caller;
use crate::schema::model::{Model, RelationKind};
use crate::{mutation, notice, query, relation, sync};

/// One run of a plan.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// What is served.
    pub(crate) api: &'a Api,
    /// What was asked, as it came.
    pub(crate) request: &'a Request,
    /// Who asks.
    pub(crate) caller: &'a Caller,
    /// The variables.
    pub(crate) variables: &'a Variables,
    /// What relations may still cost.
    pub(crate) budget: &'a Budget,
    /// Whether the answer is a mutation's, in which some relations are not shown (`transformer` 8.6).
    pub(crate) redacts: bool,
}

/// The store could not be used, and nothing was committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unavailable(pub(crate) String);

impl<'a> Run<'a> {
    /// Resolves everything a plan asks for.
    pub(crate) async fn plan(self, plan: &Plan) -> Result<Layer, Unavailable> {
        match plan.operation {
            OperationType::Mutation => {
                let run = Run {
                    redacts: true,
                    ..self
                };
                run.mutations(&plan.root).await
            }
            OperationType::Query | OperationType::Subscription => self.queries(&plan.root).await,
        }
    }

    /// Who reads the answer.
    pub(super) fn viewer(self) -> Viewer<'a> {
        Viewer {
            engine: &self.api.engine,
            caller: self.caller,
        }
    }

    fn roots(self, root: &Selection) -> impl Iterator<Item = (usize, &Field)> {
        let needs_resolver = |field: &Field| {
            matches!(field.source, Source::Root(_) | Source::KeylessGet { .. })
                && field.selected(self.variables)
        };
        let fields = root.fields.iter().enumerate();
        fields.filter(move |(_, field)| needs_resolver(field))
    }

    async fn queries(self, root: &Selection) -> Result<Layer, Unavailable> {
        let reads = self.roots(root).map(|(index, field)| {
            let column = async move {
                let outcomes = match self.budget.spend_query() {
                    Ok(()) => self.paid(vec![self.root(field).await]),
                    Err(error) => vec![Err(error.into())],
                };
                let column = self.column(field, outcomes).await?;
                Ok((index, column))
            };
            column.boxed()
        });
        let mut columns = few_at_once(reads.collect()).await?;
        columns.extend(self.introspection(root));
        Ok(Layer { columns })
    }

    /// Takes what reads found out of the budget.
    fn paid(self, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let mut held = HashSet::new();
        let paid = |outcome: Outcome| {
            let found = outcome?;
            self.budget.spend_found(&found, &mut held)?;
            Ok(found)
        };
        outcomes.into_iter().map(paid).collect()
    }

    /// Lets a page be as small as it can be, one record and a token for the rest, where the pages before it weigh as much
    /// as one may.
    fn lighten(self, page: &mut Arguments) {
        let limit = page.get("limit").and_then(Value::as_f64);
        if self.budget.is_page_full() && limit.is_none_or(|limit| limit > 1.0) {
            page.insert("limit".to_owned(), json!(1));
        }
    }

    /// `__schema` and `__type`, answered together.
    fn introspection(self, root: &Selection) -> Vec<(usize, Column)> {
        let asked =
            |field: &Field| field.source == Source::Introspection && field.selected(self.variables);
        let fields = root.fields.iter().enumerate();
        let fields: Vec<_> = fields.filter(|(_, field)| asked(field)).collect();
        if fields.is_empty() {
            return Vec::new();
        }
        let Request {
            query,
            operation_name,
            ..
        } = self.request;
        let operation = operation_name.as_deref().filter(|name| !name.is_empty());
        let Api {
            types,
            introspection,
            ..
        } = self.api;
        let mut answer = introspection.answer(types, query, operation, self.variables);
        let mut cell = |key: &str| match &mut answer {
            Ok(answers) => answers.remove(key).map_or(Cell::Null, Cell::Json),
            Err(message) => Cell::Failed(FieldError::untyped(message.clone())),
        };
        let column = |(index, field): (usize, &Field)| {
            let cells = vec![cell(&field.key)];
            (
                index,
                Column {
                    cells,
                    ..Column::default()
                },
            )
        };
        fields.into_iter().map(column).collect()
    }

    /// From the first commit on the request has an effect, and "try again later" is no answer any more
    /// (`errata.md` row 2).
    async fn mutations(self, root: &Selection) -> Result<Layer, Unavailable> {
        let mut committed = false;
        let mut columns = Vec::new();
        for (index, field) in self.roots(root) {
            let column = match self.root(field).await {
                Ok(resolved) => {
                    committed = true;
                    self.tell(field, &resolved);
                    self.committed(field, resolved).await?
                }
                Err(Failure::Unavailable(reason)) if committed => {
                    tracing::error!(field = field.name, reason, "a later mutation failed");
                    Column::failed(internal_failure())
                }
                Err(failure) => self.column(field, vec![Err(failure)]).await?,
            };
            columns.push((index, column));
        }
        Ok(Layer { columns })
    }

    /// The answer of a mutation that is committed: if its relations cannot be read, they are shown as far as the record
    /// itself tells.
    async fn committed(self, field: &Field, resolved: Resolved) -> Result<Column, Unavailable> {
        match self.column(field, vec![Ok(resolved.clone())]).await {
            Err(Unavailable(reason)) => {
                tracing::error!(
                    field = field.name,
                    reason,
                    "relations of an answer are left out"
                );
                let mut column = Column::of([Ok(resolved)]).map_err(Unavailable)?;
                if let (Some(record), Some(selection)) = (column.records.first(), field.selection())
                {
                    let layer = shown::references(self.viewer(), selection, record, self.variables);
                    column.layers.push(layer);
                }
                Ok(column)
            }
            column => column,
        }
    }

    async fn root(self, field: &Field) -> Outcome {
        let resolver = match &field.source {
            Source::Root(resolver) => resolver,
            Source::KeylessGet {
                variable,
                complaint,
            } => {
                return if self
                    .variables
                    .get(variable)
                    .is_some_and(|value| !value.is_null())
                {
                    Err(FieldError::untyped(complaint.clone()).into())
                } else {
                    Ok(Resolved::Null)
                };
            }
            _ => return Ok(Resolved::Null),
        };
        let operation = if self.redacts { "Mutation" } else { "Query" };
        if self.viewer().is_denied(operation, &field.name) {
            return Err(unauthorized(&field.name, operation).into());
        }
        let mut arguments = self.arguments(field)?;
        if let Resolver::List(_) | Resolver::Index(..) | Resolver::Sync(_) = resolver {
            self.lighten(&mut arguments);
        }
        self.resolve(resolver, field, &arguments).await
    }

    async fn resolve(self, resolver: &Resolver, field: &Field, arguments: &Arguments) -> Outcome {
        let (engine, caller) = (&self.api.engine, self.caller);
        let selected = self.selected(field);
        let selected = selected.as_ref();
        match resolver {
            Resolver::Get(name) => query::get(engine, caller, self.model(name)?, arguments).await,
            Resolver::List(name) => query::list(engine, caller, self.model(name)?, arguments).await,
            Resolver::Index(name, index) => {
                let model = self.model(name)?;
                let index = model.index(index).ok_or_else(internal_failure)?;
                query::index(engine, caller, model, index, arguments).await
            }
            Resolver::Sync(name) => sync::run(engine, caller, self.model(name)?, arguments).await,
            Resolver::Create(name) => {
                mutation::create(engine, caller, self.model(name)?, arguments, selected).await
            }
            Resolver::Update(name) => {
                mutation::update(engine, caller, self.model(name)?, arguments, selected).await
            }
            Resolver::Delete(name) => {
                mutation::delete(engine, caller, self.model(name)?, arguments, selected).await
            }
            Resolver::Echo => Ok(Resolved::Record(Arc::new(notice::echo(arguments)))),
            Resolver::Property
            | Resolver::Relation
            | Resolver::Nothing
            | Resolver::Unserved(_)
            | Resolver::Subscribe(..)
            | Resolver::Hear(_) => Ok(Resolved::Null),
        }
    }

    fn model(self, name: &str) -> Result<&'a Model, Failure> {
        let model = self.api.engine.schema.models.get(name);
        let model = model.ok_or_else(|| Failure::Field(internal_failure()))?;
        Ok(model)
    }

    fn arguments(self, field: &Field) -> Result<Arguments, FieldError> {
        let inputs = Inputs {
            types: &self.api.types,
            schema: &self.api.engine.schema,
        };
        let arguments = field.arguments(inputs, self.variables);
        arguments.map_err(|fault| FieldError::untyped(fault.message()))
    }

    /// The values of a field and everything below them.
    fn column<'f>(
        self,
        field: &'f Field,
        outcomes: Vec<Outcome>,
    ) -> BoxFuture<'f, Result<Column, Unavailable>>
    where
        'a: 'f,
    {
        async move {
            let mut column = Column::of(outcomes).map_err(Unavailable)?;
            let records = &column.records;
            let layers = self
                .record_selections(field)
                .map(|selection| self.layer(selection, records).boxed());
            column.layers = few_at_once(layers.collect()).await?;
            Ok(column)
        }
        .boxed()
    }

    /// The selections that are made on the records of a field: its own, or those of `items` on a page.
    fn record_selections(self, field: &Field) -> impl Iterator<Item = &Selection> {
        record_selections(field, self.variables)
    }

    async fn layer(
        self,
        selection: &Selection,
        records: &[Arc<Record>],
    ) -> Result<Layer, Unavailable> {
        let fields = selection.fields.iter().enumerate();
        let relations = fields.filter_map(|(index, field)| match field.source {
            Source::Relation { key_only } if field.selected(self.variables) => {
                Some((index, field, key_only))
            }
            _ => None,
        });
        let loads = relations.map(|(index, field, key_only)| {
            let column = async move {
                let outcomes = self.load(selection, field, records, key_only).await;
                Ok((index, self.column(field, outcomes).await?))
            };
            column.boxed()
        });
        let columns = few_at_once(loads.collect()).await?;
        Ok(Layer { columns })
    }

    async fn load(
        self,
        selection: &Selection,
        field: &Field,
        parents: &[Arc<Record>],
        key_only: bool,
    ) -> Vec<Outcome> {
        let fail = |error: FieldError| vec![Err(Failure::Field(error)); parents.len()];
        if parents.is_empty() {
            return Vec::new();
        }
        let mut arguments = match self.arguments(field) {
            Ok(arguments) => arguments,
            Err(error) => return fail(error),
        };
        let model = selection.model.as_ref();
        let definition = model.and_then(|model| model.fields.get(&field.name));
        let relation = definition.and_then(|definition| definition.relation.as_ref());
        let (Some(model), Some(definition), Some(relation)) = (model, definition, relation) else {
            return fail(internal_failure());
        };
        let sight = self.redacts.then(|| self.viewer().sight(model));
        if let Some(sight) = sight.filter(|sight| sight.redacts(&field.name)) {
            let schema = &self.api.engine.schema;
            let shown = |parent: &Arc<Record>| {
                let shown = shown::reference(schema, definition, parent, &sight, key_only);
                Ok(shown.unwrap_or(Resolved::Null))
            };
            return parents.iter().map(shown).collect();
        }
        if let Err(error) = self.budget.spend_relation(relation, parents.len()) {
            return fail(error);
        }
        if relation.kind == RelationKind::HasMany {
            self.lighten(&mut arguments);
        }
        let (engine, caller) = (&self.api.engine, self.caller);
        let load = relation::load(
            engine, caller, model, definition, parents, &arguments, key_only,
        );
        self.paid(load.await)
    }
}

/// So many reads of one selection run at the same time; their arguments are in memory that long.
pub(super) const CONCURRENT_READS: usize = 8;

/// Runs reads of one selection, in order of their fields.
async fn few_at_once<T>(
    reads: Vec<BoxFuture<'_, Result<T, Unavailable>>>,
) -> Result<Vec<T>, Unavailable> {
    stream::iter(reads)
        .buffered(CONCURRENT_READS)
        .try_collect()
        .await
}

/// The selections that are made on the records of a field, in the order of a column's layers.
pub(crate) fn record_selections<'f>(
    field: &'f Field,
    variables: &Variables,
) -> impl Iterator<Item = &'f Selection> {
    let selection = field.selection();
    let page = selection.filter(|selection| matches!(selection.kind, ObjectKind::Connection(_)));
    let own = selection.filter(|_| page.is_none());
    let items = page.into_iter().flat_map(|page| &page.fields);
    let items = items.filter(|field| field.source == Source::Items && field.selected(variables));
    own.into_iter().chain(items.filter_map(Field::selection))
}
