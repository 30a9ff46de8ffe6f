//! The values of new columns in records that were stored before.

use std::collections::HashSet;

use driftless_resolvers::Fields;
use driftless_resolvers::storage::{Key, StorageError};

use super::{Session, Step};
use crate::storage::database::{Arg, Dialect, Row, Statement};
use crate::storage::ddl::registered;
use crate::storage::engine::Engine;
use crate::storage::statements;
use crate::storage::table::{Column, Table};

/// How many records get their values in one transaction.
const BATCH: usize = 500;

/// The numbers of the models that have records without their values.
pub(super) async fn unfinished(engine: &Engine) -> Result<HashSet<i64>, StorageError> {
    let shard = match engine.dialect() {
        Dialect::Postgres => "shard::bigint",
        Dialect::Sqlite => "shard",
    };
    let sql = format!("select distinct {shard} from index_columns where filled_to is not null");
    let rows = engine.rows(Statement::new(sql, Vec::new())).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Fills the new columns of the next records.
pub(super) struct Fill<'a> {
    pub(super) table: &'a Table,
}

/// What one such step did.
pub(super) struct Filled {
    /// How many records got their values.
    pub(super) records: usize,
    /// Whether that were the last ones.
    pub(super) all: bool,
}

impl Step for Fill<'_> {
    type Done = Filled;

    async fn run(&self, session: &mut Session<'_>) -> Result<Filled, StorageError> {
        let table = self.table;
        let Some((columns, after)) = unfilled(session, table).await? else {
            return Ok(Filled {
                records: 0,
                all: true,
            });
        };
        let batch = batch(session, table, after).await?;
        session.lock(table.shard).await?;
        let records = batch.len();
        let all = records < BATCH;
        let last = batch.last().map(|stored| stored.key.0.clone());
        write(session, table, &columns, batch).await?;
        let note =
            "update index_columns set filled_to = $2 where shard = $1 and filled_to is not null";
        let filled_to = Arg::MaybeText(last.filter(|_| !all));
        let args = vec![Arg::Int(table.shard), filled_to];
        session.execute(Statement::new(note, args)).await?;
        Ok(Filled { records, all })
    }
}

/// The columns that are not filled yet, and the key that all of them are filled up to.
async fn unfilled(
    session: &mut Session<'_>,
    table: &Table,
) -> Result<Option<(Vec<Column>, String)>, StorageError> {
    let sql = "select kind, fields, filled_to from index_columns where shard = $1 and filled_to is not null";
    let rows = session
        .rows(Statement::new(sql, vec![Arg::Int(table.shard)]))
        .await?;
    let mut columns = Vec::with_capacity(rows.len());
    let mut least: Option<String> = None;
    for row in &rows {
        columns.push(registered(row)?);
        let to = row.text(2)?;
        least = Some(least.map_or(to.clone(), |least| least.min(to)));
    }
    Ok(least.map(|least| (columns, least)))
}

/// A record as it was read, before writes of its model were kept out.
struct Stored {
    key: Key,
    seq: i64,
    fields: Fields,
}

async fn batch(
    session: &mut Session<'_>,
    table: &Table,
    after: String,
) -> Result<Vec<Stored>, StorageError> {
    let sql = format!(
        "select pk, seq, doc from {} where pk > $1 order by pk limit {BATCH}",
        table.name
    );
    let rows = session
        .rows(Statement::new(sql, vec![Arg::Text(after)]))
        .await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<Stored, StorageError> {
    let (key, doc) = (Key(row.text(0)?), row.text(2)?);
    let fields = serde_json::from_str(&doc)
        .map_err(|error| StorageError::Corrupt(format!("record {}: {error}", key.0)))?;
    let seq = row.int(1)?;
    Ok(Stored { key, seq, fields })
}

/// A record that was written since it was read has another `seq`, and its values already.
async fn write(
    session: &mut Session<'_>,
    table: &Table,
    columns: &[Column],
    batch: Vec<Stored>,
) -> Result<(), StorageError> {
    match session.dialect() {
        Dialect::Postgres => session.execute(together(table, columns, &batch)).await,
        Dialect::Sqlite => {
            for stored in batch {
                session.execute(alone(table, columns, &stored)).await?;
            }
            Ok(())
        }
    }
}

/// One statement for all of them, since each costs a round trip.
fn together(table: &Table, columns: &[Column], batch: &[Stored]) -> Statement {
    let mut args = vec![
        Arg::Texts(batch.iter().map(|stored| stored.key.0.clone()).collect()),
        Arg::Ints(batch.iter().map(|stored| stored.seq).collect()),
    ];
    let mut arrays = vec!["$1::text[]".to_owned(), "$2::bigint[]".to_owned()];
    let mut names = vec!["pk".to_owned(), "seq".to_owned()];
    let mut sets = Vec::with_capacity(columns.len());
    for (n, column) in columns.iter().enumerate() {
        let ty = if column.is_number() {
            "double precision"
        } else {
            "text"
        };
        let values = batch
            .iter()
            .map(|stored| column.attribute.value(&stored.key, &stored.fields));
        args.push(statements::attributes(column.is_number(), values));
        arrays.push(format!("${}::{ty}[]", args.len()));
        names.push(format!("v{n}"));
        sets.push(format!("{} = new.v{n}", column.name));
    }
    let sql = format!(
        "update {} as t set {} from unnest({}) as new({}) where t.pk = new.pk and t.seq = new.seq",
        table.name,
        sets.join(", "),
        arrays.join(", "),
        names.join(", ")
    );
    Statement::new(sql, args)
}

fn alone(table: &Table, columns: &[Column], stored: &Stored) -> Statement {
    let mut args = vec![Arg::Text(stored.key.0.clone()), Arg::Int(stored.seq)];
    let mut sets = Vec::with_capacity(columns.len());
    for column in columns {
        let value = column.attribute.value(&stored.key, &stored.fields);
        args.push(statements::attribute(column.is_number(), value));
        sets.push(format!("{} = ${}", column.name, args.len()));
    }
    let sql = format!(
        "update {} set {} where pk = $1 and seq = $2",
        table.name,
        sets.join(", ")
    );
    Statement::new(sql, args)
}
