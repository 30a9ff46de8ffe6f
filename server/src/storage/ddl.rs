//! What is made in a database, as text: system tables, a model's table, its columns and its indexes.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use driftless_resolvers::storage::StorageError;
use driftless_resolvers::storage::attributes::{Attribute, Kind};

use super::database::{Arg, Dialect, Row, Statement};
use super::table::{Column, Table, quoted};

/// The system tables, step by step. A step that was shipped is never edited.
pub(super) fn migrations(dialect: Dialect) -> Migrator {
    let steps: &[&str] = match dialect {
        Dialect::Postgres => &[
            include_str!("../../../migrations/postgres/0001_system.sql"),
            include_str!("../../../migrations/postgres/0002_layout.sql"),
            include_str!("../../../migrations/postgres/0003_schemas.sql"),
            include_str!("../../../migrations/postgres/0004_views.sql"),
            include_str!("../../../migrations/postgres/0005_conflict_journal.sql"),
            include_str!("../../../migrations/postgres/0006_lineage.sql"),
            include_str!("../../../migrations/postgres/0007_dismissals.sql"),
            include_str!("../../../migrations/postgres/0008_lineage_replicated.sql"),
            include_str!("../../../migrations/postgres/0009_clock.sql"),
            include_str!("../../../migrations/postgres/0010_former_models.sql"),
            include_str!("../../../migrations/postgres/0011_nodes.sql"),
        ],
        Dialect::Sqlite => &[
            include_str!("../../../migrations/sqlite/0001_system.sql"),
            include_str!("../../../migrations/sqlite/0002_layout.sql"),
            include_str!("../../../migrations/sqlite/0003_schemas.sql"),
            include_str!("../../../migrations/sqlite/0004_views.sql"),
            include_str!("../../../migrations/sqlite/0005_conflict_journal.sql"),
            include_str!("../../../migrations/sqlite/0006_lineage.sql"),
            include_str!("../../../migrations/sqlite/0007_dismissals.sql"),
            include_str!("../../../migrations/sqlite/0008_lineage_replicated.sql"),
            include_str!("../../../migrations/sqlite/0009_former_models.sql"),
        ],
    };
    let steps = steps.iter().copied().zip(1..).map(|(sql, version)| {
        let kind = MigrationType::Simple;
        Migration::new(version, "system".into(), kind, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // The caller holds a lock that a transaction pooler cannot lose; sqlx would take one for the session.
    migrator.set_locking(false);
    migrator
}

/// The index columns of one model in the order of the write function's parameters, each with the model's layout.
pub(super) fn layout_of(table: &Table) -> Statement {
    let sql = "select c.kind, c.fields, s.layout from shards s left join index_columns c on c.shard = s.shard \
               where s.shard = $1 order by c.name";
    Statement::new(sql, vec![Arg::Int(table.shard)])
}

/// The table that the rows of [`layout_of`] describe.
pub(super) fn described(table: &Table, rows: &[Row]) -> Result<Table, StorageError> {
    let mut columns = Vec::with_capacity(rows.len());
    let mut layout = None;
    for row in rows {
        if row.maybe_text(0)?.is_some() {
            columns.push(registered(row)?);
        }
        layout = row.maybe_text(2)?;
    }
    let layout = layout.ok_or_else(|| StorageError::Corrupt(format!("{} is gone", table.name)))?;
    columns.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Table {
        columns,
        layout,
        ..table.clone()
    })
}

/// A row of the registry: kind and fields of a column.
pub(super) fn registered(row: &Row) -> Result<Column, StorageError> {
    let fields = serde_json::from_str(&row.text(1)?)
        .map_err(|error| StorageError::Corrupt(format!("index_columns: {error}")))?;
    let kind = match row.text(0)?.as_str() {
        "number" => Kind::Number,
        _ => Kind::Text,
    };
    Ok(Column::of(Attribute { fields, kind }))
}

/// Makes a model's table. Where a record came into being, `first_seq`, bounds what walks over the table.
pub(super) fn table(dialect: Dialect, name: &str) -> String {
    match dialect {
        // Every update moves the row in the changes index; room in the pages keeps the table from bloating.
        Dialect::Postgres => format!(
            "create table {name} (pk text collate \"C\" primary key, version integer not null, \
             deleted boolean not null, changed_ms bigint not null, seq bigint not null, \
             first_seq bigint not null default 0, doc text not null) \
             with (fillfactor = 85)"
        ),
        Dialect::Sqlite => format!(
            "create table {name} (pk text primary key, version integer not null, \
             deleted integer not null, changed_ms integer not null, seq integer not null, \
             first_seq integer not null default 0, doc text not null) \
             without rowid"
        ),
    }
}

/// The names of a table's columns.
pub(super) fn columns(dialect: Dialect, table: &Table) -> Statement {
    let sql = match dialect {
        Dialect::Postgres => {
            "select attname::text from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped"
        }
        // The function takes a name without its quotes; no model's holds one.
        Dialect::Sqlite => "select name from pragma_table_info(trim($1, '\"'))",
    };
    Statement::new(sql, vec![Arg::Text(table.name.clone())])
}

/// What new columns, and tables of a former version, lack, and how it is added, by quoted names: where records came into being
/// (those that are there were so from the beginning), and where the values of index columns changed (they have not since). No
/// row is touched.
pub(super) fn marks(table: &Table) -> Vec<(String, String)> {
    let of_columns = table.columns.iter();
    let of_columns = of_columns.map(|column| (column.moved.clone(), "bigint"));
    let of_records = (quoted("first_seq"), "bigint not null default 0");
    let all = std::iter::once(of_records).chain(of_columns);
    all.map(|(name, ty)| {
        let add = format!("alter table {} add column {name} {ty}", table.name);
        (name, add)
    })
    .collect()
}

/// Adds a column for an index attribute. It is empty, so no row is touched.
pub(super) fn column(dialect: Dialect, table: &Table, column: &Column) -> String {
    let ty = match (dialect, column.is_number()) {
        (Dialect::Postgres, true) => "double precision",
        (Dialect::Postgres, false) => "text collate \"C\"",
        (Dialect::Sqlite, true) => "real",
        (Dialect::Sqlite, false) => "text",
    };
    format!("alter table {} add column {} {ty}", table.name, column.name)
}

/// Notes a column in the registry; `filled_to` is the key up to which it is filled, if there is anything to fill.
pub(super) fn register(table: &Table, column: &Column, filled_to: Option<String>) -> Statement {
    let sql = "insert into index_columns (shard, name, kind, fields, filled_to) values ($1, $2, $3, $4, $5)";
    let kind = if column.is_number() { "number" } else { "text" };
    let fields = serde_json::Value::from(column.attribute.fields.clone()).to_string();
    let args = vec![
        Arg::Int(table.shard),
        Arg::Text(column.name.clone()),
        Arg::Text(kind.to_owned()),
        Arg::Text(fields),
        Arg::MaybeText(filled_to),
    ];
    Statement::new(sql, args)
}

/// An index of a model's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Its quoted name, by what it holds: two indexes of a schema with the same fields are one here.
    pub(super) name: String,
    table: String,
    columns: String,
}

impl Index {
    /// An index over these columns.
    pub(super) fn new(table: &Table, what: &str, columns: &[&str]) -> Self {
        let columns = columns.join(", ");
        Index {
            name: table.part_name(what, &columns),
            table: table.name.clone(),
            columns,
        }
    }

    /// Makes it; whoever writes meanwhile has to wait.
    pub(super) fn create(&self) -> String {
        let Index {
            name,
            table,
            columns,
        } = self;
        format!("create index if not exists {name} on {table} ({columns})")
    }

    /// Makes it while others read and write (Postgres, outside of transactions).
    pub(super) fn create_concurrently(&self) -> String {
        let Index {
            name,
            table,
            columns,
        } = self;
        format!("create index concurrently if not exists {name} on {table} ({columns})")
    }

    /// The quoted name of its table.
    pub(super) fn table(&self) -> &str {
        &self.table
    }
}
