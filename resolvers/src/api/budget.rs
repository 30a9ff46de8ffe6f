//! A bound on the work of one request.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{ErrorType, FieldError};
use crate::schema::model::{Relation, RelationKind, Via};

/// What one request may read, so that aliases of large pages and pages below pages end somewhere. AppSync runs at most
/// 10 000 resolvers per request and answers with at most 5 MB; here reads by query weigh as much as ten records.
pub(crate) struct Budget(AtomicUsize);

/// What a request may spend: so many records.
const BUDGET: usize = 100_000;
/// What a query costs before it has found anything: a root field, or one parent whose children are found by query.
const COST_OF_A_QUERY: usize = 10;
/// What one parent costs whose relation is read by key, together with all others.
const COST_OF_A_KEY: usize = 1;

impl Default for Budget {
    fn default() -> Self {
        Budget(AtomicUsize::new(BUDGET))
    }
}

impl Budget {
    /// Pays for a relation of so many parents, or refuses to load it.
    pub(crate) fn spend_relation(
        &self,
        relation: &Relation,
        parents: usize,
    ) -> Result<(), FieldError> {
        let by_query =
            matches!(relation.via, Via::Index(..)) || relation.kind == RelationKind::HasMany;
        let each = if by_query {
            COST_OF_A_QUERY
        } else {
            COST_OF_A_KEY
        };
        self.spend(each * parents)
    }

    /// Pays for a root field, or refuses to run it.
    pub(crate) fn spend_query(&self) -> Result<(), FieldError> {
        self.spend(COST_OF_A_QUERY)
    }

    /// Pays for records that were found, or refuses to answer with them.
    pub(crate) fn spend_records(&self, records: usize) -> Result<(), FieldError> {
        self.spend(records)
    }

    /// What cannot be paid uses up the rest: nothing after it is worth starting.
    fn spend(&self, cost: usize) -> Result<(), FieldError> {
        let rest = |left: usize| Some(left.saturating_sub(cost));
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest)
            .unwrap_or_default();
        if left >= cost {
            return Ok(());
        }
        Err(FieldError::new(
            ErrorType::ResolverExecutionLimitReached,
            "Resolver invocation limit reached.",
        ))
    }
}
