//! Removes what a schema does not need. Nothing else in this program removes a record.
//!
//! Nodes with a former schema lose what they serve, so this is only done when somebody asks for it.

use std::collections::HashSet;

use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;

use super::expand::{change_writer, drop_functions, layout};
use super::inventory::Inventory;
use super::memory::ForgetOthers;
use super::outlook::surplus_columns;
use super::{Session, Step, index, patiently, view};
use crate::storage::database::{Arg, Dialect, Statement};
use crate::storage::engine::Engine;
use crate::storage::table::Table;
use crate::storage::write_sql;

/// How many rows of the log are removed in one transaction.
const BATCH: usize = 5_000;

/// Removes the models that the schema does not have, with their history, and the columns and indexes that its models do
/// not need.
pub(in crate::storage) async fn contract(
    engine: &Engine,
    schema: &Schema,
) -> Result<(), StorageError> {
    // First of all: whatever comes of it, no other schema is one that the database is ready for.
    patiently(engine, &ForgetOthers).await?;
    for table in patiently(engine, &Gone { schema }).await? {
        while patiently(engine, &ForgetLog { table: &table }).await? {}
        patiently(engine, &DropModel { table: &table }).await?;
    }
    for model in schema.models.values() {
        patiently(engine, &Narrow { model }).await?;
    }
    Ok(())
}

/// The tables of models that the schema does not have.
struct Gone<'a> {
    schema: &'a Schema,
}

impl Step for Gone<'_> {
    type Done = Vec<Table>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Table>, StorageError> {
        let inventory = Inventory::read(session).await?;
        let models = self.schema.models.values();
        let stored: HashSet<&str> = models.map(|model| model.stored_name()).collect();
        let gone = inventory.shards.iter();
        let gone = gone.filter(|(model, _)| !stored.contains(model.as_str()));
        Ok(gone
            .map(|(model, (shard, _))| Table {
                shard: *shard,
                name: Table::name_for(*shard, model),
                columns: Vec::new(),
                layout: String::new(),
            })
            .collect())
    }
}

/// Removes the oldest rows of a log; answers whether there are more.
struct ForgetLog<'a> {
    table: &'a Table,
}

impl Step for ForgetLog<'_> {
    type Done = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, StorageError> {
        let sql = format!(
            "delete from change_log where shard = $1 and seq in \
             (select seq from change_log where shard = $1 order by seq limit {BATCH}) returning seq"
        );
        let args = vec![Arg::Int(self.table.shard)];
        let removed = session.rows(Statement::new(sql, args)).await?;
        Ok(removed.len() == BATCH)
    }
}

struct DropModel<'a> {
    table: &'a Table,
}

impl Step for DropModel<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StorageError> {
        let Table { shard, name, .. } = self.table;
        session.lock(*shard).await?;
        let greatest = match session.dialect() {
            Dialect::Postgres => "greatest",
            Dialect::Sqlite => "max",
        };
        let note = format!(
            "insert into former_models (model, version) select s.model, \
             {greatest}(s.version_offset, (select coalesce(max(version), 0) from {name})) from shards s where s.shard = $1 \
             on conflict (model) do update set version = {greatest}(former_models.version, excluded.version)"
        );
        let of_shard = vec![Arg::Int(*shard)];
        session.execute(Statement::new(note, of_shard)).await?;
        view::hide(session, *shard).await?;
        session.run(format!("drop table if exists {name}")).await?;
        drop_functions(session, &write_sql::prefix(self.table), "").await?;
        for table in ["change_log", "index_columns", "shards"] {
            let sql = format!("delete from {table} where shard = $1");
            session
                .execute(Statement::new(sql, vec![Arg::Int(*shard)]))
                .await?;
        }
        Ok(())
    }
}

/// Removes columns and indexes of a table.
struct Narrow<'a> {
    model: &'a Model,
}

impl Step for Narrow<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StorageError> {
        let model = self.model;
        let mut inventory = Inventory::read(session).await?;
        let Some((shard, _)) = inventory.shards.remove(model.stored_name()) else {
            return Ok(());
        };
        let mut table = Table {
            shard,
            name: Table::name_for(shard, model.stored_name()),
            columns: inventory.columns.remove(&shard).unwrap_or_default(),
            layout: String::new(),
        };
        table
            .columns
            .sort_by(|left, right| left.name.cmp(&right.name));
        let prefix = format!("\"m{shard}_by_");
        let wanted = index::wanted(model, &table);
        let surplus_indexes = inventory.indexes.iter().filter(|name| {
            name.starts_with(&prefix) && !wanted.iter().any(|index| index.name == **name)
        });
        session.lock(shard).await?;
        for name in surplus_indexes {
            session.run(format!("drop index {name}")).await?;
        }
        let surplus = surplus_columns(&table, model);
        if surplus.is_empty() {
            return Ok(());
        }
        for column in &surplus {
            for name in [&column.name, &column.moved] {
                let sql = format!("alter table {} drop column {name}", table.name);
                session.run(sql).await?;
            }
            let forget = "delete from index_columns where shard = $1 and name = $2";
            let args = vec![Arg::Int(shard), Arg::Text(column.name.clone())];
            session.execute(Statement::new(forget, args)).await?;
        }
        table.columns.retain(|column| !surplus.contains(column));
        table.layout = layout(session.dialect(), &table);
        change_writer(session, &inventory, &table).await
    }
}
