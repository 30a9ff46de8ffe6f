//! Tables, empty columns and write functions.

use std::collections::HashSet;

use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;

use super::index::wanted;
use super::inventory::Inventory;
use super::{HERE, Session, Step};
use crate::storage::database::{Arg, Dialect, Statement};
use crate::storage::epoch::JUMP;
use crate::storage::table::{Column, Table, indexes, parts, quoted};
use crate::storage::{ddl, write_sql};

/// Adds what a schema's models lack, without touching a stored record.
pub(super) struct Expand<'a> {
    pub(super) schema: &'a Schema,
}

impl Step for Expand<'_> {
    type Done = Vec<Table>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Table>, StorageError> {
        let mut inventory = Inventory::read(session).await?;
        let mut tables = Vec::with_capacity(self.schema.models.len());
        for model in self.schema.models.values() {
            tables.push(expand(session, &mut inventory, model).await?);
        }
        Ok(tables)
    }
}

async fn expand(
    session: &mut Session<'_>,
    inventory: &mut Inventory,
    model: &Model,
) -> Result<Table, StorageError> {
    let (shard, known_layout) = match inventory.shards.remove(model.stored_name()) {
        Some(known) => known,
        None => (new_shard(session, model.stored_name()).await?, None),
    };
    let mut table = Table {
        shard,
        name: Table::name_for(shard, model.stored_name()),
        columns: inventory.columns.remove(&shard).unwrap_or_default(),
        layout: String::new(),
    };
    let fresh = missing_columns(&table, model);
    table.columns.extend(fresh.iter().cloned());
    // The order of the registry, which is the order that every node calls the write function with.
    table
        .columns
        .sort_by(|left, right| left.name.cmp(&right.name));
    table.layout = layout(session.dialect(), &table);
    if known_layout.as_ref() == Some(&table.layout) {
        return Ok(table);
    }
    // From here on no write of the model begins or goes on before this transaction ends.
    session.lock(shard).await?;
    let empty = make_table(session, inventory, &table).await?;
    for column in &fresh {
        let sql = ddl::column(session.dialect(), &table, column);
        session.run(sql).await?;
        let filled_to = (!empty).then(String::new);
        let register = ddl::register(&table, column, filled_to);
        session.execute(register).await?;
    }
    complete(session, &table).await?;
    if empty {
        for index in wanted(model, &table) {
            session.run(index.create()).await?;
        }
    }
    change_writer(session, inventory, &table).await?;
    Ok(table)
}

/// The index columns of a model that its table lacks, each once.
pub(super) fn missing_columns(table: &Table, model: &Model) -> Vec<Column> {
    let mut missing = Vec::new();
    let of_indexes = indexes(model).into_iter();
    let of_indexes =
        of_indexes.flat_map(|index| std::iter::once(index.partition).chain(index.sort));
    for column in of_indexes.chain(parts(model)).map(Column::of) {
        if !table.columns.contains(&column) && !missing.contains(&column) {
            missing.push(column);
        }
    }
    missing
}

/// Gives a model its number, and its log a beginning where epochs have begun before: the model may have been there and be
/// lost, so that clients hold versions of its records, and nodes follow its log. Its versions begin above those of a model
/// of its name that was removed.
async fn new_shard(session: &mut Session<'_>, model: &str) -> Result<i64, StorageError> {
    let former = "select cast(version as bigint) from former_models where model = $1";
    let former = Statement::new(former, vec![Arg::Text(model.to_owned())]);
    let former = session.rows(former).await?;
    let beyond = former.first().map_or(Ok(0), |row| row.int(0).map(beyond))?;
    let (shard, greatest) = match session.dialect() {
        Dialect::Postgres => ("shard::bigint", "greatest"),
        Dialect::Sqlite => ("shard", "max"),
    };
    let make = format!(
        "insert into shards (model, epoch, epoch_start_ms, floor_ms, version_offset) \
         select $1, coalesce(max(epoch), 1), coalesce(max(epoch_start_ms), 0), coalesce(max(floor_ms), 0), \
         {greatest}(coalesce(max(version_offset), 0), $2) from shards returning {shard}"
    );
    let args = vec![Arg::Text(model.to_owned()), Arg::Int(beyond)];
    let rows = session.rows(Statement::new(make, args)).await?;
    let row = rows
        .first()
        .ok_or_else(|| StorageError::Corrupt(format!("{model} got no number")))?;
    let shard = row.int(0)?;
    let falsehood = match session.dialect() {
        Dialect::Postgres => "false",
        Dialect::Sqlite => "0",
    };
    let begin = format!(
        "insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc) \
         select shard, version_offset + 1, floor_ms, 't', '', 0, {falsehood}, '' from shards \
         where shard = $1 and version_offset > 0"
    );
    let begin = Statement::new(begin, vec![Arg::Int(shard)]);
    session.execute(begin).await?;
    Ok(shard)
}

