//! What the rows of an answer mean.

use driftless_resolvers::asked::Asked;
use driftless_resolvers::feed::Seq;
use driftless_resolvers::storage::{
    Expected, Horizon, Key, Put, Revision, StorageError, SyncPlace, Write,
};
use driftless_resolvers::sync::LogState;
use driftless_resolvers::{Record, Timestamp, Version};

use super::database::{Allowance, Row};
use super::group::Outcome;
use super::statements::{self, STATE_COLUMNS};

/// A row of a model's table.
#[derive(Clone)]
pub(super) struct Hit {
    pub(super) key: Key,
    pub(super) record: Record,
    pub(super) seq: Seq,
    /// How many rows had been looked at when this one was found; 0 where nobody counts.
    pub(super) looked: i64,
    /// The bytes of its document.
    pub(super) weight: usize,
}

/// Where a record's document is among its columns.
const DOCUMENT: usize = 5;
/// Where a page says how many rows had been looked at, and which of several it is.
const LOOKED: usize = 6;
const BRANCH: usize = 7;

/// How much the documents of an answer may weigh whose records' columns start with the `at`-th.
pub(super) fn allowance(at: usize, bytes: usize) -> Allowance {
    Allowance {
        column: at + DOCUMENT,
        bytes,
    }
}

/// What the documents of an answer weigh.
pub(super) fn weight(hits: &[Hit]) -> usize {
    hits.iter().map(|hit| hit.weight).sum()
}

/// Reads a record's columns, starting with the `at`-th.
pub(super) fn hit(row: &Row, at: usize) -> Result<Hit, StorageError> {
    let corrupt = |what: String| StorageError::Corrupt(what);
    let key = Key(row.text(at)?);
    let version = u32::try_from(row.int(at + 1)?)
        .map_err(|_| corrupt(format!("record {} has no valid version", key.0)))?;
    let doc = row.text(at + DOCUMENT)?;
    let fields = serde_json::from_str(&doc)
        .map_err(|error| corrupt(format!("record {} is no JSON object: {error}", key.0)))?;
    Ok(Hit {
        record: Record {
            fields,
            version: Version(version),
            last_changed_at: Timestamp(row.int(at + 3)?),
            deleted: row.int(at + 2)? != 0,
        },
        seq: Seq(row.int(at + 4)?),
        key,
        looked: 0,
        weight: doc.len(),
    })
}

/// The rows of a [`statements::page`], and where the log ended when they were read.
pub(super) fn page(rows: &[Row]) -> Result<(Horizon, Vec<Hit>), StorageError> {
    let (head, rows) = ending(rows)?;
    let hits: Result<Vec<Hit>, _> = rows.iter().map(|row| scanned(row, 0)).collect();
    Ok((head, in_order(hits?)?))
}

/// Takes off the first row, which says where the log ends; one without rows ends at its beginning.
fn ending(rows: &[Row]) -> Result<(Horizon, &[Row]), StorageError> {
    let at = |seq, changed| Horizon {
        seq: Seq(seq),
        changed: Timestamp(changed),
    };
    match rows.split_first() {
        Some((row, rest)) if row.maybe_text(0)?.is_none() => {
            Ok((at(row.int(4)?, row.int(3)?), rest))
        }
        _ => Ok((at(0, 0), rows)),
    }
}

/// A page goes on after its last row: one that came out of turn would hide those between.
fn in_order(hits: Vec<Hit>) -> Result<Vec<Hit>, StorageError> {
    let is_in_turn = |pair: &[Hit]| pair[0].looked == 0 || pair[0].looked < pair[1].looked;
    if hits.windows(2).all(is_in_turn) {
        return Ok(hits);
    }
    Err(out_of_turn())
}

fn out_of_turn() -> StorageError {
    StorageError::Corrupt(
        "the database answers rows in another order than it was asked for".to_owned(),
    )
}

fn scanned(row: &Row, at: usize) -> Result<Hit, StorageError> {
    let looked = row.int(at + LOOKED)?;
    Ok(Hit {
        looked,
        ..hit(row, at)?
    })
}

