//! Indexes that are made while others read and write.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use driftless_resolvers::storage::StorageError;

use super::{Postgres, failed, has_code};
use crate::storage::database::{Arg, Statement};
use crate::storage::ddl::Index;
use crate::storage::migrate::Session;

impl Postgres {
    /// Makes an index. That is no transaction, so a node that ends half-way leaves an index that is not valid; it is
    /// removed and made again, unless another node is just making it.
    pub(in crate::storage) async fn build_index(&self, index: &Index) -> Result<(), StorageError> {
        let mut connection = self.connections.patient().await.map_err(failed)?;
        loop {
            match self.is_valid(index).await? {
                Some(true) => break,
                Some(false) => self.remove_unfinished(index).await?,
                None => create(&mut connection, index).await?,
            }
        }
        connection.close().await.map_err(failed)
    }

    /// Whether an index is complete; `None` if there is none.
    async fn is_valid(&self, index: &Index) -> Result<Option<bool>, StorageError> {
        let rows = self.rows(validity(index)).await?;
        rows.first().map(|row| Ok(row.int(0)? != 0)).transpose()
    }

    /// Removes an index that nobody is making any more. Whoever makes one holds this lock.
    async fn remove_unfinished(&self, index: &Index) -> Result<(), StorageError> {
        let mut transaction = self.connections.transaction().await.map_err(failed)?;
        let wait = format!(
            "set local statement_timeout = 0; set local lock_timeout = 0; \
             lock table {} in share update exclusive mode",
            index.table()
        );
        sqlx::raw_sql(AssertSqlSafe(wait))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let mut session = Session::Postgres(&mut transaction);
        let rows = session.rows(validity(index)).await?;
        if let Some(row) = rows.first()
            && row.int(0)? == 0
        {
            let drop = format!("drop index {}", index.name);
            session.execute(Statement::new(drop, Vec::new())).await?;
        }
        transaction.commit().await.map_err(failed)
    }
}

/// Somebody else may be making it at the same time; whether it is complete is asked afterwards.
async fn create(connection: &mut PgConnection, index: &Index) -> Result<(), StorageError> {
    let sql = AssertSqlSafe(index.create_concurrently());
    match sqlx::raw_sql(sql).execute(connection).await {
        Err(error) if !has_code(&error, &["42P07", "23505"]) => Err(failed(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether an index is complete, as a number.
fn validity(index: &Index) -> Statement {
    let sql = "select indisvalid::int::bigint from pg_index where indexrelid = to_regclass($1)";
    Statement::new(sql, vec![Arg::Text(index.name.clone())])
}
