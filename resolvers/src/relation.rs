//! Fields that lead from a record to others (`transformer.md` 5.1).

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::api::error::{ErrorType, Failure, FieldError};
use crate::api::outcome::{Arguments, Connection, Outcome, Resolved};
use crate::authz::Permit;
use crate::engine::Engine;
use crate::filter::Filter;
use crate::identity::Caller;
use crate::query::{self, SortKey};
use crate::schema::Schema;
use crate::schema::model::{Field, KeyFields, Model, ModelOperation, Relation, RelationKind, Via};
use crate::storage::{Key, Query, Scope};
use crate::{Fields, Record};

/// How many queries one relation field runs at the same time.
const CONCURRENT_QUERIES: usize = 8;

/// What a relation field shows for each of these parents, in their order.
///
/// `key_only` says that the selection asks for nothing but the key, `_deleted` and `__typename`; then a parent that is
/// missing or may not be read is answered from the foreign key (`errata.md` row 6).
pub async fn load(
    engine: &Engine,
    caller: &Caller,
    parent_model: &Model,
    field: &Field,
    parents: &[Arc<Record>],
    args: &Arguments,
    key_only: bool,
) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; parents.len()];
    let Some(relation) = &field.relation else {
        return all(Ok(Resolved::Null));
    };
    let Some(target) = engine.schema.models.get(&relation.target) else {
        return all(Ok(Resolved::Null));
    };
    let link = Link {
        field,
        relation,
        target,
    };
    let operation = match relation.kind {
        RelationKind::HasMany => ModelOperation::List,
        RelationKind::HasOne | RelationKind::BelongsTo => ModelOperation::Get,
    };
    let permit = Permit::request(
        engine,
        caller,
        target,
        operation,
        &field.name,
        &parent_model.name,
    );
    match (permit, relation.kind, &relation.via) {
        (Err(refusal), _, _) => link.refused(parents, key_only, &refusal),
        (Ok(permit), RelationKind::HasMany, via) => {
            let page = |parent| link.page(&permit, parent_model, via, parent, args);
            in_order(parents.iter().map(|parent| page(parent.as_ref())).collect()).await
        }
        (Ok(permit), _, Via::Key(ours)) => link.by_key(&permit, ours, parents, key_only).await,
        (Ok(permit), _, via @ Via::Index(..)) => {
            in_order(
                parents
                    .iter()
                    .map(|parent| link.first(&permit, via, parent))
                    .collect(),
            )
            .await
        }
    }
}

/// The key of the record that a belongsTo or hasOne field points to, made from the foreign key alone.
#[must_use]
pub fn reference(schema: &Schema, field: &Field, record: &Record) -> Option<Fields> {
    let relation = field.relation.as_ref()?;
    let target = schema.models.get(&relation.target)?;
    foreign_key(relation, target, record)
}

/// What [`reference`] shows, where the relation leads to one record by its key.
fn foreign_key(relation: &Relation, target: &Model, record: &Record) -> Option<Fields> {
    match (relation.kind, &relation.via) {
        (RelationKind::HasMany, _) | (_, Via::Index(..)) => None,
        (_, Via::Key(ours)) => target_key(target, ours, record),
    }
}

/// The target's key fields with our values; `None` if any of them is null (`transformer.md` 5.1).
fn target_key(target: &Model, ours: &[String], record: &Record) -> Option<Fields> {
    let values = values(ours, record)?;
    let names = target.key.fields().map(str::to_owned);
    Some(names.zip(values).collect())
}

fn values(ours: &[String], record: &Record) -> Option<Vec<Value>> {
    ours.iter()
        .map(|name| record.fields.get(name).filter(|value| !value.is_null()))
        .map(Option::<&Value>::cloned)
        .collect()
}

/// Takes a vector and not an iterator: a borrowing closure held across an await would make the future not `Send`.
async fn in_order<F: Future<Output = Outcome>>(loads: Vec<F>) -> Vec<Outcome> {
    stream::iter(loads)
        .buffered(CONCURRENT_QUERIES)
        .collect()
        .await
}

/// A relation field and where it leads.
struct Link<'a> {
    field: &'a Field,
    relation: &'a Relation,
    target: &'a Model,
}

