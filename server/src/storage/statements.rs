//! The SQL of both databases: text and arguments, no effects.

use serde_json::Value;

use driftless_resolvers::feed::{Operation, Seq};
use driftless_resolvers::storage::{Key, Write};
use driftless_resolvers::{Fields, Record, Timestamp, Version};

use super::database::{Arg, Dialect, Statement};
use super::engine::Wall;
use super::filter_sql::{Prefilter, Tested};
use super::table::{Column, Table};

/// How many rows a filtered page may look at (`errata.md` row 40).
pub(super) const SCAN_BOUND: i64 = 10_000;
/// For how long Postgres tests the rows that a scan looks at, in milliseconds; those behind are sent untested, which soon
/// fills an answer. It reads a document anew for every test: with large ones a scan would not end within its time limit,
/// and its caller would ask for the same page for ever.
pub(super) const SCAN_TIME: u64 = 500;

/// Where a write ended up.
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) changed: Timestamp,
    pub(super) seq: i64,
}

impl Stored {
    /// The record that a write became.
    pub(super) fn record(&self, write: &Write) -> Record {
        Record {
            fields: write.fields.clone(),
            version: self.version,
            last_changed_at: self.changed,
            deleted: write.deleted,
        }
    }
}

impl Dialect {
    /// The columns of a record, in the order that [`super::rows::hit`] reads them.
    fn record_columns(self) -> &'static str {
        match self {
            Dialect::Postgres => {
                "pk, version::bigint as version, deleted::int::bigint as deleted, changed_ms, seq, doc"
            }
            Dialect::Sqlite => "pk, version, deleted, changed_ms, seq, doc",
        }
    }

    /// Whether a column is one of the texts of the argument `$n`.
    pub(super) fn any_of(self, column: &str, n: usize) -> String {
        match self {
            Dialect::Postgres => format!("{column} = any(${n})"),
            Dialect::Sqlite => format!("{column} in (select value from json_each(${n}))"),
        }
    }
}

/// A record's document as it is stored.
pub(super) fn document(fields: &Fields) -> String {
    // Serialising a map of JSON values has no way to fail.
    serde_json::to_string(fields).unwrap_or_default()
}

/// The letter of an operation in the log.
pub(super) fn letter(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "c",
        Operation::Update => "u",
        Operation::Delete => "d",
    }
}

/// The operation of a letter in the log; ticks have none.
pub(super) fn operation(letter: &str) -> Option<Operation> {
    match letter {
        "c" => Some(Operation::Create),
        "u" => Some(Operation::Update),
        "d" => Some(Operation::Delete),
        _ => None,
    }
}

/// Seq and time of the log's last row, the shard's floor, its layout, and after which version records begin.
pub(super) fn head(table: &Table) -> Statement {
    let sql = "select coalesce(h.seq, 0), coalesce(h.changed_ms, 0), s.floor_ms, s.layout, s.version_offset from shards s \
               left join (select seq, changed_ms from change_log where shard = $1 order by seq desc limit 1) h on true \
               where s.shard = $1";
    Statement::new(sql, vec![Arg::Int(table.shard)])
}

/// Since when the server of the database runs, in microseconds (Postgres).
pub(super) const RUNS_SINCE: &str =
    "cast(extract(epoch from pg_postmaster_start_time()) * 1000000 as bigint)";

/// One record.
pub(super) fn one(dialect: Dialect, table: &Table, key: &Key) -> Statement {
    let columns = dialect.record_columns();
    let sql = format!("select {columns} from {} where pk = $1", table.name);
    Statement::new(sql, vec![Arg::Text(key.0.clone())])
}

/// Many records, in any order.
pub(super) fn many<'k>(
    dialect: Dialect,
    table: &Table,
    keys: impl IntoIterator<Item = &'k str>,
) -> Statement {
    let columns = dialect.record_columns();
    let chosen = dialect.any_of("pk", 1);
    let sql = format!("select {columns} from {} where {chosen}", table.name);
    let keys = keys.into_iter().map(str::to_owned).collect();
    Statement::new(sql, vec![Arg::Texts(keys)])
}

/// The values of a record's row, for [`record_rows`].
pub(super) fn record_row(table: &Table, write: &Write, place: &Stored, doc: String) -> Vec<Arg> {
    let mut args = Vec::with_capacity(7 + table.columns.len());
    args.extend([
        Arg::Text(write.key.0.clone()),
        Arg::Int(i64::from(place.version.0)),
        Arg::Int(i64::from(write.deleted)),
        Arg::Int(place.changed.0),
        Arg::Int(place.seq),
        Arg::Int(place.seq),
        Arg::Text(doc),
    ]);
    for column in &table.columns {
        let value = column.attribute.value(&write.key, &write.fields);
        args.push(attribute(column.is_number(), value));
    }
    args
}

