//! Which indexes a model needs, and which are there.

use driftless_resolvers::schema::model::Model;

use crate::storage::database::{Dialect, Statement};
use crate::storage::ddl::Index;
use crate::storage::table::{Column, Table, indexes};

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

/// The names of the indexes that are complete.
pub(super) fn complete(dialect: Dialect) -> Statement {
    let sql = match dialect {
        Dialect::Postgres => {
            "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid \
             where c.relnamespace = current_schema()::regnamespace and i.indisvalid"
        }
        Dialect::Sqlite => "select name from sqlite_master where type = 'index'",
    };
    Statement::new(sql, Vec::new())
}
