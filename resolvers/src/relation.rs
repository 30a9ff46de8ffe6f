//! Fields that lead from a record to others (`transformer.md` 5.1).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::error::{ErrorType, Failure, FieldError};
use crate::api::outcome::{Arguments, Connection, Outcome, Resolved};
use crate::api::resolved::internal_failure;
use crate::authz::{Found, Permit, Reading, Sight};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::identity::Caller;
use crate::query::{self, Asked, SortKey};
use crate::schema::Schema;
use crate::schema::model::{Field, KeyFields, Model, Relation, RelationKind, Via};
use crate::storage::{Key, Page, Query, Scope, StorageError};
use crate::{Fields, Record};

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
    let sight = engine.rules.sight(&parent_model.name, &caller.identity);
    let link = Link {
        field,
        relation,
        target,
        sight: &sight,
    };
    let permit = Permit::request(
        engine,
        caller,
        target,
        Reading::Relation,
        &field.name,
        &parent_model.name,
    );
    let permit = match permit {
        Ok(permit) => permit,
        Err(refusal) => return link.refused(parents, key_only, &refusal),
    };
    let open = |parent: &Arc<Record>| sight.shows(&field.name, parent);
    if parents.iter().all(open) {
        return link
            .follow(&permit, parent_model, parents, args, key_only)
            .await;
    }
    let (shown, hidden): (Vec<_>, Vec<_>) = parents.iter().cloned().partition(open);
    let followed = link.follow(&permit, parent_model, &shown, args, key_only);
    let mut followed = followed.await.into_iter();
    let mut refused = link
        .refused(&hidden, key_only, &permit.refusal())
        .into_iter();
    let outcomes = parents.iter().map(|parent| {
        let next = if open(parent) {
            followed.next()
        } else {
            refused.next()
        };
        next.unwrap_or(Ok(Resolved::Null))
    });
    outcomes.collect()
}

/// The key of the record that a belongsTo or hasOne field points to, made from the foreign key alone.
#[must_use]
pub fn reference(schema: &Schema, field: &Field, record: &Record, sight: &Sight) -> Option<Fields> {
    let relation = field.relation.as_ref()?;
    let target = schema.models.get(&relation.target)?;
    foreign_key(relation, target, record, sight)
}

/// What [`reference`] shows, where the relation leads to one record by its key.
fn foreign_key(
    relation: &Relation,
    target: &Model,
    record: &Record,
    sight: &Sight,
) -> Option<Fields> {
    match (relation.kind, &relation.via) {
        (RelationKind::HasMany, _) | (_, Via::Index(..)) => None,
        (_, Via::Key(ours)) => target_key(target, ours, record, sight),
    }
}

/// The target's key fields with our values; `None` if any of them is null (`transformer.md` 5.1).
fn target_key(target: &Model, ours: &[String], record: &Record, sight: &Sight) -> Option<Fields> {
    let values = values(ours, record, sight)?;
    let names = target.key.fields().map(str::to_owned);
    Some(names.zip(values).collect())
}

/// Our values; a field that the caller may not read leads nowhere, as the other end would show it.
fn values(ours: &[String], record: &Record, sight: &Sight) -> Option<Vec<Value>> {
    let value = |name: &String| record.fields.get(name).filter(|value| !value.is_null());
    ours.iter()
        .map(|name| value(name).filter(|_| sight.shows(name, record)))
        .map(Option::<&Value>::cloned)
        .collect()
}

/// Puts pages that were found in the places of what was asked; where nothing was to be asked there is `nothing`.
fn in_places<A>(
    asked: Vec<Result<Option<A>, FieldError>>,
    found: Result<Vec<Page>, StorageError>,
    nothing: &Resolved,
    show: impl Fn(A, Page) -> Resolved,
) -> Vec<Outcome> {
    let (pages, failure) = match found {
        Ok(pages) => (pages, internal_failure().into()),
        Err(error) => (Vec::new(), Failure::from(error)),
    };
    let mut pages = pages.into_iter();
    let outcomes = asked.into_iter().map(|asked| match asked? {
        None => Ok(nothing.clone()),
        Some(asked) => match pages.next() {
            Some(page) => Ok(show(asked, page)),
            None => Err(failure.clone()),
        },
    });
    outcomes.collect()
}

/// A relation field and where it leads.
struct Link<'a> {
    field: &'a Field,
    relation: &'a Relation,
    target: &'a Model,
    /// What the caller sees of the parents.
    sight: &'a Sight,
}

