//! What is in the database already.

use std::collections::{HashMap, HashSet};

use driftless_resolvers::storage::StorageError;

use super::index::complete;
use super::{HERE, Session};
use crate::storage::database::{Dialect, Statement};
use crate::storage::ddl::registered;
use crate::storage::table::{Column, quoted};

/// What a step finds.
pub(super) struct Inventory {
    /// The number of every model ever seen, and its layout.
    pub(super) shards: HashMap<String, (i64, Option<String>)>,
    /// The index columns of each.
    pub(super) columns: HashMap<i64, Vec<Column>>,
    /// How many of them are not filled yet, where there are any.
    pub(super) unfilled: HashMap<i64, usize>,
    /// The quoted names of indexes that are complete.
    pub(super) indexes: HashSet<String>,
    /// The quoted names of tables, indexes and functions. Asking for one of them again would lock its table.
    pub(super) names: HashSet<String>,
}

impl Inventory {
    pub(super) async fn read(session: &mut Session<'_>) -> Result<Self, StorageError> {
        let (shard, names) = match session.dialect() {
            Dialect::Postgres => (
                "shard::bigint",
                format!(
                    "select relname::text from pg_class where relnamespace = {HERE} \
                     union select proname::text from pg_proc where pronamespace = {HERE}"
                ),
            ),
            Dialect::Sqlite => ("shard", "select name from sqlite_master".to_owned()),
        };
        let read = |sql: String| Statement::new(sql, Vec::new());
        let mut inventory = Inventory {
            shards: HashMap::new(),
            columns: HashMap::new(),
            unfilled: HashMap::new(),
            indexes: HashSet::new(),
            names: HashSet::new(),
        };
        let shards = read(format!("select model, {shard}, layout from shards"));
        for row in session.rows(shards).await? {
            let known = (row.int(1)?, row.maybe_text(2)?);
            inventory.shards.insert(row.text(0)?, known);
        }
        let columns = read(format!(
            "select kind, fields, {shard}, filled_to from index_columns"
        ));
        for row in session.rows(columns).await? {
            let shard = row.int(2)?;
            let columns = inventory.columns.entry(shard).or_default();
            columns.push(registered(&row)?);
            if row.maybe_text(3)?.is_some() {
                *inventory.unfilled.entry(shard).or_default() += 1;
            }
        }
        for row in session.rows(read(names)).await? {
            inventory.names.insert(quoted(&row.text(0)?));
        }
        for row in session.rows(complete(session.dialect())).await? {
            inventory.indexes.insert(quoted(&row.text(0)?));
        }
        Ok(inventory)
    }
}
