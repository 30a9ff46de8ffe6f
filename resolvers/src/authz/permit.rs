//! Access to one model's records on behalf of one caller.

use driftless_conflict_handlers::Version;

use super::{Access, decide};
use crate::Record;
use crate::api::error::{ErrorType, FieldError};
use crate::engine::Engine;
use crate::identity::Caller;
use crate::schema::model::{Model, ModelOperation};
use crate::storage::{Key, Page, Put, Query, Revision, StorageError, SyncPage, SyncQuery, Write};

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

    pub(crate) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StorageError> {
        self.engine.storage.get(self.model, keys).await
    }

    pub(crate) async fn query(&self, query: &Query) -> Result<Page, StorageError> {
        self.engine.storage.query(self.model, query).await
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
