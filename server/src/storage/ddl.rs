//! Tables, columns and indexes: what a schema needs and the database does not have yet.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use driftless_resolvers::Fields;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;
use driftless_resolvers::storage::attributes::{Attribute, Kind};

use super::database::{Arg, Dialect, Row, Statement, storage_error};
use super::statements;
use super::table::{Column, Table, indexes};

/// How many rows get the value of a new column at a time.
const BACKFILL: usize = 500;

/// The system tables, step by step. A step that was shipped is never edited.
pub(super) fn migrations(dialect: Dialect) -> Migrator {
    let steps = match dialect {
        Dialect::Postgres => [include_str!("../../../migrations/postgres/0001_system.sql")],
        Dialect::Sqlite => [include_str!("../../../migrations/sqlite/0001_system.sql")],
    };
    let steps = steps.into_iter().zip(1..).map(|(sql, version)| {
        let kind = MigrationType::Simple;
        Migration::new(version, "system".into(), kind, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // The caller holds a lock that a transaction pooler cannot lose; sqlx would take one for the session.
    migrator.set_locking(false);
    migrator
}

/// A connection inside the transaction that prepares.
pub(super) enum Session<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Session<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Session::Postgres(_) => Dialect::Postgres,
            Session::Sqlite(_) => Dialect::Sqlite,
        }
    }

    async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        match self {
            Session::Postgres(connection) => {
                let rows = statement.postgres().fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
            Session::Sqlite(connection) => {
                let rows = statement.sqlite().fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
        }
        .map_err(|error| storage_error(&error))
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<(), StorageError> {
        self.rows(statement).await.map(drop)
    }
}

/// Makes what the schema's models need; answers their tables in the schema's order.
pub(super) async fn prepare(
    session: &mut Session<'_>,
    schema: &Schema,
) -> Result<Vec<Table>, StorageError> {
    let mut tables = Vec::with_capacity(schema.models.len());
    for model in schema.models.values() {
        tables.push(prepare_model(session, model).await?);
    }
    Ok(tables)
}

async fn prepare_model(session: &mut Session<'_>, model: &Model) -> Result<Table, StorageError> {
    let shard = shard(session, &model.name).await?;
    let mut table = Table {
        shard,
        name: Table::name_for(shard, &model.name),
        columns: known_columns(session, shard).await?,
    };
    create(session, &table).await?;
    let wanted = indexes(model);
    let fresh: Vec<Column> = wanted
        .iter()
        .flat_map(|index| std::iter::once(&index.partition).chain(&index.sort))
        .map(|attribute| Column::of(attribute.clone()))
        .fold(Vec::new(), |mut fresh, column| {
            if !table.columns.contains(&column) && !fresh.contains(&column) {
                fresh.push(column);
            }
            fresh
        });
    for column in &fresh {
        add_column(session, &table, column).await?;
    }
    backfill(session, &table, &fresh).await?;
    table.columns.extend(fresh);
    for index in &wanted {
        let mut columns = vec![Column::of(index.partition.clone()).name];
        columns.extend(index.sort.clone().map(|sort| Column::of(sort).name));
        columns.push("pk".to_owned());
        create_index(session, &table, "by", &columns.join(", ")).await?;
    }
    Ok(table)
}

/// The number of a model; a new one if it was never seen.
async fn shard(session: &mut Session<'_>, model: &str) -> Result<i64, StorageError> {
    let name = || vec![Arg::Text(model.to_owned())];
    let width = match session.dialect() {
        Dialect::Postgres => "shard::bigint",
        Dialect::Sqlite => "shard",
    };
    let read = format!("select {width} from shards where model = $1");
    if let Some(row) = session.rows(Statement::new(&read, name())).await?.first() {
        return row.int(0);
    }
    let make = format!("insert into shards (model) values ($1) returning {width}");
    let rows = session.rows(Statement::new(make, name())).await?;
    rows.first()
        .ok_or_else(|| StorageError::Corrupt(format!("{model} got no number")))?
        .int(0)
}

async fn known_columns(session: &mut Session<'_>, shard: i64) -> Result<Vec<Column>, StorageError> {
    let sql = "select kind, fields from index_columns where shard = $1 order by name";
    let rows = session
        .rows(Statement::new(sql, vec![Arg::Int(shard)]))
        .await?;
    rows.iter()
        .map(|row| {
            let fields = row.text(1)?;
            let fields = serde_json::from_str(&fields)
                .map_err(|error| StorageError::Corrupt(format!("index_columns: {error}")))?;
            let kind = match row.text(0)?.as_str() {
                "number" => Kind::Number,
                _ => Kind::Text,
            };
            Ok(Column::of(Attribute { fields, kind }))
        })
        .collect()
}

async fn create(session: &mut Session<'_>, table: &Table) -> Result<(), StorageError> {
    let name = &table.name;
    let sql = match session.dialect() {
        // Every update moves the row in the changes index; room in the pages keeps the table from bloating.
        Dialect::Postgres => format!(
            "create table if not exists {name} (pk text collate \"C\" primary key, version integer not null, \
             deleted boolean not null, changed_ms bigint not null, seq bigint not null, doc text not null) \
             with (fillfactor = 85)"
        ),
        Dialect::Sqlite => format!(
            "create table if not exists {name} (pk text primary key, version integer not null, \
             deleted integer not null, changed_ms integer not null, seq integer not null, doc text not null) \
             without rowid"
        ),
    };
    session.execute(Statement::new(sql, Vec::new())).await?;
    create_index(session, table, "changed", "changed_ms, seq").await
}

async fn create_index(
    session: &mut Session<'_>,
    table: &Table,
    what: &str,
    columns: &str,
) -> Result<(), StorageError> {
    let index = table.part_name(what, columns);
    let sql = format!(
        "create index if not exists {index} on {} ({columns})",
        table.name
    );
    session.execute(Statement::new(sql, Vec::new())).await
}

async fn add_column(
    session: &mut Session<'_>,
    table: &Table,
    column: &Column,
) -> Result<(), StorageError> {
    let ty = match (session.dialect(), column.is_number()) {
        (Dialect::Postgres, true) => "double precision",
        (Dialect::Postgres, false) => "text collate \"C\"",
        (Dialect::Sqlite, true) => "real",
        (Dialect::Sqlite, false) => "text",
    };
    let sql = format!("alter table {} add column {} {ty}", table.name, column.name);
    session.execute(Statement::new(sql, Vec::new())).await?;
    let register = "insert into index_columns (shard, name, kind, fields) values ($1, $2, $3, $4)";
    let kind = if column.is_number() { "number" } else { "text" };
    let fields = serde_json::Value::from(column.attribute.fields.clone()).to_string();
    let args = vec![
        Arg::Int(table.shard),
        Arg::Text(column.name.clone()),
        Arg::Text(kind.to_owned()),
        Arg::Text(fields),
    ];
    session.execute(Statement::new(register, args)).await
}

/// Gives every stored record its values of new columns.
async fn backfill(
    session: &mut Session<'_>,
    table: &Table,
    columns: &[Column],
) -> Result<(), StorageError> {
    if columns.is_empty() {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let sql = format!(
            "select pk, doc from {} where pk > $1 order by pk limit {BACKFILL}",
            table.name
        );
        let rows = session
            .rows(Statement::new(sql, vec![Arg::Text(after.clone())]))
            .await?;
        for row in &rows {
            after = row.text(0)?;
            fill(session, table, columns, &after, &row.text(1)?).await?;
        }
        if rows.len() < BACKFILL {
            return Ok(());
        }
    }
}

async fn fill(
    session: &mut Session<'_>,
    table: &Table,
    columns: &[Column],
    pk: &str,
    doc: &str,
) -> Result<(), StorageError> {
    let fields: Fields = serde_json::from_str(doc)
        .map_err(|error| StorageError::Corrupt(format!("record {pk}: {error}")))?;
    let sets: Vec<_> = columns
        .iter()
        .zip(2..)
        .map(|(column, n)| format!("{} = ${n}", column.name))
        .collect();
    let mut args = vec![Arg::Text(pk.to_owned())];
    args.extend(
        columns.iter().map(|column| {
            statements::attribute(column.is_number(), column.attribute.value(&fields))
        }),
    );
    let sql = format!(
        "update {} set {} where pk = $1",
        table.name,
        sets.join(", ")
    );
    session.execute(Statement::new(sql, args)).await
}
