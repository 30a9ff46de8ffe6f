//! What is left to do for a schema, and what a database holds that the schema does not need.

use std::collections::BTreeSet;

use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;
use serde_json::{Value, json};

use super::expand::missing_columns;
use super::inventory::Inventory;
use super::{Session, Step, index};
use crate::storage::database::Statement;
use crate::storage::table::{Column, Table};

/// Records are counted up to here; more are "many".
const COUNTED: i64 = 100_000;

/// What a database lacks and has too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// What a migration would do.
    pub work: Vec<Work>,
    /// What is kept although the schema does not need it.
    pub leftovers: Vec<Leftover>,
    /// The models of the schema that hold no records.
    pub empty: BTreeSet<String>,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A table is made.
    Table {
        /// The model.
        model: String,
    },
    /// Records get their values of columns that indexes need.
    Fill {
        /// The model.
        model: String,
        /// How many columns.
        columns: usize,
        /// How many records.
        records: Count,
    },
    /// Indexes are made.
    Index {
        /// The model.
        model: String,
        /// How many.
        indexes: usize,
    },
}

/// Something that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// A model that the schema does not have.
    Model {
        /// The model.
        model: String,
        /// How many records, tombstones included.
        records: Count,
    },
    /// Columns of indexes that the model does not have any more.
    Columns {
        /// The model.
        model: String,
        /// What they hold, fields joined with `#`.
        attributes: Vec<String>,
    },
}

/// So many, or more than are worth counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Exactly.
    Exactly(i64),
    /// More than these.
    MoreThan(i64),
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Count::Exactly(count) => write!(formatter, "{count}"),
            Count::MoreThan(count) => write!(formatter, "more than {count}"),
        }
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Work::Table { model } => write!(formatter, "{model}: a table is made"),
            Work::Fill {
                model,
                columns,
                records,
            } => write!(
                formatter,
                "{model}: {columns} columns for indexes are filled in {records} records"
            ),
            Work::Index { model, indexes } => {
                write!(formatter, "{model}: {indexes} indexes are built")
            }
        }
    }
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Leftover::Model { model, records } => {
                write!(formatter, "{model}: the table, with {records} records")
            }
            Leftover::Columns { model, attributes } => write!(
                formatter,
                "{model}: columns of former indexes on {}",
                attributes.join(", ")
            ),
        }
    }
}

impl Work {
    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Work::Table { model } => json!({"work": "table", "model": model}),
            Work::Fill {
                model,
                columns,
                records,
            } => {
                json!({"work": "fill", "model": model, "columns": columns, "records": records.to_string()})
            }
            Work::Index { model, indexes } => {
                json!({"work": "index", "model": model, "indexes": indexes})
            }
        }
    }
}

impl Leftover {
    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Leftover::Model { model, records } => {
                json!({"kept": "model", "model": model, "records": records.to_string()})
            }
            Leftover::Columns { model, attributes } => {
                json!({"kept": "columns", "model": model, "attributes": attributes})
            }
        }
    }
}

/// Looks without changing anything.
pub(in crate::storage) struct Look<'a> {
    pub(in crate::storage) schema: &'a Schema,
}

impl Step for Look<'_> {
    type Done = Outlook;

    async fn run(&self, session: &mut Session<'_>) -> Result<Outlook, StorageError> {
        let mut inventory = Inventory::read(session).await?;
        let mut outlook = Outlook::default();
        for model in self.schema.models.values() {
            look(session, &mut inventory, model, &mut outlook).await?;
        }
        let mut gone: Vec<_> = inventory.shards.iter().collect();
        gone.sort();
        for (model, (shard, _)) in gone {
            let records = count(session, &Table::name_for(*shard, model)).await?;
            let model = model.clone();
            outlook.leftovers.push(Leftover::Model { model, records });
        }
        Ok(outlook)
    }
}

async fn look(
    session: &mut Session<'_>,
    inventory: &mut Inventory,
    model: &Model,
    outlook: &mut Outlook,
) -> Result<(), StorageError> {
    let name = model.name.clone();
    let Some((shard, _)) = inventory.shards.remove(model.stored_name()) else {
        outlook.empty.insert(name.clone());
        outlook.work.push(Work::Table { model: name });
        return Ok(());
    };
    let table = Table {
        shard,
        name: Table::name_for(shard, model.stored_name()),
        columns: inventory.columns.remove(&shard).unwrap_or_default(),
        layout: String::new(),
    };
    let records = count(session, &table.name).await?;
    if records == Count::Exactly(0) {
        outlook.empty.insert(name.clone());
    }
    let unfilled = inventory.unfilled.get(&shard).copied().unwrap_or(0);
    let columns = missing_columns(&table, model).len() + unfilled;
    if columns > 0 {
        outlook.work.push(Work::Fill {
            model: name.clone(),
            columns,
            records,
        });
    }
    let wanted = index::wanted(model, &table);
    let missing = wanted
        .iter()
        .filter(|index| !inventory.indexes.contains(&index.name));
    let indexes = missing.count();
    if indexes > 0 {
        let model = name.clone();
        outlook.work.push(Work::Index { model, indexes });
    }
    let surplus = surplus_columns(&table, model);
    if !surplus.is_empty() {
        let attributes = surplus.iter().map(|it| it.attribute.fields.join("#"));
        outlook.leftovers.push(Leftover::Columns {
            model: name,
            attributes: attributes.collect(),
        });
    }
    Ok(())
}

/// The columns that no index of the model needs.
pub(super) fn surplus_columns(table: &Table, model: &Model) -> Vec<Column> {
    let bare = Table {
        columns: Vec::new(),
        ..table.clone()
    };
    let needed = missing_columns(&bare, model);
    let surplus = table.columns.iter().filter(|it| !needed.contains(it));
    surplus.cloned().collect()
}

async fn count(session: &mut Session<'_>, table: &str) -> Result<Count, StorageError> {
    let sql = format!(
        "select count(*) from (select 1 from {table} limit {}) as counted",
        COUNTED + 1
    );
    let rows = session.rows(Statement::new(sql, Vec::new())).await?;
    let counted = rows.first().map_or(Ok(0), |row| row.int(0))?;
    Ok(if counted > COUNTED {
        Count::MoreThan(COUNTED)
    } else {
        Count::Exactly(counted)
    })
}
