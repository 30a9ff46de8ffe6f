//! The little that differs when a statement is sent: how arguments are bound, rows are read and errors are called.

use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use driftless_resolvers::storage::StorageError;

/// Which database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// An argument of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arg {
    Text(String),
    Int(i64),
    Float(f64),
    /// Arrays on Postgres, JSON arrays on SQLite.
    Texts(Vec<String>),
    MaybeText(Option<String>),
    MaybeFloat(Option<f64>),
    Ints(Vec<i64>),
    MaybeTexts(Vec<Option<String>>),
    MaybeFloats(Vec<Option<f64>>),
}

/// A statement with its arguments, numbered from `$1`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) args: Vec<Arg>,
    /// When no more rows of the answer are taken.
    pub(super) allowance: Option<Allowance>,
}

/// How much the texts in one column of an answer may weigh together: the row with which they reach it is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) column: usize,
    pub(super) bytes: usize,
}

impl Statement {
    pub(super) fn new(sql: impl Into<String>, args: Vec<Arg>) -> Self {
        Statement {
            sql: sql.into(),
            args,
            allowance: None,
        }
    }

    /// The same for an answer that may be cut.
    pub(super) fn within(self, allowance: Allowance) -> Self {
        Statement {
            allowance: Some(allowance),
            ..self
        }
    }

    pub(super) fn postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.args.into_iter().fold(query, |query, arg| match arg {
            Arg::Text(value) => query.bind(value),
            Arg::Int(value) => query.bind(value),
            Arg::Float(value) => query.bind(value),
            Arg::Texts(value) => query.bind(value),
            Arg::MaybeText(value) => query.bind(value),
            Arg::MaybeFloat(value) => query.bind(value),
            Arg::Ints(value) => query.bind(value),
            Arg::MaybeTexts(value) => query.bind(value),
            Arg::MaybeFloats(value) => query.bind(value),
        })
    }

    pub(super) fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.args.into_iter().fold(query, |query, arg| match arg {
            Arg::Text(value) => query.bind(value),
            Arg::Int(value) => query.bind(value),
            Arg::Float(value) => query.bind(value),
            Arg::Texts(value) => query.bind(serde_json::Value::from(value).to_string()),
            Arg::MaybeText(value) => query.bind(value),
            Arg::MaybeFloat(value) => query.bind(value),
            Arg::Ints(value) => query.bind(serde_json::Value::from(value).to_string()),
            Arg::MaybeTexts(value) => query.bind(serde_json::json!(value).to_string()),
            Arg::MaybeFloats(value) => query.bind(serde_json::json!(value).to_string()),
        })
    }
}

/// A row of an answer. Every integer is selected as 64 bits wide, every flag as an integer.
pub(super) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    pub(super) fn int(&self, column: usize) -> Result<i64, StorageError> {
        match self {
            Row::Postgres(row) => row.try_get_unchecked(column),
            Row::Sqlite(row) => row.try_get_unchecked(column),
        }
        .map_err(|error| storage_error(&error))
    }

    pub(super) fn text(&self, column: usize) -> Result<String, StorageError> {
        self.maybe_text(column)?
            .ok_or_else(|| StorageError::Corrupt(format!("column {column} of an answer is NULL")))
    }

    /// The bytes of the text in a column.
    fn weight(&self, column: usize) -> Result<usize, sqlx::Error> {
        let text: Option<&str> = match self {
            Row::Postgres(row) => row.try_get_unchecked(column)?,
            Row::Sqlite(row) => row.try_get_unchecked(column)?,
        };
        Ok(text.map_or(0, str::len))
    }

    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<String>, StorageError> {
        match self {
            Row::Postgres(row) => row.try_get_unchecked(column),
            Row::Sqlite(row) => row.try_get_unchecked(column),
        }
        .map_err(|error| storage_error(&error))
    }
}

/// Takes the rows of an answer, as far as they are allowed.
pub(super) async fn collect(
    mut rows: impl Stream<Item = Result<Row, sqlx::Error>> + Unpin,
    allowance: Option<Allowance>,
) -> Result<Vec<Row>, sqlx::Error> {
    let Some(Allowance { column, bytes }) = allowance else {
        return rows.try_collect().await;
    };
    let (mut taken, mut weight) = (Vec::new(), 0);
    while weight < bytes
        && let Some(row) = rows.try_next().await?
    {
        weight += row.weight(column)?;
        taken.push(row);
    }
    Ok(taken)
}

/// What a driver's error means to the caller: trouble that passes, slowness, or wrong data.
pub(super) fn storage_error(error: &sqlx::Error) -> StorageError {
    let text = error.to_string();
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Configuration(_) => StorageError::Unavailable(text),
        sqlx::Error::Database(database) => coded(database.code().as_deref().unwrap_or(""), text),
        _ => StorageError::Corrupt(text),
    }
}

/// Postgres has five characters (a class and a condition), SQLite a number whose low byte is the primary code.
fn coded(code: &str, text: String) -> StorageError {
    if let (true, Ok(number)) = (code.len() < 5, code.parse::<u32>()) {
        return match number & 0xff {
            5 | 6 | 9 => StorageError::Timeout(text),
            7 | 8 | 10 | 13 | 14 => StorageError::Unavailable(text),
            _ => StorageError::Corrupt(text),
        };
    }
    match code {
        "57014" | "55P03" | "25P03" => StorageError::Timeout(text),
        // A file system's quota and the largest file have no code of their own: both come as an internal error.
        "25006" | "XX000" => StorageError::Unavailable(text),
        _ if ["08", "53", "57", "40", "58", "28", "3D"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            StorageError::Unavailable(text)
        }
        _ => StorageError::Corrupt(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_trouble_is_told_from_wrong_data() {
        let kind = |code: &str| match coded(code, String::new()) {
            StorageError::Unavailable(_) => "unavailable",
            StorageError::Timeout(_) => "timeout",
            StorageError::Corrupt(_) => "corrupt",
        };
        for (code, expected) in [
            ("57014", "timeout"),
            ("55P03", "timeout"),
            ("57P01", "unavailable"),
            ("08006", "unavailable"),
            ("40P01", "unavailable"),
            ("53300", "unavailable"),
            ("53100", "unavailable"),
            ("XX000", "unavailable"),
            ("XX001", "corrupt"),
            ("22P02", "corrupt"),
            ("42P01", "corrupt"),
            ("5", "timeout"),
            ("517", "timeout"),
            ("13", "unavailable"),
            ("2067", "corrupt"),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
