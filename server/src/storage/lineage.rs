//! Noticing that a database is not the one it was: a restored backup, or a replica that took over.

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Row, Statement};
use super::engine::Engine;
use super::epoch::{self, Mark};

/// The database server's identity and the history it is on, which changes when a replica takes over or a backup is
/// recovered; and whether a commit waits for a replica, so that a take-over loses nothing.
const HISTORY: &str = "select (select system_identifier::text from pg_control_system()) || '/' || \
    left(pg_walfile_name(pg_current_wal_lsn()), 8), (current_setting('synchronous_standby_names') <> '' \
    and current_setting('synchronous_commit') not in ('off', 'local'))::int::bigint";

/// The history of a database at some time.
#[derive(Debug, PartialEq, Eq)]
struct History {
    /// `SERVER/TIMELINE`.
    name: String,
    /// Whether commits waited for a replica.
    replicated: bool,
}

/// What is known of a database's history.
pub(super) struct Lineage {
    /// Some services do not tell.
    told: bool,
}

impl Lineage {
    pub(super) fn new() -> Self {
        Lineage { told: true }
    }

    /// Starts a new epoch if the log was written in another history than the present one, and something of it may be
    /// missing here. The marks are of rows that clients have seen.
    pub(super) async fn check(
        &mut self,
        engine: &Engine,
        marks: &[Mark],
    ) -> Result<(), StorageError> {
        if !self.told {
            return Ok(());
        }
        let now = match engine.rows(Statement::new(HISTORY, Vec::new())).await {
            Ok(rows) => rows.first().map(History::read).transpose()?,
            Err(error @ StorageError::Corrupt(_)) => {
                tracing::info!(%error, "the database does not tell its history; after a restore, run `driftless restored`");
                self.told = false;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(now) = now else {
            return Ok(());
        };
        let written = "select history, replicated::int::bigint from lineage";
        let written = engine.rows(Statement::new(written, Vec::new())).await?;
        match written.first().map(History::read).transpose()? {
            Some(written) if written == now => return Ok(()),
            Some(written) if written.name == now.name => {}
            Some(written) if written.is_whole_in(&now) => {
                tracing::info!(
                    history = now.name,
                    "a replica that had every write took over"
                );
            }
            Some(_) => {
                let known = epoch::current(engine).await?;
                if epoch::renew(engine, known, marks).await? {
                    tracing::warn!(
                        history = now.name,
                        "the database was restored or a replica took over, so writes may be missing that clients have \
                         seen: a new epoch has begun, every client fetches everything at its next sync"
                    );
                }
            }
            None => {}
        }
        now.keep(engine).await
    }
}

impl History {
    fn read(row: &Row) -> Result<History, StorageError> {
        Ok(History {
            name: row.text(0)?,
            replicated: row.int(1)? != 0,
        })
    }

    /// Whether a later history has everything that was acknowledged in this one: a replica that commits waited for took
    /// over. How the new primary commits says nothing of what it has; often it is alone by then.
    fn is_whole_in(&self, later: &History) -> bool {
        self.replicated && self.server() == later.server()
    }

    fn server(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// Notes that the log is now written in this history.
    async fn keep(self, engine: &Engine) -> Result<(), StorageError> {
        let sql = "insert into lineage (one, history, replicated) values (1, $1, $2 <> 0) on conflict (one) \
                   do update set history = excluded.history, replicated = excluded.replicated";
        let args = vec![Arg::Text(self.name), Arg::Int(i64::from(self.replicated))];
        engine.execute(Statement::new(sql, args)).await
    }
}
