//! Access to one model's records on behalf of one caller.

use std::sync::Arc;

use driftless_conflict_handlers::{Handler, Version};
use serde_json::Value;

use super::sight::visible_fields;
use super::{Access, HiddenGet, Reading, Refused};
use crate::api::error::{ErrorType, Failure, FieldError};
use crate::api::outcome::Arguments;
use crate::asked::{Asked, Selected};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::identity::{Caller, Family, Identity};
use crate::schema::model::{Model, ModelOperation};
use crate::storage::{Key, Page, Put, Query, Revision, StorageError, SyncPage, SyncQuery, Write};
use crate::{Fields, Record, tombstone};

/// The refusal of a field (`transformer` 7).
pub(crate) fn unauthorized(field: &str, parent: &str) -> FieldError {
    FieldError::new(
        ErrorType::Unauthorized,
        format!("Not Authorized to access {field} on type {parent}"),
    )
}

/// Leave to read some records of a model: those its rules let the caller find. It holds the only road from a resolver to
/// the store, and whatever comes along it is the caller's to see.
#[derive(Clone)]
pub(crate) struct Permit<'a> {
    engine: &'a Engine,
    caller: &'a Caller,
    model: &'a Model,
    access: Access,
    field: &'a str,
    parent: &'a str,
}

/// What is there for a caller under a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A record the caller may not have.
    Hidden,
    /// A record.
    Record(Record),
}

impl<'a> Permit<'a> {
    /// Asks whether the caller may read records of the model; `field` and `parent` name the GraphQL field that needs it
    /// in the refusal.
    pub(crate) fn request(
        engine: &'a Engine,
        caller: &'a Caller,
        model: &'a Model,
        reading: Reading<'_>,
        field: &'a str,
        parent: &'a str,
    ) -> Result<Permit<'a>, FieldError> {
        let access = engine.rules.read(&model.name, reading, &caller.identity);
        let permit = Permit {
            engine,
            caller,
            model,
            access,
            field,
            parent,
        };
        match permit.access {
            Access::Deny => Err(permit.refusal()),
            Access::Allow | Access::Rows(_) => Ok(permit),
        }
    }

    /// The refusal of what was asked for.
    pub(crate) fn refusal(&self) -> FieldError {
        unauthorized(self.field, self.parent)
    }

    /// The same for a request that looks records up by these fields: a record is found by what its caller may read.
    pub(crate) fn by_fields<'f>(
        mut self,
        fields: impl Iterator<Item = &'f str>,
    ) -> Result<Self, FieldError> {
        let sight = self
            .engine
            .rules
            .sight(&self.model.name, &self.caller.identity);
        if sight.is_plain() {
            return Ok(self);
        }
        for field in fields {
            self.access = self.access.and(sight.access(field));
        }
        match self.access {
            Access::Deny => Err(self.refusal()),
            Access::Allow | Access::Rows(_) => Ok(self),
        }
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// The caller, as the log and page tokens know them.
    pub(crate) fn principal(&self) -> String {
        self.caller.identity.principal()
    }

    /// The filter among the arguments, as this caller may use it.
    pub(crate) fn filter(&self, args: &Arguments) -> Result<Filter, FieldError> {
        predicate(self.engine, self.caller, self.model, args, "filter")
    }

    /// What is under these keys; a shell is nothing (`errata.md` row 30).
    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Found>, StorageError> {
        let records = self.engine.storage.get(self.model, keys).await?;
        let found = records.into_iter().map(|record| match record {
            Some(record) if !is_shell(self.engine, &record) => {
                if self.access.includes(&record) {
                    Found::Record(record)
                } else {
                    Found::Hidden
                }
            }
            _ => Found::Nothing,
        });
        Ok(found.collect())
    }

    /// What `getX` answers for what is found.
    pub(crate) fn got(&self, found: Found) -> Result<Option<Record>, FieldError> {
        match (found, self.engine.settings.authz.hidden_get) {
            (Found::Record(record), _) => Ok(Some(record)),
            (Found::Nothing, _) | (Found::Hidden, HiddenGet::Null) => Ok(None),
            (Found::Hidden, HiddenGet::Unauthorized) => Err(self.refusal()),
        }
    }

    /// A page of records without shells. What the caller may not have is left to the store to skip, so that pages are
    /// full and tell nothing of it.
    pub(crate) async fn query(&self, query: Query) -> Result<Page, StorageError> {
        let query = self.permitted(query);
        self.engine.storage.query(self.model, &query).await
    }

    /// A page for each query, in their order.
    pub(crate) async fn query_all(&self, queries: Vec<Query>) -> Result<Vec<Page>, StorageError> {
        let queries = queries.into_iter().map(|query| self.permitted(query));
        let queries: Vec<_> = queries.collect();
        self.engine.storage.query_all(self.model, &queries).await
    }

    fn permitted(&self, query: Query) -> Query {
        let ttl = self.engine.settings.tombstone_ttl;
        let whole = tombstone::no_shell(ttl, self.engine.clock.now());
        Query {
            rows: self.access.clone().filter(),
            filter: query.filter.and(whole),
            ..query
        }
    }

    pub(crate) async fn sync(&self, mut query: SyncQuery) -> Result<SyncPage, StorageError> {
        query.rows = self.access.clone().filter();
        self.engine.storage.sync(self.model, &query).await
    }
}