/// The rows of each [`statements::branch`] of [`statements::pages`], in its order, and where the log ended.
pub(super) fn pages(rows: &[Row], count: usize) -> Result<(Horizon, Vec<Vec<Hit>>), StorageError> {
    let (head, rows) = ending(rows)?;
    let mut branches: Vec<Vec<Hit>> = vec![Vec::new(); count];
    for row in rows {
        let branch = usize::try_from(row.int(BRANCH)?).ok();
        let branch = branch.and_then(|branch| branches.get_mut(branch));
        let none = || StorageError::Corrupt("an answer to no question".to_owned());
        branch.ok_or_else(none)?.push(scanned(row, 0)?);
    }
    for hits in &mut branches {
        // Where rows are counted they are counted in order; where not, they come in order.
        hits.sort_by_key(|hit| hit.looked);
    }
    Ok((head, branches))
}

/// The page's rows of [`statements::sync_page`] in the order of the sync; an empty page is one row of NULLs. They come in
/// order, which costs one look at each; where they are `cut`, those that do not would be missing.
pub(super) fn page_hits(
    rows: &[Row],
    place: &SyncPlace,
    cut: impl Fn(&[Hit]) -> bool,
) -> Result<Vec<Hit>, StorageError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if row.maybe_text(STATE_COLUMNS)?.is_some() {
            found.push(scanned(row, STATE_COLUMNS)?);
        }
    }
    let changed = |hit: &Hit| (hit.record.last_changed_at, hit.seq);
    let order = |one: &Hit, other: &Hit| match place {
        SyncPlace::Base(_) => one.key.cmp(&other.key),
        SyncPlace::Delta(..) => changed(one).cmp(&changed(other)),
    };
    if !found.is_sorted_by(|one, other| order(one, other).is_le()) {
        if cut(&found) {
            return Err(out_of_turn());
        }
        found.sort_by(order);
    }
    in_order(found)
}

/// The log's state and last position, out of [`statements::sync_page`]. A replica has none that a device could go by: it may
/// lack what another node has told the same device, which waits for word of what comes after that (`sync-design.md` T27).
pub(super) fn log_state(rows: &[Row]) -> Result<(LogState, Seq), StorageError> {
    let row = rows
        .first()
        .ok_or_else(|| StorageError::Corrupt("a model's shard is gone".to_owned()))?;
    if row.int(5)? != 0 {
        return Err(StorageError::Unavailable(
            "the database is a replica, which may lack what clients have seen".to_owned(),
        ));
    }
    let log = LogState {
        epoch_start: Timestamp(row.int(0)?),
        purged: Timestamp(row.int(1)?),
        head: Timestamp(row.int(2)?),
        wall: Timestamp(row.int(4)?),
    };
    Ok((log, Seq(row.int(3)?)))
}

/// A row of the log; ticks hold no revision.
pub(super) fn logged(row: &Row) -> Result<(Seq, Option<Revision>), StorageError> {
    let seq = Seq(row.int(4)?);
    let Some(operation) = statements::operation(&row.text(6)?) else {
        return Ok((seq, None));
    };
    let revision = Revision {
        operation,
        record: hit(row, 0)?.record,
        actor: row.maybe_text(7)?,
        request: row.maybe_text(8)?.map(|text| Asked::from_text(&text)),
    };
    Ok((seq, Some(revision)))
}

/// The version a write makes of what is stored, or why it makes none; new records begin with the `first` one.
pub(super) fn next_version(
    write: &Write,
    stored: Option<&Record>,
    first: Version,
) -> Result<Version, Outcome> {
    match (write.expected, stored) {
        (Expected::Absent, None) => Ok(first),
        (Expected::Version(version), Some(record)) if record.version == version => {
            version.next().ok_or_else(|| Err(spent(&write.key)))
        }
        (_, other) => Err(Ok(Put::Stale(other.cloned()))),
    }
}

/// The version of a record cannot grow any more (`sync-semantics` META-1).
pub(super) fn spent(key: &Key) -> StorageError {
    StorageError::Corrupt(format!("record {} has used up its versions", key.0))
}