/// Writes the rows of so many records, new or not (SQLite; Postgres does it inside a function); where one came into being is
/// written with the new ones only, and where it moved in an index with the others. `or fail`, since a failure
/// ends the whole transaction anyway: to undo one statement of several rows, SQLite would keep every page it touches.
pub(super) fn record_rows(table: &Table, rows: usize) -> String {
    let mut names = vec![
        "version",
        "deleted",
        "changed_ms",
        "seq",
        "first_seq",
        "doc",
    ];
    names.extend(table.columns.iter().map(|column| column.name.as_str()));
    let set = |name: &&str| format!("{name} = excluded.{name}");
    let changing = names.iter().filter(|name| **name != "first_seq").map(set);
    let moving = table.columns.iter().map(|Column { name, moved, .. }| {
        format!("{moved} = case when {name} is excluded.{name} then {moved} else excluded.seq end")
    });
    format!(
        "insert or fail into {} (pk, {}) values {} on conflict (pk) do update set {}",
        table.name,
        names.join(", "),
        placeholders(rows, 1 + names.len()),
        changing.chain(moving).collect::<Vec<_>>().join(", ")
    )
}

/// `(?, ?), (?, ?)`: so many rows of so many values.
fn placeholders(rows: usize, values: usize) -> String {
    let row = format!("({})", vec!["?"; values].join(", "));
    vec![row.as_str(); rows].join(", ")
}

/// The value of an index column.
pub(super) fn attribute(is_number: bool, value: Option<Value>) -> Arg {
    if is_number {
        Arg::MaybeFloat(value.and_then(|value| value.as_f64()))
    } else {
        Arg::MaybeText(value.and_then(|value| value.as_str().map(str::to_owned)))
    }
}

/// The values of an index column in several records.
pub(super) fn attributes(is_number: bool, values: impl Iterator<Item = Option<Value>>) -> Arg {
    if is_number {
        let number = |value: Option<Value>| value.and_then(|value| value.as_f64());
        Arg::MaybeFloats(values.map(number).collect())
    } else {
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        Arg::MaybeTexts(values.map(text).collect())
    }
}

/// The values of a write's log row, for [`log_rows`].
pub(super) fn log_row(table: &Table, write: &Write, place: &Stored, doc: String) -> Vec<Arg> {
    vec![
        Arg::Int(table.shard),
        Arg::Int(place.seq),
        Arg::Int(place.changed.0),
        Arg::Text(letter(write.operation).to_owned()),
        Arg::Text(write.key.0.clone()),
        Arg::Int(i64::from(place.version.0)),
        Arg::Int(i64::from(write.deleted)),
        Arg::Text(doc),
        Arg::MaybeText(write.actor.clone()),
        Arg::MaybeText(write.request.as_ref().map(ToString::to_string)),
    ]
}

/// Adds so many rows to the log (SQLite; Postgres does it inside a function); `or fail` as in [`record_rows`].
pub(super) fn log_rows(rows: usize) -> String {
    format!(
        "insert or fail into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc, actor, request) values {}",
        placeholders(rows, 10)
    )
}

/// An idle tick (SQLite; Postgres has a function).
pub(super) fn tick(table: &Table, seq: i64, changed: i64) -> Statement {
    let sql = "insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc) \
               values ($1, $2, $3, 't', '', 0, 0, '')";
    let args = vec![Arg::Int(table.shard), Arg::Int(seq), Arg::Int(changed)];
    Statement::new(sql, args)
}

/// The log's columns of a written version, a record's first.
fn revision_columns(dialect: Dialect) -> String {
    format!("{}, op, actor, request", dialect.record_columns())
}

/// The log row of one version of a record.
pub(super) fn revision(dialect: Dialect, table: &Table, key: &Key, version: Version) -> Statement {
    let sql = format!(
        "select {} from change_log where shard = $1 and pk = $2 and version = $3 and op <> 't' order by seq limit 1",
        revision_columns(dialect)
    );
    let args = vec![
        Arg::Int(table.shard),
        Arg::Text(key.0.clone()),
        Arg::Int(i64::from(version.0)),
    ];
    Statement::new(sql, args)
}

/// The log after a position; the first row tells whether it begins there.
pub(super) fn since(dialect: Dialect, table: &Table, after: Seq, limit: usize) -> Statement {
    let sql = format!(
        "select {} from change_log where shard = $1 and seq > $2 order by seq limit {limit}",
        revision_columns(dialect)
    );
    Statement::new(sql, vec![Arg::Int(table.shard), Arg::Int(after.0)])
}

/// A range of a table in the order it is walked.
pub(super) struct Range {
    /// What rows must be, ready for `where`: one of these. No row fits two.
    pub(super) branches: Vec<String>,
    /// The order, ready for `order by`.
    pub(super) order: String,
    /// Whether no index holds the rows in this order.
    pub(super) sorts: bool,
    /// What of a filter the database can test; rows that fail it are not sent.
    pub(super) filter: Option<Prefilter>,
    /// The arguments of both.
    pub(super) args: Vec<Arg>,
}

impl Range {
    /// What the database says of the rows it sends.
    pub(super) fn tested(&self) -> Tested {
        match &self.filter {
            None => Tested::Not,
            Some(filter) if filter.exact => Tested::Exactly,
            Some(_) => Tested::Partly,
        }
    }
}

