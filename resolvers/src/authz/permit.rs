//! Access to one model's records on behalf of one caller.

use driftless_conflict_handlers::Version;

use super::{Access, decide};
use crate::Record;
use crate::api::error::{ErrorType, FieldError};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::model::{Model, ModelOperation};
use crate::storage::{Key, Page, Put, Query, Revision, StorageError, SyncPage, SyncQuery, Write};
use crate::tombstone;

/// A decision in the caller's favour. It holds the only road from a resolver to the store.
#[derive(Clone, Copy)]
pub(crate) struct Permit<'a> {
    engine: &'a Engine,
    caller: &'a Caller,
    model: &'a Model,
    access: Access,
}

impl<'a> Permit<'a> {
    /// Asks whether the caller may do this to the model's records; `field` and `parent` name the GraphQL field that
    /// needs it in the refusal.
    pub(crate) fn request(
        engine: &'a Engine,
        caller: &'a Caller,
        model: &'a Model,
        operation: ModelOperation,
        field: &str,
        parent: &str,
    ) -> Result<Permit<'a>, FieldError> {
        match decide(&engine.schema, model, operation, &caller.identity) {
            access @ Access::Allow => Ok(Permit {
                engine,
                caller,
                model,
                access,
            }),
            Access::Deny => Err(FieldError::new(
                ErrorType::Unauthorized,
                format!("Not Authorized to access {field} on type {parent}"),
            )),
        }
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// What was decided.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn model(&self) -> &'a Model {
        self.model
    }

    /// The caller, as the log and page tokens know them.
    pub(crate) fn principal(&self) -> String {
        self.caller.identity.principal()
    }

    /// The records with these keys; a shell is none (`errata.md` row 30).
    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StorageError> {
        let mut records = self.engine.storage.get(self.model, keys).await?;
        for record in &mut records {
            record.take_if(|record| self.is_shell(record));
        }
        Ok(records)
    }

    /// A page of records without shells: those are left to the store to skip, so that pages are full.
    pub(crate) async fn query(&self, mut query: Query) -> Result<Page, StorageError> {
        let ttl = self.engine.settings.tombstone_ttl;
        let whole = tombstone::no_shell(ttl, self.engine.clock.now());
        query.filter = query.filter.and(whole);
        self.engine.storage.query(self.model, &query).await
    }

    /// Whether nothing is left of a record but its version.
    pub(crate) fn is_shell(&self, record: &Record) -> bool {
        let ttl = self.engine.settings.tombstone_ttl;
        tombstone::is_shell(record, ttl, self.engine.clock.now())
    }

    pub(crate) async fn sync(&self, query: &SyncQuery) -> Result<SyncPage, StorageError> {
        self.engine.storage.sync(self.model, query).await
    }

    pub(crate) async fn put(&self, write: Write) -> Result<Put, StorageError> {
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
