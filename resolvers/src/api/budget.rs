//! A bound on the work of one request.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{ErrorType, FieldError};
use crate::schema::model::{Relation, RelationKind, Via};

/// What the relations of one request may cost, so that pages below pages end somewhere. AppSync runs at most 10 000
/// resolvers per request; here only those that read by query weigh that much.
pub(crate) struct Budget(AtomicUsize);

/// What a request may spend.
const BUDGET: usize = 100_000;
/// What one parent costs whose children are found by a query.
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
    pub(crate) fn spend(&self, relation: &Relation, parents: usize) -> Result<(), FieldError> {
        let by_query =
            matches!(relation.via, Via::Index(..)) || relation.kind == RelationKind::HasMany;
        let each = if by_query {
            COST_OF_A_QUERY
        } else {
            COST_OF_A_KEY
        };
        let cost = each * parents;
        let rest = |left: usize| left.checked_sub(cost);
        let spent = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        spent.map(|_| ()).map_err(|_| {
            FieldError::new(
                ErrorType::ResolverExecutionLimitReached,
                "Resolver invocation limit reached.",
            )
        })
    }
}