impl Link<'_> {
    /// The caller may not read the target; its own foreign key is no secret to it.
    fn refused(
        &self,
        parents: &[Arc<Record>],
        key_only: bool,
        refusal: &FieldError,
    ) -> Vec<Outcome> {
        parents
            .iter()
            .map(
                |parent| match foreign_key(self.relation, self.target, parent) {
                    Some(key) if key_only => Ok(Resolved::Reference(Arc::new(key))),
                    _ => Err(Failure::Field(refusal.clone())),
                },
            )
            .collect()
    }

    /// One read for all parents, every record once.
    async fn by_key(
        &self,
        permit: &Permit<'_>,
        ours: &[String],
        parents: &[Arc<Record>],
        key_only: bool,
    ) -> Vec<Outcome> {
        let wanted: Vec<_> = parents
            .iter()
            .map(|parent| target_key(self.target, ours, parent))
            .collect();
        let found = match self.fetch(permit, wanted.iter().flatten()).await {
            Ok(found) => found,
            Err(failure) => return vec![Err(failure); parents.len()],
        };
        let show = |wanted: Option<Fields>| {
            let Some(key) = wanted else {
                return Resolved::Null;
            };
            let held = Key::of(self.target, &key).ok();
            match held.and_then(|key| found.get(&key)) {
                Some(record) => Resolved::Record(Arc::clone(record)),
                None if key_only => Resolved::Reference(Arc::new(key)),
                None => Resolved::Null,
            }
        };
        wanted.into_iter().map(|wanted| Ok(show(wanted))).collect()
    }

    async fn fetch<'k>(
        &self,
        permit: &Permit<'_>,
        wanted: impl Iterator<Item = &'k Fields>,
    ) -> Result<HashMap<Key, Arc<Record>>, Failure> {
        let mut keys: Vec<Key> = wanted
            .filter_map(|key| Key::of(self.target, key).ok())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let records = permit.get(&keys).await?;
        Ok(keys
            .into_iter()
            .zip(records)
            .filter_map(|(key, record)| Some((key, Arc::new(record?))))
            .collect())
    }

    /// A page of a hasMany; a parent without the key has no children (`transformer.md` 5.1).
    async fn page(
        &self,
        permit: &Permit<'_>,
        parent_model: &Model,
        via: &Via,
        parent: &Record,
        args: &Arguments,
    ) -> Outcome {
        let Some(scope) = self.scope(via, parent, args)? else {
            return Ok(Resolved::Connection(Connection::default()));
        };
        let field = format!("{}.{}", parent_model.name, self.field.name);
        let anchor = json!(values(self.ours(), parent));
        let default_limit = self.relation.default_limit;
        query::page(permit, &field, &anchor, scope, args, default_limit).await
    }

    /// A hasOne by references: the first record in the index.
    async fn first(&self, permit: &Permit<'_>, via: &Via, parent: &Record) -> Outcome {
        let Some(scope) = self.scope(via, parent, &Arguments::new())? else {
            return Ok(Resolved::Null);
        };
        let query = Query {
            scope,
            filter: Filter::everything(),
            limit: 1,
            after: None,
        };
        let found = permit.query(query).await?.records.into_iter().next();
        Ok(found.map_or(Resolved::Null, |record| Resolved::Record(Arc::new(record))))
    }

    fn ours(&self) -> &[String] {
        match &self.relation.via {
            Via::Key(ours) | Via::Index(_, ours) => ours,
        }
    }

    /// The target's records that belong to a parent; `None` if the parent lacks the key.
    fn scope(
        &self,
        via: &Via,
        parent: &Record,
        args: &Arguments,
    ) -> Result<Option<Scope>, FieldError> {
        let (index, key): (Option<&str>, &KeyFields) = match via {
            Via::Key(_) => (None, &self.target.key),
            Via::Index(name, _) => match self.target.index(name) {
                Some(index) => (Some(name), &index.key),
                None => return Err(self.without_index(name)),
            },
        };
        let Some(values) = values(self.ours(), parent) else {
            return Ok(None);
        };
        let Some((partition, fixed)) = values.split_first() else {
            return Ok(None);
        };
        Ok(Some(Scope::Index {
            index: index.map(str::to_owned),
            partition: partition.clone(),
            sort: SortKey::new(&key.sort, fixed).tests(args)?,
            descending: query::descending(args),
        }))
    }

    /// A checked schema names only indexes that are there.
    fn without_index(&self, name: &str) -> FieldError {
        FieldError::new(
            ErrorType::InternalFailure,
            format!("'{}' has no index '{name}'.", self.target.name),
        )
    }
}

#[cfg(test)]
mod tests;