impl Link<'_> {
    /// What is at the other end of each parent.
    async fn follow(
        &self,
        permit: &Permit<'_>,
        parent_model: &Model,
        parents: &[Arc<Record>],
        args: &Arguments,
        key_only: bool,
    ) -> Vec<Outcome> {
        match (self.relation.kind, &self.relation.via) {
            (RelationKind::HasMany, via) => {
                self.pages(permit, parent_model, via, parents, args).await
            }
            (_, Via::Key(ours)) => self.by_key(permit, ours, parents, key_only).await,
            (_, via @ Via::Index(..)) => self.firsts(permit, via, parents).await,
        }
    }

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
                |parent| match foreign_key(self.relation, self.target, parent, self.sight) {
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
            .map(|parent| target_key(self.target, ours, parent, self.sight))
            .collect();
        let found = match self.fetch(permit, wanted.iter().flatten()).await {
            Ok(found) => found,
            Err(failure) => return vec![Err(failure); parents.len()],
        };
        let show = |wanted: Option<Fields>| {
            let Some(key) = wanted else {
                return Ok(Resolved::Null);
            };
            let held = Key::of(self.target, &key).ok();
            match held.and_then(|key| found.get(&key)) {
                Some(Some(record)) => Ok(Resolved::Record(Arc::clone(record))),
                _ if key_only => Ok(Resolved::Reference(Arc::new(key))),
                Some(None) => match permit.got(Found::Hidden) {
                    Ok(_) => Ok(Resolved::Null),
                    Err(refusal) => Err(Failure::Field(refusal)),
                },
                None => Ok(Resolved::Null),
            }
        };
        wanted.into_iter().map(show).collect()
    }

    async fn fetch<'k>(
        &self,
        permit: &Permit<'_>,
        wanted: impl Iterator<Item = &'k Fields>,
    ) -> Result<HashMap<Key, Option<Arc<Record>>>, Failure> {
        let mut keys: Vec<Key> = wanted
            .filter_map(|key| Key::of(self.target, key).ok())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = permit.get(&keys).await?;
        let there = keys.into_iter().zip(found).filter_map(|(key, found)| {
            let record = match found {
                Found::Nothing => return None,
                Found::Hidden => None,
                Found::Record(record) => Some(Arc::new(record)),
            };
            Some((key, record))
        });
        Ok(there.collect())
    }

    /// The pages of a hasMany, read together; a parent without the key has no children (`transformer.md` 5.1).
    async fn pages(
        &self,
        permit: &Permit<'_>,
        parent_model: &Model,
        via: &Via,
        parents: &[Arc<Record>],
        args: &Arguments,
    ) -> Vec<Outcome> {
        // The parent says what the first fields of the key hold; the others order the page.
        let ordered = self.key(via).and_then(|key| {
            let sorted_by = key.fields().skip(self.ours().len());
            permit.clone().by_fields(sorted_by)
        });
        let field = format!("{}.{}", parent_model.name, self.field.name);
        let ask = |parent: &Arc<Record>| {
            let Some(scope) = self.scope(via, parent, args)? else {
                return Ok(None);
            };
            let permit = ordered.as_ref().map_err(FieldError::clone)?;
            let anchor = json!(values(self.ours(), parent, self.sight));
            let default_limit = self.relation.default_limit;
            query::ask(permit, &field, &anchor, scope, args, default_limit).map(Some)
        };
        let asked: Vec<_> = parents.iter().map(ask).collect();
        let nothing = Resolved::Connection(Connection::default());
        let Ok(permit) = &ordered else {
            return in_places(asked, Ok(Vec::new()), &nothing, |_: Asked, _| {
                nothing.clone()
            });
        };
        let wanted = asked
            .iter()
            .filter_map(|asked| asked.as_ref().ok()?.as_ref());
        let queries = wanted.map(|asked| asked.query.clone()).collect();
        let found = permit.query_all(queries).await;
        in_places(asked, found, &nothing, |asked, page| {
            query::answer(permit, &asked.purpose, page)
        })
    }

    /// A hasOne by references: for each parent the first record in the index.
    async fn firsts(
        &self,
        permit: &Permit<'_>,
        via: &Via,
        parents: &[Arc<Record>],
    ) -> Vec<Outcome> {
        let none = Arguments::new();
        let scopes = parents.iter().map(|parent| self.scope(via, parent, &none));
        let asked: Vec<_> = scopes.collect();
        let wanted = asked
            .iter()
            .filter_map(|asked| asked.as_ref().ok()?.as_ref());
        let queries = wanted.map(|scope| Query {
            scope: scope.clone(),
            rows: Filter::everything(),
            filter: Filter::everything(),
            limit: 1,
            after: None,
        });
        let found = permit.query_all(queries.collect()).await;
        in_places(asked, found, &Resolved::Null, |_, page| {
            let first = page.records.into_iter().next();
            first.map_or(Resolved::Null, |record| Resolved::Record(Arc::new(record)))
        })
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
        let key = self.key(via)?;
        let index = match via {
            Via::Key(_) => None,
            Via::Index(name, _) => Some(name.clone()),
        };
        let Some(values) = values(self.ours(), parent, self.sight) else {
            return Ok(None);
        };
        let Some((partition, fixed)) = values.split_first() else {
            return Ok(None);
        };
        Ok(Some(Scope::Index {
            index,
            partition: partition.clone(),
            sort: SortKey::new(&key.sort, fixed).tests(args)?,
            descending: query::descending(args),
        }))
    }

    /// The key of the target's records that a relation goes by.
    fn key(&self, via: &Via) -> Result<&KeyFields, FieldError> {
        match via {
            Via::Key(_) => Ok(&self.target.key),
            Via::Index(name, _) => match self.target.index(name) {
                Some(index) => Ok(&index.key),
                None => Err(self.without_index(name)),
            },
        }
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
