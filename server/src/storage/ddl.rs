//! Tables, columns and indexes: what a schema needs and the database does not have yet.

use sqlx::SqlSafeStr;
use std::collections::{HashMap, HashSet};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use driftless_resolvers::Fields;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::StorageError;
use driftless_resolvers::storage::attributes::{Attribute, Attributes, Kind};

use super::database::{Arg, Dialect, Row, Statement, storage_error};
use super::statements;
use super::table::{Column, Table, indexes, quoted};
use super::write_sql;

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
                // Prepared under no name: behind a pooler a name could be somebody else's.
                let query = statement.postgres().persistent(false);
                let rows = query.fetch_all(&mut **connection).await;
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

/// What is in the database already.
struct Inventory {
    /// The number of every model ever seen.
    shards: HashMap<String, i64>,
    /// The index columns of each.
    columns: HashMap<i64, Vec<Column>>,
    /// The names of tables, indexes and functions. Asking for one of them again would lock its table.
    names: HashSet<String>,
}

/// Makes what the schema's models need; answers their tables in the schema's order.
pub(super) async fn prepare(
    session: &mut Session<'_>,
    schema: &Schema,
) -> Result<Vec<Table>, StorageError> {
    let mut inventory = Inventory::read(session).await?;
    let mut tables = Vec::with_capacity(schema.models.len());
    for model in schema.models.values() {
        tables.push(prepare_model(session, &mut inventory, model).await?);
    }
    Ok(tables)
}

impl Inventory {
    async fn read(session: &mut Session<'_>) -> Result<Self, StorageError> {
        let (shards, names) = match session.dialect() {
            Dialect::Postgres => (
                "select model, shard::bigint from shards",
                "select relname::text from pg_class where relnamespace = current_schema()::regnamespace \
                 union select proname::text from pg_proc where pronamespace = current_schema()::regnamespace",
            ),
            Dialect::Sqlite => (
                "select model, shard from shards",
                "select name from sqlite_master",
            ),
        };
        let mut inventory = Inventory {
            shards: HashMap::new(),
            columns: HashMap::new(),
            names: HashSet::new(),
        };
        for row in session.rows(Statement::new(shards, Vec::new())).await? {
            inventory.shards.insert(row.text(0)?, row.int(1)?);
        }
        for row in session.rows(all_columns(session.dialect())).await? {
            let column = registered(&row)?;
            inventory
                .columns
                .entry(row.int(2)?)
                .or_default()
                .push(column);
        }
        for row in session.rows(Statement::new(names, Vec::new())).await? {
            inventory.names.insert(quoted(&row.text(0)?));
        }
        Ok(inventory)
    }

    /// Makes a named thing unless it is there.
    async fn make(
        &self,
        session: &mut Session<'_>,
        name: &str,
        sql: String,
    ) -> Result<(), StorageError> {
        if self.names.contains(name) {
            return Ok(());
        }
        session.execute(Statement::new(sql, Vec::new())).await
    }
}

async fn prepare_model(
    session: &mut Session<'_>,
    inventory: &mut Inventory,
    model: &Model,
) -> Result<Table, StorageError> {
    let shard = match inventory.shards.get(&model.name) {
        Some(shard) => *shard,
        None => new_shard(session, &model.name).await?,
    };
    let mut table = Table {
        shard,
        name: Table::name_for(shard, &model.name),
        columns: inventory.columns.remove(&shard).unwrap_or_default(),
    };
    create(session, inventory, &table).await?;
    let wanted = indexes(model);
    let fresh = missing_columns(&table, &wanted);
    for column in &fresh {
        add_column(session, &table, column).await?;
    }
    backfill(session, &table, &fresh).await?;
    table.columns.extend(fresh);
    // The order of the registry, which is the order that every node calls the write function with.
    table
        .columns
        .sort_by(|left, right| left.name.cmp(&right.name));
    for index in &wanted {
        let mut columns = vec![Column::of(index.partition.clone()).name];
        columns.extend(index.sort.clone().map(|sort| Column::of(sort).name));
        columns.push("pk".to_owned());
        create_index(session, inventory, &table, "by", &columns.join(", ")).await?;
    }
    if session.dialect() == Dialect::Postgres {
        let (name, sql) = (write_sql::name(&table), write_sql::function(&table));
        if !inventory.names.contains(&name) {
            session.execute(Statement::new(sql, Vec::new())).await?;
            drop_former_functions(session, &table).await?;
        }
    }
    Ok(table)
}

