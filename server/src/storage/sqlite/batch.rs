//! A batch of writes on SQLite: what it comes to is decided in memory, then written in as few statements as possible.
//!
//! A statement costs its own start, and whatever is sent by itself a change of threads; a row in it costs little. So rows go
//! in groups whose sizes are powers of two, and all statements of a batch are sent as one text: few enough different ones
//! to be kept prepared, and every row's values bound as they are.

use std::collections::{HashMap, HashSet};

use driftless_resolvers::storage::{Put, Write};
use driftless_resolvers::{Record, Timestamp, Version};

use crate::storage::database::{Arg, Statement};
use crate::storage::group::Batch;
use crate::storage::rows::next_version;
use crate::storage::statements::{self, Stored};
use crate::storage::table::Table;
use driftless_resolvers::feed::Seq;

/// The most rows of one statement. Its arguments stay far below what SQLite takes (32,766).
const GROUP: usize = 64;

/// The keys of a batch, each once.
pub(super) fn keys(writes: &[Write]) -> Vec<&str> {
    let mut known = HashSet::with_capacity(writes.len());
    let keys = writes.iter().map(|write| write.key.0.as_str());
    keys.filter(|key| known.insert(*key)).collect()
}

/// A batch that is decided: what to write, and what to answer when that is committed.
pub(super) struct Decided<'a> {
    done: Vec<(&'a Write, Stored)>,
    pub(super) batch: Batch,
}

/// Compares and swaps each write in order, every one of them against what its predecessors leave behind.
pub(super) fn decide(
    writes: &[Write],
    mut stored: HashMap<String, Record>,
    first: Version,
    changed: Timestamp,
    head: i64,
) -> Decided<'_> {
    let repeats = keys(writes).len() < writes.len();
    let mut decided = Decided {
        done: Vec::with_capacity(writes.len()),
        batch: Batch::with_capacity(writes.len()),
    };
    let mut seq = head;
    for write in writes {
        let version = match next_version(write, stored.get(&write.key.0), first) {
            Ok(version) => version,
            Err(outcome) => {
                decided.batch.push(outcome, None);
                continue;
            }
        };
        seq += 1;
        let place = Stored {
            version,
            changed,
            seq,
        };
        let record = place.record(write);
        if repeats {
            stored.insert(write.key.0.clone(), record.clone());
        }
        decided.batch.push(Ok(Put::Done(record)), Some(Seq(seq)));
        decided.done.push((write, place));
    }
    decided
}

impl Decided<'_> {
    /// What writes it, in one; `None` if there is nothing to write.
    pub(super) fn statement(&self, table: &Table) -> Option<Statement> {
        let mut all = self.statements(table).into_iter();
        let mut one = all.next()?;
        for Statement { sql, args, .. } in all {
            one.sql.push_str("; ");
            one.sql.push_str(&sql);
            one.args.extend(args);
        }
        Some(one)
    }

    fn statements(&self, table: &Table) -> Vec<Statement> {
        let documents: Vec<String> = self
            .done
            .iter()
            .map(|(write, _)| statements::document(&write.fields))
            .collect();
        let mut all = Vec::new();
        let rows = self.done.iter().zip(&documents);
        let log = rows.clone().map(|((write, place), document)| {
            statements::log_row(table, write, place, document.clone())
        });
        grouped(statements::log_rows, log.collect(), &mut all);
        // Of a record that was written more than once, the last state is what is stored.
        let mut last = HashMap::with_capacity(self.done.len());
        for (at, (write, _)) in self.done.iter().enumerate() {
            last.insert(write.key.0.as_str(), at);
        }
        let newest = rows
            .enumerate()
            .filter(|(at, ((write, _), _))| last.get(write.key.0.as_str()) == Some(at));
        let records = newest.map(|(_, ((write, place), document))| {
            statements::record_row(table, write, place, document.clone())
        });
        grouped(
            |rows| statements::record_rows(table, rows),
            records.collect(),
            &mut all,
        );
        all
    }
}

/// Divides rows among statements for so many rows each.
fn grouped(text: impl Fn(usize) -> String, mut rows: Vec<Vec<Arg>>, all: &mut Vec<Statement>) {
    let mut size = GROUP;
    while size > 0 {
        while rows.len() >= size {
            let rest = rows.split_off(size);
            let args = std::mem::replace(&mut rows, rest).into_iter().flatten();
            all.push(Statement::new(text(size), args.collect()));
        }
        size /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_resolvers::feed::Operation;
    use driftless_resolvers::storage::{Expected, Key};

    fn write(key: &str, expected: Expected) -> Write {
        Write {
            key: Key(key.to_owned()),
            expected,
            operation: Operation::Update,
            fields: serde_json::Map::new(),
            deleted: false,
            actor: None,
            request: None,
        }
    }

    fn table() -> Table {
        Table {
            shard: 1,
            name: "t".to_owned(),
            columns: Vec::new(),
            layout: String::new(),
        }
    }

    fn heads(decided: &Decided<'_>) -> Vec<(String, usize)> {
        let statements = decided.statements(&table());
        let head = |statement: &Statement| {
            let head = statement.sql.split(" (").next().unwrap_or_default();
            (head.to_owned(), statement.args.len())
        };
        statements.iter().map(head).collect()
    }

    #[test]
    fn every_write_sees_what_its_predecessors_left_and_only_the_last_state_is_stored() {
        let version = |version| Expected::Version(Version(version));
        let writes = [
            write("a", Expected::Absent),
            write("a", version(1)),
            write("a", version(1)),
            write("b", version(7)),
            write("a", version(2)),
        ];
        let decided = decide(&writes, HashMap::new(), Version::FIRST, Timestamp(5), 10);
        let seqs: Vec<_> = decided
            .batch
            .seqs
            .iter()
            .map(|seq| seq.map(|it| it.0))
            .collect();
        assert_eq!(seqs, [Some(11), Some(12), None, None, Some(13)]);
        let last = match &decided.batch.outcomes[2] {
            Ok(Put::Stale(Some(record))) => record.version,
            other => panic!("{other:?}"),
        };
        assert_eq!(last, Version(2));
        let (log, record) = (
            "insert or fail into change_log".to_owned(),
            "insert or fail into t".to_owned(),
        );
        assert_eq!(heads(&decided), [(log.clone(), 20), (log, 10), (record, 7)]);
    }

    #[test]
    fn many_rows_make_few_statements_of_few_kinds() {
        let writes: Vec<_> = (0..256 - 1)
            .map(|n| write(&n.to_string(), Expected::Absent))
            .collect();
        let decided = decide(&writes, HashMap::new(), Version::FIRST, Timestamp(5), 0);
        let sizes: Vec<_> = heads(&decided).iter().map(|(_, args)| *args).collect();
        assert_eq!(sizes[..9], [640, 640, 640, 320, 160, 80, 40, 20, 10]);
        assert_eq!(sizes.len(), 18);
    }

    #[test]
    fn a_batch_that_does_nothing_writes_nothing() {
        let writes = [write("a", Expected::Version(Version(1)))];
        let decided = decide(&writes, HashMap::new(), Version::FIRST, Timestamp(5), 0);
        assert!(heads(&decided).is_empty());
    }
}
