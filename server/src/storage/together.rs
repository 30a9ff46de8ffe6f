//! Several pages by one statement: what relations lead to from the records of a page.

use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{Page, Query, StorageError};

use super::database::{Arg, Statement};
use super::page::Collected;
use super::range::Walk;
use super::rows;
use super::sql::{OPEN, SqlStore};
use super::statements;

/// So many pages are asked for by one statement at most: planning takes its time.
const BRANCHES: usize = 32;
/// Both databases bind at most 32,766 arguments; a statement is not begun anew for another page beyond this.
const ARGUMENTS: usize = 16_000;

impl SqlStore {
    /// A page for every query, in their order.
    pub(super) async fn pages(
        &self,
        model: &Model,
        queries: &[Query],
    ) -> Result<Vec<Page>, StorageError> {
        let mut pages = Vec::with_capacity(queries.len());
        while let Some(rest) = queries.get(pages.len()..).filter(|rest| !rest.is_empty()) {
            match rest {
                [query] => pages.push(self.open_page(model, query).await?),
                _ => pages.extend(self.some_pages(model, rest).await?),
            }
        }
        self.close_pages(model, &mut pages).await?;
        Ok(pages)
    }

    /// The pages of as many of the first queries as go into one statement.
    async fn some_pages(
        &self,
        model: &Model,
        queries: &[Query],
    ) -> Result<Vec<Page>, StorageError> {
        let table = self.table(model)?;
        let dialect = self.engine().dialect();
        let mut args: Vec<Arg> = Vec::new();
        let mut branches = Vec::new();
        let mut asked = Vec::new();
        // Powers of two, so that few different statements are kept prepared.
        let count = 1 << queries.len().min(BRANCHES).ilog2();
        for query in queries.iter().take(count) {
            if args.len() > ARGUMENTS {
                break;
            }
            let reader = self.reader(&query.rows, &query.filter, query.limit);
            let walk = Walk::new(dialect, model, &table, &query.scope, reader.filter())?;
            let range = walk.range_after(query.after.as_ref(), reader.filter(), args);
            let tested = range.tested();
            let want = reader.want(tested);
            let branch = branches.len();
            branches.push(statements::branch(dialect, &table, &range, want, branch));
            args = range.args;
            asked.push((query, walk, reader, tested, want));
        }
        let statement = Statement::new(branches.join(" union all "), args);
        let found = self.engine().rows(statement).await?;
        let mut answers = rows::branches(&found, asked.len())?.into_iter();
        let mut pages = Vec::with_capacity(asked.len());
        for (query, walk, mut reader, tested, want) in asked {
            let horizon = query.after.as_ref().map_or(OPEN, |after| after.horizon);
            let hits = answers.next().unwrap_or_default();
            let taken = reader.take(want, tested, hits, |hit| walk.passes(&hit.record));
            pages.push(match taken {
                Collected::Page { records, last } => Page {
                    records,
                    next: last.map(|last| walk.position(&last, horizon)),
                },
                // What the database could not test took most of it: this page is filled by itself.
                Collected::More(_) => self.open_page(model, query).await?,
            });
        }
        Ok(pages)
    }
}