/// A client's filter or condition, as this caller may use it.
fn predicate(
    engine: &Engine,
    caller: &Caller,
    model: &Model,
    args: &Arguments,
    name: &str,
) -> Result<Filter, FieldError> {
    let filter = Filter::from_input(args.get(name).unwrap_or(&Value::Null), model)?;
    Ok(engine.rules.usable(&model.name, &caller.identity, filter))
}

/// Whether nothing is left of a record but its version.
fn is_shell(engine: &Engine, record: &Record) -> bool {
    tombstone::is_shell(record, engine.settings.tombstone_ttl, engine.clock.now())
}

/// Leave to look at what a mutation is about, and to ask whether it may be made. What is stored is not yet the caller's
/// to see.
#[derive(Clone, Copy)]
pub(crate) struct WritePermit<'a> {
    engine: &'a Engine,
    caller: &'a Caller,
    model: &'a Model,
    field: &'a str,
    selected: Option<&'a Arc<Selected>>,
}

/// The rules let the caller make a mutation of what is stored. Good for one write.
#[derive(Debug)]
pub(crate) struct Approved(());

impl<'a> WritePermit<'a> {
    /// Asks whether there can be a record that the caller may do this to: if not, none is read.
    pub(crate) fn request(
        engine: &'a Engine,
        caller: &'a Caller,
        model: &'a Model,
        operation: ModelOperation,
    ) -> Result<WritePermit<'a>, FieldError> {
        let (name, fallback) = match operation {
            ModelOperation::Create => (&model.operations.create, "create"),
            ModelOperation::Update => (&model.operations.update, "update"),
            _ => (&model.operations.delete, "delete"),
        };
        let permit = WritePermit {
            engine,
            caller,
            model,
            field: name.as_deref().unwrap_or(fallback),
            selected: None,
        };
        let rules = &engine.rules;
        if rules.hopes(&model.name, operation, &caller.identity) {
            Ok(permit)
        } else {
            Err(permit.refusal(Refused::Operation))
        }
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }

    pub(crate) fn model(&self) -> &'a Model {
        self.model
    }

    /// The same for a mutation of whose record subscribers are told no more than this.
    pub(crate) fn telling(self, selected: Option<&'a Arc<Selected>>) -> Self {
        WritePermit { selected, ..self }
    }

    /// What the log keeps of a request with this digest.
    pub(crate) fn asked(&self, digest: &str) -> Asked {
        Asked {
            digest: digest.to_owned(),
            selected: self.selected.cloned(),
        }
    }

    /// Who calls.
    pub(crate) fn identity(&self) -> &'a Identity {
        &self.caller.identity
    }

    /// The library the caller uses.
    pub(crate) fn family(&self) -> Family {
        self.caller.family
    }

    /// Whether the rules let the caller create a record from this input, to which defaults have been added; and the
    /// owners to add to it.
    pub(crate) fn may_create(&self, input: &Fields) -> Result<(Approved, Fields), FieldError> {
        let rules = &self.engine.rules;
        let added = rules.create(self.model, &self.caller.identity, input);
        added
            .map(|added| (Approved(()), added))
            .map_err(|refused| self.refusal(refused))
    }

    /// Whether the rules let the caller make this update of what is stored.
    pub(crate) fn may_update(
        &self,
        input: &Fields,
        stored: Option<&Record>,
    ) -> Result<Approved, FieldError> {
        let stored = stored.map(|record| &record.fields);
        let rules = &self.engine.rules;
        let verdict = rules.update(self.model, &self.caller.identity, input, stored);
        self.approved(verdict)
    }

    /// Whether the rules let the caller delete what is stored.
    pub(crate) fn may_delete(&self, stored: Option<&Record>) -> Result<Approved, FieldError> {
        let stored = stored.map(|record| &record.fields);
        let rules = &self.engine.rules;
        self.approved(rules.delete(self.model, &self.caller.identity, stored))
    }

    /// Whether the rules let the caller create a record in the place of a deleted one.
    pub(crate) fn may_revive(&self, tombstone: &Record) -> bool {
        let rules = &self.engine.rules;
        rules.revive(&self.model.name, &self.caller.identity, &tombstone.fields)
    }

    /// The input as rules and the store take it ([`super::Rules::in_whole`]).
    pub(crate) fn in_whole(&self, input: Fields) -> Fields {
        let rules = &self.engine.rules;
        rules.in_whole(&self.model.name, &self.caller.identity, input)
    }

    fn approved(&self, verdict: Result<(), Refused>) -> Result<Approved, FieldError> {
        verdict
            .map(|()| Approved(()))
            .map_err(|refused| self.refusal(refused))
    }

    fn refusal(&self, refused: Refused) -> FieldError {
        match refused {
            Refused::Operation => unauthorized(self.field, "Mutation"),
            Refused::Fields(fields) => FieldError::new(
                ErrorType::Unauthorized,
                format!("Unauthorized on [{}]", fields.join(", ")),
            ),
        }
    }

    /// The condition among the arguments, as this caller may use it.
    pub(crate) fn condition(&self, args: &Arguments) -> Result<Filter, FieldError> {
        predicate(self.engine, self.caller, self.model, args, "condition")
    }

    /// What is stored; a shell is nothing (`errata.md` row 30).
    pub(crate) async fn stored(&self, key: &Key) -> Result<Option<Record>, Failure> {
        let stored = self.kept(key).await?;
        Ok(stored.filter(|record| !self.is_shell(record)))
    }

    /// What the store keeps, be it a shell.
    pub(crate) async fn kept(&self, key: &Key) -> Result<Option<Record>, Failure> {
        let keys = std::slice::from_ref(key);
        let records = self.engine.storage.get(self.model, keys).await?;
        Ok(records.into_iter().next().flatten())
    }

    /// What a rejection shows of the stored record: what the caller may read of it, or nothing (`errata.md` row 16).
    pub(crate) fn shown(&self, record: Record) -> Option<Record> {
        let (rules, identity) = (&self.engine.rules, &self.caller.identity);
        if !self.may_read(&record) {
            return None;
        }
        let sight = rules.sight(&self.model.name, identity);
        if sight.is_plain() {
            return Some(record);
        }
        Some(Record {
            fields: visible_fields(&sight, &record),
            ..record
        })
    }

    /// Who decides the conflicts of the model.
    pub(crate) fn handler(&self) -> &'a Handler {
        self.engine.strategies.of(&self.model.name)
    }

    /// Whether this operation has been carried out already, see [`Caller::repeats`].
    pub(crate) fn repeats(&self) -> bool {
        self.caller.repeats
    }

    /// Whether the caller may read a record at all.
    pub(crate) fn may_read(&self, record: &Record) -> bool {
        let rules = &self.engine.rules;
        let access = rules.read(&self.model.name, Reading::Relation, &self.caller.identity);
        access.includes(record)
    }

    pub(crate) fn is_shell(&self, record: &Record) -> bool {
        is_shell(self.engine, record)
    }

    /// Writes what was approved.
    pub(crate) async fn put(&self, _: Approved, write: Write) -> Result<Put, StorageError> {
        self.engine.storage.put(self.model, write).await
    }

    pub(crate) async fn revision(
        &self,
        key: &Key,
        version: Version,
    ) -> Result<Option<Revision>, StorageError> {
        self.engine.storage.revision(self.model, key, version).await
    }
}
