//! Filling a page: rows come in, records that pass stay, and the page knows where it ended.

use driftless_resolvers::Record;
use driftless_resolvers::filter::Filter;

use super::rows::Hit;
use super::statements::SCAN_BOUND;

/// How many times one page asks the database for more, before it is sent as short as it is.
const ROUNDS: usize = 10;
/// How many rows are asked for at least where the database does not test them: so many times [`ROUNDS`] is the bound.
const UNTESTED_WANT: usize = 1_000;

/// A page on its way.
///
/// The database may send rows that do not pass (it tests what it can); [`Filter::matches`] has the last word.
pub(super) struct Reader<'a> {
    filter: &'a Filter,
    limit: usize,
    kept: Vec<Hit>,
    rounds: usize,
}

/// What became of a page after more rows.
pub(super) enum Collected {
    /// Go on after this row.
    More(Hit),
    /// The page, and the row to go on after if something may be left.
    Page {
        records: Vec<Record>,
        last: Option<Hit>,
    },
}

impl<'a> Reader<'a> {
    pub(super) fn new(filter: &'a Filter, limit: usize) -> Self {
        Reader {
            filter,
            limit: limit.max(1),
            kept: Vec::new(),
            rounds: 0,
        }
    }

    /// How many rows to ask for: one more than the page holds tells whether it is the last. `tested` says whether the
    /// database tests the filter, so that most of what it sends will stay; where the first answer was not enough, nobody knows.
    pub(super) fn want(&self, tested: bool) -> usize {
        let missing = self.limit - self.kept.len() + 1;
        if self.rounds == 0 && (tested || self.filter.is_everything()) {
            missing
        } else {
            missing.max(UNTESTED_WANT)
        }
    }

    /// Takes the rows of an answer to a question for `want` rows.
    pub(super) fn take(
        &mut self,
        want: usize,
        hits: Vec<Hit>,
        passes: impl Fn(&Hit) -> bool,
    ) -> Collected {
        let full_answer = hits.len() == want;
        let mut seen = None;
        for hit in hits {
            let stays = self.filter.matches(&hit.record) && passes(&hit);
            if stays && self.kept.len() == self.limit {
                let last = self.kept.last().cloned();
                return self.page(last);
            }
            if stays {
                self.kept.push(hit.clone());
            }
            seen = Some(hit);
        }
        let at_bound = seen.as_ref().is_some_and(|hit| hit.looked == SCAN_BOUND);
        if !full_answer && !at_bound {
            return self.page(None);
        }
        self.rounds += 1;
        match seen {
            Some(hit) if !at_bound && self.rounds < ROUNDS => Collected::More(hit),
            seen => self.page(seen),
        }
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
