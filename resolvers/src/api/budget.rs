//! A bound on the work and the memory of one request.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftless_conflict_handlers::Record;

use super::error::{ErrorType, FieldError};
use super::execute::CONCURRENT_READS;
use super::outcome::Resolved;
use crate::schema::model::{Relation, RelationKind, Via};
use crate::weight;

/// What one request may read, so that aliases of large pages and pages below pages end somewhere. AppSync runs at most
/// 10 000 resolvers per request and answers with at most 5 MB; here reads by query weigh as much as ten records.
pub(crate) struct Budget {
    /// How many records may still be read.
    records: AtomicUsize,
    /// How many bytes pages may still weigh before they become as small as pages can be.
    pages: AtomicUsize,
    /// How many bytes may still be held.
    bytes: AtomicUsize,
}

/// What a request may spend: so many records.
const BUDGET: usize = 100_000;
/// What a query costs before it has found anything: a root field, or one parent whose children are found by query.
const COST_OF_A_QUERY: usize = 10;
/// What one parent costs whose relation is read by key, together with all others.
const COST_OF_A_KEY: usize = 1;
/// How much may be held, in pages that weigh as much as one may: those that are read at the same time know nothing of each
/// other, and as much again is for what comes after them.
const PAGES: usize = 2 * CONCURRENT_READS;
/// What may be held however small pages are, in bytes: some of the largest records.
const LEAST: usize = 16 << 20;

impl Budget {
    /// Of a request whose pages weigh so many bytes at most, each and, but for a record each, together.
    pub(crate) fn of(page_bytes: usize) -> Budget {
        Budget {
            records: AtomicUsize::new(BUDGET),
            pages: AtomicUsize::new(page_bytes),
            bytes: AtomicUsize::new(page_bytes.saturating_mul(PAGES).max(LEAST)),
        }
    }

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
        self.spend_read(each * parents)
    }

    /// Pays for a root field, or refuses to run it.
    pub(crate) fn spend_query(&self) -> Result<(), FieldError> {
        self.spend_read(COST_OF_A_QUERY)
    }

    /// Nothing is worth reading that could not be answered with.
    fn spend_read(&self, cost: usize) -> Result<(), FieldError> {
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return Err(exceeded());
        }
        spend(&self.records, cost)
    }

    /// Whether the pages of the request weigh as much as one may.
    pub(crate) fn is_page_full(&self) -> bool {
        self.pages.load(Ordering::Relaxed) == 0
    }

    /// Pays for what a read found, or refuses to answer with it. What several parents lead to is `held` once.
    pub(crate) fn spend_found(
        &self,
        found: &Resolved,
        held: &mut HashSet<*const Record>,
    ) -> Result<(), FieldError> {
        let weight = |record: &Record| weight::of(&record.fields);
        match found {
            Resolved::Connection(page) => {
                let bytes = page.records.iter().map(|record| weight(record)).sum();
                // A page that is too heavy for what is left is sent, and the last one of its kind.
                let _ = spend(&self.pages, bytes);
                spend(&self.records, page.records.len())?;
                spend(&self.bytes, bytes)
            }
            Resolved::Record(record) if held.insert(Arc::as_ptr(record)) => {
                spend(&self.bytes, weight(record))
            }
            Resolved::Record(_) | Resolved::Reference(_) | Resolved::Null => Ok(()),
        }
    }
}

/// What cannot be paid uses up the rest: nothing after it is worth starting.
fn spend(account: &AtomicUsize, cost: usize) -> Result<(), FieldError> {
    let rest = |left: usize| Some(left.saturating_sub(cost));
    let left = account
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest)
        .unwrap_or_default();
    if left >= cost {
        Ok(())
    } else {
        Err(exceeded())
    }
}

fn exceeded() -> FieldError {
    FieldError::new(
        ErrorType::ResolverExecutionLimitReached,
        "Resolver invocation limit reached.",
    )
}