fn missing_columns(table: &Table, wanted: &[Attributes]) -> Vec<Column> {
    let mut missing = Vec::new();
    for index in wanted {
        for attribute in std::iter::once(&index.partition).chain(&index.sort) {
            let column = Column::of(attribute.clone());
            if !table.columns.contains(&column) && !missing.contains(&column) {
                missing.push(column);
            }
        }
    }
    missing
}

/// Gives a model its number.
async fn new_shard(session: &mut Session<'_>, model: &str) -> Result<i64, StorageError> {
    let width = match session.dialect() {
        Dialect::Postgres => "shard::bigint",
        Dialect::Sqlite => "shard",
    };
    let make = format!("insert into shards (model) values ($1) returning {width}");
    let args = vec![Arg::Text(model.to_owned())];
    let rows = session.rows(Statement::new(make, args)).await?;
    rows.first()
        .ok_or_else(|| StorageError::Corrupt(format!("{model} got no number")))?
        .int(0)
}

/// The registered columns of all models.
fn all_columns(dialect: Dialect) -> Statement {
    let shard = match dialect {
        Dialect::Postgres => "shard::bigint",
        Dialect::Sqlite => "shard",
    };
    let sql = format!("select kind, fields, {shard} from index_columns order by name");
    Statement::new(sql, Vec::new())
}

/// The registered columns of one model, in the order of the write function's parameters.
pub(super) fn columns_of(table: &Table) -> Statement {
    let sql = "select kind, fields from index_columns where shard = $1 order by name collate \"C\"";
    Statement::new(sql, vec![Arg::Int(table.shard)])
}

/// A row of the registry.
pub(super) fn registered(row: &Row) -> Result<Column, StorageError> {
    let fields = serde_json::from_str(&row.text(1)?)
        .map_err(|error| StorageError::Corrupt(format!("index_columns: {error}")))?;
    let kind = match row.text(0)?.as_str() {
        "number" => Kind::Number,
        _ => Kind::Text,
    };
    Ok(Column::of(Attribute { fields, kind }))
}

/// Functions that do not fill all columns must not be called any more; a node that still has one reads the registry
/// again and finds the new one.
async fn drop_former_functions(
    session: &mut Session<'_>,
    table: &Table,
) -> Result<(), StorageError> {
    let sql = "select oid::regprocedure::text from pg_proc where pronamespace = current_schema()::regnamespace \
               and starts_with(proname::text, $1) and '\"' || proname || '\"' <> $2";
    let args = vec![
        Arg::Text(write_sql::prefix(table)),
        Arg::Text(write_sql::name(table)),
    ];
    for row in session.rows(Statement::new(sql, args)).await? {
        let drop = format!("drop function if exists {}", row.text(0)?);
        session.execute(Statement::new(drop, Vec::new())).await?;
    }
    Ok(())
}

async fn create(
    session: &mut Session<'_>,
    inventory: &Inventory,
    table: &Table,
) -> Result<(), StorageError> {
    let name = &table.name;
    let sql = match session.dialect() {
        // Every update moves the row in the changes index; room in the pages keeps the table from bloating.
        Dialect::Postgres => format!(
            "create table {name} (pk text collate \"C\" primary key, version integer not null, \
             deleted boolean not null, changed_ms bigint not null, seq bigint not null, doc text not null) \
             with (fillfactor = 85)"
        ),
        Dialect::Sqlite => format!(
            "create table {name} (pk text primary key, version integer not null, \
             deleted integer not null, changed_ms integer not null, seq integer not null, doc text not null) \
             without rowid"
        ),
    };
    inventory.make(session, name, sql).await?;
    create_index(session, inventory, table, "changed", "changed_ms, seq").await
}

async fn create_index(
    session: &mut Session<'_>,
    inventory: &Inventory,
    table: &Table,
    what: &str,
    columns: &str,
) -> Result<(), StorageError> {
    let index = table.part_name(what, columns);
    // Two indexes of one schema may have the same fields.
    let sql = format!(
        "create index if not exists {index} on {} ({columns})",
        table.name
    );
    inventory.make(session, &index, sql).await
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
