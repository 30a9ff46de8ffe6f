//! Whether what a database holds can be true: records, log and indexes tell one story.

use std::fmt;

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Dialect, Row, Statement};
use super::ddl;
use super::engine::Engine;
use super::epoch::JUMP;
use super::rows::{Hit, hit};
use super::statements;
use super::table::{Column, Table};

/// How many rows are read at a time.
const STRIDE: i64 = 1_000;

/// The first thing of a model that cannot be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The model.
    pub model: String,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.model, self.what)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many records.
    pub records: u64,
    /// How many rows of the log.
    pub log_rows: u64,
    /// The first finding of each model that has one.
    pub findings: Vec<Finding>,
}

/// Why a model's check ends.
enum Stop {
    Found(String),
    Failed(StorageError),
}

impl From<StorageError> for Stop {
    /// Data that cannot be read is what is looked for.
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupt(what) => Stop::Found(what),
            other => Stop::Failed(other),
        }
    }
}

/// Checks every model. Servers may go on meanwhile: what is written after the check has begun is left out.
pub(super) async fn check(engine: &Engine) -> Result<Verdict, StorageError> {
    let mut verdict = Verdict::default();
    let models = "select model, cast(shard as bigint), layout from shards order by model";
    for row in engine.rows(Statement::new(models, Vec::new())).await? {
        let (model, shard) = (row.text(0)?, row.int(1)?);
        let bare = Table {
            shard,
            name: Table::name_for(shard, &model),
            columns: Vec::new(),
            layout: row.maybe_text(2)?.unwrap_or_default(),
        };
        let found = loop {
            let bounds = Bounds::read(engine, &bare).await?;
            let (first, mut counted) = (bounds.first, Verdict::default());
            let checked = check_model(engine, &bare, bounds, &mut counted).await;
            if let Err(Stop::Found(_)) = &checked
                && Bounds::read(engine, &bare).await?.first != first
            {
                // The log was trimmed meanwhile: what is missing may be what went.
                continue;
            }
            verdict.records += counted.records;
            verdict.log_rows += counted.log_rows;
            break checked;
        };
        match found {
            Ok(()) => {}
            Err(Stop::Found(what)) => verdict.findings.push(Finding { model, what }),
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    Ok(verdict)
}

async fn check_model(
    engine: &Engine,
    table: &Table,
    bounds: Bounds,
    verdict: &mut Verdict,
) -> Result<(), Stop> {
    let check = Check {
        engine,
        columns: filled_columns(engine, table).await?,
        bounds,
        table,
    };
    let mut after = Some(String::new());
    while let Some(key) = after {
        let rows = engine.rows(check.records_after(key)).await?;
        for row in &rows {
            check.record(row)?;
        }
        verdict.records += rows.len() as u64;
        after = rows.last().map(|row| row.text(0)).transpose()?;
    }
    let mut before: Option<(i64, i64)> = None;
    loop {
        let from = before.map_or(0, |(seq, _)| seq);
        let rows = engine.rows(check.log_after(from)).await?;
        for row in &rows {
            before = Some(check.logged(row, before)?);
        }
        verdict.log_rows += rows.len() as u64;
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// What of a model's log there is.
struct Bounds {
    first: i64,
    last: i64,
}

impl Bounds {
    async fn read(engine: &Engine, table: &Table) -> Result<Self, StorageError> {
        let sql = "select cast(coalesce(min(seq), 0) as bigint), cast(coalesce(max(seq), 0) as bigint) \
                   from change_log where shard = $1";
        let rows = engine
            .rows(Statement::new(sql, vec![Arg::Int(table.shard)]))
            .await?;
        let row = rows.first();
        Ok(Bounds {
            first: row.map_or(Ok(0), |row| row.int(0))?,
            last: row.map_or(Ok(0), |row| row.int(1))?,
        })
    }
}

/// The index columns whose values every record has.
async fn filled_columns(engine: &Engine, table: &Table) -> Result<Vec<Column>, StorageError> {
    let sql = "select kind, fields from index_columns where shard = $1 and filled_to is null";
    let args = vec![Arg::Int(table.shard)];
    let rows = engine.rows(Statement::new(sql, args)).await?;
    rows.iter().map(ddl::registered).collect()
}

struct Check<'a> {
    engine: &'a Engine,
    table: &'a Table,
    columns: Vec<Column>,
    bounds: Bounds,
}

/// The columns of a record before those of its log row, and before those of its indexes.
const RECORD: usize = 6;
const INDEXED: usize = RECORD + 7;

impl Check<'_> {
    /// Records with the row of the log that made each, and the newest version the log knows, in one snapshot.
    fn records_after(&self, key: String) -> Statement {
        let values: String = self
            .columns
            .iter()
            .map(|column| format!(", {}", self.shown(column)))
            .collect();
        let Table { shard, name, .. } = self.table;
        let sql = format!(
            "select b.pk, cast(b.version as bigint), cast(cast(b.deleted as integer) as bigint), b.changed_ms, b.seq, \
             b.doc, l.pk, cast(l.version as bigint), cast(cast(l.deleted as integer) as bigint), l.changed_ms, l.seq, \
             l.doc, cast((select coalesce(max(n.version), 0) from change_log n where n.shard = {shard} and n.pk = b.pk) \
             as bigint){values} from {name} b left join change_log l on l.shard = {shard} and l.seq = b.seq \
             where b.pk > $1 order by b.pk limit {STRIDE}"
        );
        Statement::new(sql, vec![Arg::Text(key)])
    }

    /// The value of an index column as text that reads back.
    fn shown(&self, column: &Column) -> String {
        let name = &column.name;
        match (self.engine.dialect(), column.is_number()) {
            (Dialect::Postgres, true) => format!("b.{name}::text"),
            (Dialect::Sqlite, true) => {
                format!("case when b.{name} is not null then printf('%.17g', b.{name}) end")
            }
            (_, false) => format!("b.{name}"),
        }
    }

    fn record(&self, row: &Row) -> Result<(), Stop> {
        let stored = hit(row, 0)?;
        let key = &stored.key.0;
        if stored.seq.0 > self.bounds.last {
            return Ok(());
        }
        let newest = row.int(RECORD + 6)?;
        let version = i64::from(stored.record.version.0);
        if newest > version {
            return found(format!(
                "record {key} is stored in version {version}, but the log holds version {newest} of it"
            ));
        }
        if row.maybe_text(RECORD)?.is_some() {
            agree(&stored, &hit(row, RECORD)?)?;
        } else if stored.seq.0 >= self.bounds.first {
            return found(format!(
                "record {key} says it was written at {} of the log, where nothing is",
                stored.seq.0
            ));
        }
        self.indexed(row, &stored)
    }

    /// The columns of indexes hold what the document says.
    fn indexed(&self, row: &Row, stored: &Hit) -> Result<(), Stop> {
        for (column, at) in self.columns.iter().zip(INDEXED..) {
            let expected = statements::attribute(
                column.is_number(),
                column.attribute.value(&stored.key, &stored.record.fields),
            );
            let held = row.maybe_text(at)?;
            let right = match &expected {
                Arg::MaybeFloat(number) => {
                    *number == held.as_deref().and_then(|text| text.parse().ok())
                }
                Arg::MaybeText(text) => *text == held,
                _ => true,
            };
            if !right {
                let held = held.unwrap_or_else(|| "nothing".to_owned());
                return found(format!(
                    "the index over {} holds {held} for record {}, which says otherwise",
                    column.attribute.fields.join(", "),
                    stored.key.0
                ));
            }
        }
        Ok(())
    }

    /// The log up to its end when the check began: position, time, kind, key, version, whether the version before it is
    /// logged, whether the record is stored.
    fn log_after(&self, seq: i64) -> Statement {
        let Table { shard, name, .. } = self.table;
        let sql = format!(
            "select l.seq, l.changed_ms, l.op, l.pk, cast(l.version as bigint), \
             cast((select count(*) from change_log p where p.shard = {shard} and p.pk = l.pk \
             and p.version = l.version - 1 and p.seq < l.seq) as bigint), \
             cast((select count(*) from {name} b where b.pk = l.pk) as bigint) \
             from change_log l where l.shard = {shard} and l.seq > $1 and l.seq <= {} order by l.seq limit {STRIDE}",
            self.bounds.last
        );
        Statement::new(sql, vec![Arg::Int(seq)])
    }

    /// Checks a row of the log against the one before it; answers its position and time.
    fn logged(&self, row: &Row, before: Option<(i64, i64)>) -> Result<(i64, i64), Stop> {
        let (seq, changed, kind) = (row.int(0)?, row.int(1)?, row.text(2)?);
        if let Some((last, time)) = before {
            // Between two epochs the log jumps.
            if seq != last + 1 && !(kind == "t" && seq > last + JUMP) {
                return found(format!("the log goes from {last} to {seq}"));
            }
            if changed < time {
                return found(format!("the time of the log goes back at {seq}"));
            }
        }
        if kind == "t" {
            return Ok((seq, changed));
        }
        let (key, version) = (row.text(3)?, row.int(4)?);
        if row.int(6)? == 0 {
            return found(format!(
                "record {key} is in the log at {seq} and is not stored"
            ));
        }
        // A trimmed log does not hold every version, and a new epoch begins to count at a round number.
        let whole = self.bounds.first == 1;
        if whole && version % JUMP != 1 && row.int(5)? == 0 {
            return found(format!(
                "the log holds version {version} of record {key} at {seq}, and none before it"
            ));
        }
        Ok((seq, changed))
    }
}

/// The newest row of the log is what is stored.
fn agree(stored: &Hit, logged: &Hit) -> Result<(), Stop> {
    let (key, seq) = (&stored.key.0, stored.seq.0);
    let (here, there) = (&stored.record, &logged.record);
    if stored.key != logged.key {
        return found(format!(
            "record {key} says it was written at {seq} of the log, where {} was",
            logged.key.0
        ));
    }
    if here.version != there.version {
        return found(format!(
            "record {key} is stored in version {}, but the log says {} at {seq}",
            here.version.0, there.version.0
        ));
    }
    let differs = |what: &str| {
        found(format!(
            "record {key} has another {what} than the log at {seq}"
        ))
    };
    if here.deleted != there.deleted {
        return differs("state of deletion");
    }
    if here.last_changed_at != there.last_changed_at {
        return differs("time of change");
    }
    if here.fields != there.fields {
        return differs("content");
    }
    Ok(())
}

fn found<T>(what: String) -> Result<T, Stop> {
    Err(Stop::Found(what))
}