/// The rows of a range, at most `want`. The last column counts the rows looked at where a filter is tested, so that
/// the row at the scan bound can be told (it is sent whether it passes or not).
fn scan(dialect: Dialect, table: &Table, range: &Range, want: usize) -> String {
    let columns = dialect.record_columns();
    let order = &range.order;
    match &range.filter {
        None => {
            let rows = ordered(table, range, &want.to_string());
            format!(
                "select {columns}, cast(0 as bigint) as looked from {rows} order by {order} limit {want}"
            )
        }
        Some(Prefilter { sql: filter, .. }) => {
            let rows = ordered(table, range, &SCAN_BOUND.to_string());
            // SQLite hands on the rows of the inner query as they come, in its order; told to order them, it would test
            // all of them first and sort what is in order. `rows::hits` does not take its word for it. It has no clock
            // that goes on during a statement, and is fast.
            let (test, order_again) = match dialect {
                Dialect::Postgres => (
                    format!(
                        "case when clock_timestamp() < statement_timestamp() + interval '{SCAN_TIME} ms' \
                         then {filter} else true end"
                    ),
                    format!("order by {order} "),
                ),
                Dialect::Sqlite => (filter.clone(), String::new()),
            };
            format!(
                "select {columns}, looked from (select *, row_number() over (order by {order}) as looked from {rows} \
                 order by {order} limit {SCAN_BOUND}) as scanned \
                 where ({test}) or looked = {SCAN_BOUND} {order_again}limit {want}"
            )
        }
    }
}

/// A row like those of [`scan`] that says where the log ends in the snapshot that shows them: it has the time and the position
/// of the last change, and no key.
fn ending(table: &Table) -> String {
    let shard = table.shard;
    format!(
        "select cast(null as text) as pk, cast(0 as bigint) as version, cast(0 as bigint) as deleted, changed_ms, seq, \
         '' as doc, cast(0 as bigint) as looked from (select seq, changed_ms from change_log where shard = {shard} \
         order by seq desc limit 1) as head"
    )
}

/// The rows of a page of a query, behind the one of [`ending`].
pub(super) fn page(dialect: Dialect, table: &Table, range: &Range, want: usize) -> String {
    let scan = scan(dialect, table, range, want);
    let ending = ending(table);
    format!("{ending} union all select * from ({scan}) as page")
}

/// The rows of a page as one of several in a statement, by its number in the last column.
pub(super) fn branch(
    dialect: Dialect,
    table: &Table,
    range: &Range,
    want: usize,
    number: usize,
) -> String {
    let scan = scan(dialect, table, range, want);
    format!("select page.*, cast({number} as bigint) as branch from ({scan}) as page")
}

/// Several [`branch`]es, behind the row of [`ending`].
pub(super) fn pages(table: &Table, branches: &[String]) -> String {
    let ending = ending(table);
    let branches = branches.join(" union all ");
    format!(
        "select ending.*, cast(0 as bigint) as branch from ({ending}) as ending union all {branches}"
    )
}

/// The rows of a range, ready for `from`. Several branches are merged: each is a range of an index in the same order. What no
/// index holds in its order is cut before anything is done with it, so that a database need not keep all of it.
fn ordered(table: &Table, range: &Range, most: &str) -> String {
    let name = &table.name;
    if let ([conditions], false) = (range.branches.as_slice(), range.sorts) {
        return format!("{name} where {conditions}");
    }
    let columns = "pk, version, deleted, changed_ms, seq, doc";
    let branch = |conditions: &String| format!("select {columns} from {name} where {conditions}");
    let branches: Vec<_> = range.branches.iter().map(branch).collect();
    format!(
        "({} order by {} limit {most}) as branches",
        branches.join(" union all "),
        range.order
    )
}

/// How many columns of [`sync_page`] come before the page's.
pub(super) const STATE_COLUMNS: usize = 6;

/// The state of the log and a page of a sync, in one statement and thus in one snapshot. No database promises the order of
/// the page's rows here; to ask for it would make them sort what is in order.
pub(super) fn sync_page(
    dialect: Dialect,
    table: &Table,
    mut range: Range,
    want: usize,
    wall: Wall,
) -> Statement {
    let scan = scan(dialect, table, &range, want);
    let wall = wall.bind(&mut range.args);
    let shard = table.shard;
    let follows = match dialect {
        Dialect::Postgres => "pg_is_in_recovery()::int::bigint",
        Dialect::Sqlite => "0",
    };
    let sql = format!(
        "select s.epoch_start_ms, s.purged_ms, coalesce(h.changed_ms, 0), coalesce(h.seq, 0), {wall}, \
         {follows}, page.* from shards s \
         left join (select seq, changed_ms from change_log where shard = {shard} order by seq desc limit 1) h \
         on true left join ({scan}) page on true where s.shard = {shard}"
    );
    Statement::new(sql, range.args)
}
