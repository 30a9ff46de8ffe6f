//! How a Postgres database treats what is entrusted to it.

use anyhow::{Context, bail};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

/// Settings that are the database's, or its role's, and that promises of ours depend on.
pub(super) struct Conduct {
    /// Whether commits are answered before they are on the disk. Then each of ours asks for its own to be there: what was
    /// acknowledged must outlive a crash.
    pub(super) answers_early: bool,
}

/// Asks the database; why nothing can be entrusted to it, if that is so.
pub(super) async fn observe(connection: &mut PgConnection) -> anyhow::Result<Conduct> {
    let settings = "select current_setting('server_encoding'), current_setting('synchronous_commit'), \
                    current_setting('fsync')";
    let row = connection.fetch_one(sqlx::raw_sql(settings)).await?;
    let setting = |at: usize| {
        row.try_get::<String, _>(at)
            .context("the database does not tell its settings")
    };
    let encoding = setting(0)?;
    if !holds_every_text(&encoding) {
        bail!(
            "the database keeps text as {encoding}, which lacks most characters: make one with \
             `create database … encoding 'UTF8' template template0`"
        );
    }
    if setting(2)? == "off" {
        tracing::warn!(
            "the database does not flush what it writes (`fsync` is off): if its machine fails, acknowledged writes are lost"
        );
    }
    Ok(Conduct {
        answers_early: setting(1)? == "off",
    })
}

/// `SQL_ASCII` keeps the bytes it is given, which are those of UTF-8.
fn holds_every_text(encoding: &str) -> bool {
    matches!(encoding, "UTF8" | "SQL_ASCII")
}
