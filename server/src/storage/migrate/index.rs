//! Which indexes a model needs, and which are there.

use std::collections::HashSet;

use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;

use crate::storage::database::{Dialect, Statement};
use crate::storage::ddl::Index;
use crate::storage::engine::Engine;
use crate::storage::table::{Column, Table, indexes, quoted};

/// The indexes of a model's table, each once.
pub(super) fn wanted(model: &Model, table: &Table) -> Vec<Index> {
    let mut wanted = vec![Index::new(table, "changed", &["changed_ms", "seq"])];
    for index in indexes(model) {
        let mut columns = vec![Column::of(index.partition).name];
        columns.extend(index.sort.map(|sort| Column::of(sort).name));
        columns.push("pk".to_owned());
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        let index = Index::new(table, "by", &columns);
        if !wanted.contains(&index) {
            wanted.push(index);
        }
    }
    wanted
}

/// The quoted names of the indexes that are complete.
pub(super) async fn complete(engine: &Engine) -> Result<HashSet<String>, StorageError> {
    let sql = match engine.dialect() {
        Dialect::Postgres => {
            "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid \
             where c.relnamespace = current_schema()::regnamespace and i.indisvalid"
        }
        Dialect::Sqlite => "select name from sqlite_master where type = 'index'",
    };
    let rows = engine.rows(Statement::new(sql, Vec::new())).await?;
    rows.iter()
        .map(|row| row.text(0).map(|name| quoted(&name)))
        .collect()
}
