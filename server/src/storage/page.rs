//! Filling a page: rows come in, records that pass stay, and the page knows where it ended.

use std::time::{Duration, Instant};

use driftless_resolvers::Record;
use driftless_resolvers::filter::Filter;

use super::database::Allowance;
use super::filter_sql::Tested;
use super::rows::{self, Hit};
use super::statements::{SCAN_BOUND, SCAN_TIME};

/// How many times one page asks the database for more, before it is sent as short as it is.
const ROUNDS: usize = 10;
/// For how long a page is filled, also where a short one would tell of records that are not the caller's.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many rows are asked for at least where the database does not test them: so many times [`ROUNDS`] is the bound.
const UNTESTED_WANT: usize = 1_000;

/// A page on its way.
///
/// The database may send rows that do not pass (it tests what it can); [`Filter::matches`] has the last word.
pub(super) struct Reader {
    filter: Filter,
    /// Whether rows are left out that whoever asks must not learn of.
    secretive: bool,
    limit: usize,
    /// How much what the database sends next may weigh.
    left: usize,
    kept: Vec<Hit>,
    /// How many of them are from ranges that were walked before this one.
    before: usize,
    rounds: usize,
    /// Whether the last answer ended because it had looked at enough rows, and not because it was full.
    bounded: bool,
    begun: Instant,
}

/// What became of a page after more rows.
pub(super) enum Collected {
    /// Go on after this row.
    More(Hit),
    /// The page, and the row to go on after; none if that is where this range begins.
    Page {
        records: Vec<Record>,
        last: Option<Hit>,
    },
    /// The range is at its end. The page is what there is, unless it goes on in another one.
    End,
}

impl Reader {
    /// A page of the records among `rows` that pass a filter; it ends where its documents weigh `most` bytes.
    pub(super) fn new(rows: &Filter, filter: &Filter, limit: usize, most: usize) -> Self {
        Reader {
            filter: rows.clone().and(filter.clone()),
            secretive: !rows.is_everything(),
            limit: limit.max(1),
            left: most,
            kept: Vec::new(),
            before: 0,
            rounds: 0,
            bounded: true,
            begun: Instant::now(),
        }
    }

    /// What records must pass.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// How many rows to ask for: one more than the page holds tells whether it is the last. Where the database tests
    /// the filter, most of what it sends will stay; where a full answer was not enough, nobody knows how many.
    pub(super) fn want(&self, tested: Tested) -> usize {
        let missing = self.limit - self.kept.len() + 1;
        if self.bounded && (tested != Tested::Not || self.filter.is_everything()) {
            missing
        } else {
            missing.max(UNTESTED_WANT)
        }
    }

    /// Goes on in another range.
    pub(super) fn turn(&mut self) {
        self.before = self.kept.len();
        self.bounded = true;
    }

    /// Takes the rows of an answer to a question for `want` rows.
    pub(super) fn take(
        &mut self,
        want: usize,
        tested: Tested,
        hits: Vec<Hit>,
        passes: impl Fn(&Hit) -> bool,
    ) -> Collected {
        // The database was stopped there: what else it holds is for other pages.
        let cut = self.is_cut(&hits);
        let full_answer = hits.len() == want || cut;
        let begun = self.kept.len();
        let mut left_out = None;
        for hit in hits {
            let matches = self.filter.matches(&hit.record);
            debug_assert!(
                matches
                    || tested != Tested::Exactly
                    || hit.looked == SCAN_BOUND
                    || self.begun.elapsed() >= Duration::from_millis(SCAN_TIME),
                "the database lets {:?} through {:?}",
                hit.key,
                self.filter
            );
            let stays = matches && passes(&hit);
            if stays && self.kept.len() == self.limit {
                let last = self.kept[self.before..].last().cloned();
                return self.page(last);
            }
            if stays {
                self.kept.push(hit);
                left_out = None;
            } else {
                left_out = Some(hit);
            }
        }
        let taken = &self.kept[begun..];
        let seen = left_out.or_else(|| taken.last().cloned());
        let Some(seen) = seen else {
            return Collected::End;
        };
        self.left -= rows::weight(taken).min(self.left);
        let at_bound = seen.looked == SCAN_BOUND;
        if !full_answer && !at_bound {
            return Collected::End;
        }
        self.rounds += 1;
        self.bounded = at_bound;
        if !cut && self.goes_on(at_bound) {
            Collected::More(seen)
        } else {
            self.page(Some(seen))
        }
    }

    /// Whether a page that is not full yet asks for more. How many rows a page looks at is bounded; but where a short one
    /// would tell of rows that are not the caller's, only time ends it.
    fn goes_on(&self, at_bound: bool) -> bool {
        let looks_on = self.secretive || !at_bound && self.rounds < ROUNDS;
        looks_on && self.begun.elapsed() < PATIENCE
    }

    /// Whether an answer ends there because it weighs enough.
    pub(super) fn is_cut(&self, hits: &[Hit]) -> bool {
        hits.iter().map(|hit| hit.weight).sum::<usize>() >= self.left
    }

    /// How much the documents of an answer may weigh whose records' columns start with the `at`-th.
    pub(super) fn allowance(&self, at: usize) -> Allowance {
        rows::allowance(at, self.left)
    }

    /// The records so far.
    pub(super) fn into_records(self) -> Vec<Record> {
        self.kept.into_iter().map(|hit| hit.record).collect()
    }

    fn page(&mut self, last: Option<Hit>) -> Collected {
        let kept = std::mem::take(&mut self.kept);
        Collected::Page {
            records: kept.into_iter().map(|hit| hit.record).collect(),
            last,
        }
    }
}
