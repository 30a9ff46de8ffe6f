//! Several pages by one statement: what relations lead to from the records of a page.
//!
//! They share what one page may weigh. When that is used up each further page has one record, and a token if there are more:
//! so an answer is as heavy as a page and one record for each parent, however many large children the parents have.

use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::{Page, Query, StorageError};

use super::database::{Arg, Statement};
use super::page::Collected;
use super::range::Walk;
use super::rows;
use super::sql::SqlStore;
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
        let mut left = self.page_bytes();
        while let Some(rest) = queries.get(pages.len()..).filter(|rest| !rest.is_empty()) {
            let first = rest.iter().take_while(|query| query.after.is_none());
            match first.count() {
                // A page after another one may take several statements.
                0 | 1 => pages.push(self.small_page(model, &rest[0], &mut left).await?),
                first => pages.extend(self.first_pages(model, &rest[..first], &mut left).await?),
            }
        }
        Ok(pages)
    }

    /// A page that takes its weight out of what is `left`.
    async fn small_page(
        &self,
        model: &Model,
        query: &Query,
        left: &mut usize,
    ) -> Result<Page, StorageError> {
        let (page, weight) = match *left {
            0 => {
                let query = Query {
                    limit: 1,
                    ..query.clone()
                };
                self.page(model, &query, self.page_bytes()).await?
            }
            most => self.page(model, query, most).await?,
        };
        *left = left.saturating_sub(weight);
        Ok(page)
    }

    /// The first pages of as many queries as go into one statement, from the first on.
    async fn first_pages(
        &self,
        model: &Model,
        queries: &[Query],
        left: &mut usize,
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
            let limit = if *left == 0 { 1 } else { query.limit };
            let reader = self.reader(&query.rows, &query.filter, limit);
            let walk = Walk::new(dialect, model, &table, &query.scope, reader.filter())?;
            let range = walk.range_after(None, reader.filter(), args);
            let tested = range.tested();
            let want = reader.want(tested);
            let branch = branches.len();
            branches.push(statements::branch(dialect, &table, &range, want, branch));
            args = range.args;
            asked.push((query, walk, reader, tested, want));
        }
        let mut statement = Statement::new(statements::pages(&table, &branches), args);
        if *left > 0 {
            statement = statement.within(rows::allowance(0, *left));
        }
        let found = self.engine().rows(statement).await?;
        let (head, answers) = rows::pages(&found, asked.len())?;
        let mut pages = Vec::with_capacity(asked.len());
        let weight: usize = answers.iter().map(|hits| rows::weight(hits)).sum();
        if *left > 0 && weight >= *left {
            // The answer was cut, nobody knows in the middle of which pages.
            for (query, ..) in asked {
                pages.push(self.small_page(model, query, left).await?);
            }
            return Ok(pages);
        }
        *left = left.saturating_sub(weight);
        let mut answers = answers.into_iter();
        for (query, walk, mut reader, tested, want) in asked {
            let hits = answers.next().unwrap_or_default();
            let taken = reader.take(want, tested, hits, |hit| walk.passes(hit));
            pages.push(match taken {
                Collected::Page { records, last } => Page {
                    records,
                    next: last.map(|last| walk.position(&last, None, head)),
                },
                Collected::End => Page {
                    records: reader.into_records(),
                    next: None,
                },
                // What the database could not test took most of it: this page is filled by itself.
                Collected::More(_) => self.small_page(model, query, left).await?,
            });
        }
        Ok(pages)
    }
}
