//! Which indexes a model needs, and which are there.

use driftless_resolvers::schema::model::Model;

use super::HERE;
use crate::storage::database::{Dialect, Statement};
use crate::storage::ddl::Index;
use crate::storage::table::{Column, Table, indexes, parts};

/// The indexes of a model's table, each once.
pub(super) fn wanted(model: &Model, table: &Table) -> Vec<Index> {
    let mut wanted = vec![Index::new(table, "changed", &["changed_ms", "seq"])];
    let mut add = |index: Index| {
        if !wanted.contains(&index) {
            wanted.push(index);
        }
    };
    for index in indexes(model) {
        let partition = Column::of(index.partition).name;
        let sort = index.sort.map(|sort| Column::of(sort).name);
        let mut columns = vec![partition.as_str()];
        columns.extend(sort.as_deref());
        columns.push("pk");
        add(Index::new(table, "by", &columns));
        // For syncs of one partition (`sync-design.md` R7).
        add(Index::new(table, "by", &[&partition, "changed_ms", "seq"]));
    }
    for part in parts(model) {
        let part = Column::of(part).name;
        add(Index::new(table, "by", &[&part, "changed_ms", "seq"]));
    }
    wanted
}

/// The names of the indexes that are complete.
pub(super) fn complete(dialect: Dialect) -> Statement {
    let sql = match dialect {
        Dialect::Postgres => format!(
            "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid \
             where c.relnamespace = {HERE} and i.indisvalid"
        ),
        Dialect::Sqlite => "select name from sqlite_master where type = 'index'".to_owned(),
    };
    Statement::new(sql, Vec::new())
}
