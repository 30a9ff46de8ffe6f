//! The conflict journal as a table beside the log: written in batches off the road of mutations, and cut to a bounded
//! length whenever something is added.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use driftless_resolvers::journal::{Journal, JournalEntry, JournalQuery, Retention};
use driftless_resolvers::storage::StorageError;
use driftless_resolvers::{Record, Timestamp, Version};

use driftless_conflict_handlers::Recorded;

use super::database::{Arg, Row, Statement};
use super::sql::SqlStore;

impl SqlStore {
    async fn append_conflicts(
        &self,
        conflicts: &[Recorded],
        retention: Retention,
    ) -> Result<(), StorageError> {
        let mut statement = Statement::new(
            "insert into conflict_journal (model, pk, at_ms, body) values ",
            Vec::new(),
        );
        let mut newest = Timestamp::default();
        for (index, conflict) in conflicts.iter().enumerate() {
            let mut conflict = conflict.clone();
            if conflict.base.is_none() {
                conflict.base = self.seen(&conflict).await?;
            }
            newest = newest.max(conflict.at);
            let body = serde_json::to_string(&conflict)
                .map_err(|error| StorageError::Corrupt(error.to_string()))?;
            let first = 4 * index + 1;
            let comma = if index == 0 { "" } else { ", " };
            statement.sql.push_str(&format!(
                "{comma}(${first}, ${}, ${}, ${})",
                first + 1,
                first + 2,
                first + 3
            ));
            statement.args.extend([
                Arg::Text(conflict.model),
                Arg::Text(conflict.key),
                Arg::Int(conflict.at.0),
                Arg::Text(body),
            ]);
        }
        if conflicts.is_empty() {
            return Ok(());
        }
        self.engine().execute(statement).await?;
        let cut = "delete from conflict_journal \
                   where id <= (select max(id) from conflict_journal) - $1 or at_ms < $2";
        let args = vec![
            Arg::Int(i64::from(retention.entries)),
            Arg::Int(newest.0 - retention.age),
        ];
        self.engine().execute(Statement::new(cut, args)).await
    }

    /// The record as the client saw it, if the log still holds that version.
    async fn seen(&self, conflict: &Recorded) -> Result<Option<Record>, StorageError> {
        let (Some(version), Some(shard)) = (conflict.client_version, self.number(&conflict.model))
        else {
            return Ok(None);
        };
        let sql = "select doc, changed_ms, cast(case when deleted then 1 else 0 end as bigint) from change_log \
                   where shard = $1 and pk = $2 and version = $3 and op <> 't' order by seq limit 1";
        let args = vec![
            Arg::Int(shard),
            Arg::Text(conflict.key.clone()),
            Arg::Int(i64::from(version.0)),
        ];
        let rows = self.engine().rows(Statement::new(sql, args)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let doc = row.text(0)?;
        let fields = serde_json::from_str(&doc).map_err(|error| {
            StorageError::Corrupt(format!("a version of {}: {error}", conflict.key))
        })?;
        Ok(Some(Record {
            fields,
            version: Version(version.0),
            last_changed_at: Timestamp(row.int(1)?),
            deleted: row.int(2)? != 0,
        }))
    }

    async fn list_conflicts(
        &self,
        query: &JournalQuery,
    ) -> Result<Vec<JournalEntry>, StorageError> {
        let mut args = Vec::new();
        let mut tests = String::from("id > 0");
        let mut test = |column: &str, arg: Arg| {
            args.push(arg);
            tests.push_str(&format!(" and {column} ${}", args.len()));
        };
        if let Some(model) = &query.model {
            test("model =", Arg::Text(model.clone()));
        }
        if let Some(key) = &query.key {
            test("pk =", Arg::Text(key.clone()));
        }
        if let Some(before) = query.before {
            test("id <", Arg::Int(before));
        }
        let limit = query.limit;
        let sql = format!(
            "select id, body from conflict_journal where {tests} order by id desc limit {limit}"
        );
        let rows = self.engine().rows(Statement::new(sql, args)).await?;
        rows.iter().map(entry).collect()
    }

    async fn one_conflict(&self, id: i64) -> Result<Option<JournalEntry>, StorageError> {
        let sql = "select id, body from conflict_journal where id = $1";
        let statement = Statement::new(sql, vec![Arg::Int(id)]);
        let rows = self.engine().rows(statement).await?;
        rows.first().map(entry).transpose()
    }
}

fn entry(row: &Row) -> Result<JournalEntry, StorageError> {
    let id = row.int(0)?;
    let conflict = serde_json::from_str(&row.text(1)?)
        .map_err(|error| StorageError::Corrupt(format!("conflict {id}: {error}")))?;
    Ok(JournalEntry { id, conflict })
}

impl Journal for SqlStore {
    fn append<'a>(
        &'a self,
        conflicts: &'a [Recorded],
        retention: Retention,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        self.append_conflicts(conflicts, retention).boxed()
    }

    fn conflicts<'a>(
        &'a self,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<Vec<JournalEntry>, StorageError>> {
        self.list_conflicts(query).boxed()
    }

    fn conflict(&self, id: i64) -> BoxFuture<'_, Result<Option<JournalEntry>, StorageError>> {
        self.one_conflict(id).boxed()
    }
}