/// A version before the first one of new records, all of which are greater than this one then. As after a new epoch they
/// begin with a round number, while there is one.
fn beyond(version: i64) -> i64 {
    let last = i64::from(i32::MAX) - 1;
    let round = (version / JUMP + 1) * JUMP;
    if round < last {
        round
    } else {
        version.min(last)
    }
}

/// Makes a table unless it is there; answers whether it holds no records.
async fn make_table(
    session: &mut Session<'_>,
    inventory: &Inventory,
    table: &Table,
) -> Result<bool, StorageError> {
    if !inventory.names.contains(&table.name) {
        let sql = ddl::table(session.dialect(), &table.name);
        session.run(sql).await?;
        return Ok(true);
    }
    let first = format!("select pk from {} limit 1", table.name);
    let rows = session.rows(Statement::new(first, Vec::new())).await?;
    Ok(rows.is_empty())
}

/// Adds what new columns, and tables of a former version, lack beside them.
async fn complete(session: &mut Session<'_>, table: &Table) -> Result<(), StorageError> {
    let columns = ddl::columns(session.dialect(), table);
    let columns = session.rows(columns).await?;
    let known: Result<HashSet<String>, _> = columns
        .iter()
        .map(|row| Ok(quoted(&row.text(0)?)))
        .collect();
    let known = known?;
    for (name, add) in ddl::marks(table) {
        if !known.contains(&name) {
            session.run(add).await?;
        }
    }
    Ok(())
}

pub(super) fn layout(dialect: Dialect, table: &Table) -> String {
    match dialect {
        Dialect::Postgres => write_sql::name(table),
        Dialect::Sqlite => {
            let columns = table.columns.iter();
            let names = columns.flat_map(|column| [column.name.as_str(), column.moved.as_str()]);
            let names: Vec<_> = std::iter::once("first_seq").chain(names).collect();
            table.part_name("layout", &names.join(", "))
        }
    }
}

/// From the end of this transaction on, writes fill the table's columns.
pub(super) async fn change_writer(
    session: &mut Session<'_>,
    inventory: &Inventory,
    table: &Table,
) -> Result<(), StorageError> {
    if session.dialect() == Dialect::Postgres {
        if !inventory.names.contains(&table.layout) {
            session.run(write_sql::function(table)).await?;
        }
        drop_functions(session, &write_sql::prefix(table), &table.layout).await?;
    }
    let note = "update shards set layout = $2 where shard = $1";
    let args = vec![Arg::Int(table.shard), Arg::Text(table.layout.clone())];
    session.execute(Statement::new(note, args)).await
}

/// Drops the functions whose names begin like this, except one. A node that still calls a former one reads the registry
/// again and finds the new one.
pub(super) async fn drop_functions(
    session: &mut Session<'_>,
    prefix: &str,
    except: &str,
) -> Result<(), StorageError> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let sql = format!(
        "select oid::regprocedure::text from pg_proc where pronamespace = {HERE} \
         and starts_with(proname::text, $1) and '\"' || proname || '\"' <> $2"
    );
    let args = vec![Arg::Text(prefix.to_owned()), Arg::Text(except.to_owned())];
    for row in session.rows(Statement::new(sql, args)).await? {
        let drop = format!("drop function if exists {}", row.text(0)?);
        session.run(drop).await?;
    }
    Ok(())
}
