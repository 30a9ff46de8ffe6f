//! Noticing that a database is not the one it was: a restored backup, or a replica that took over.

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Statement};
use super::engine::Engine;
use super::epoch;

/// The database server's identity and the history it is on, which changes when a replica takes over or a backup is
/// recovered; and whether a commit waits for a replica, so that a take-over loses nothing.
const HISTORY: &str = "select (select system_identifier::text from pg_control_system()) || '/' || \
    left(pg_walfile_name(pg_current_wal_lsn()), 8), (current_setting('synchronous_standby_names') <> '' \
    and current_setting('synchronous_commit') not in ('off', 'local'))::int::bigint";

/// What is known of a database's history.
pub(super) struct Lineage {
    /// Some services do not tell.
    told: bool,
}

impl Lineage {
    pub(super) fn new() -> Self {
        Lineage { told: true }
    }

    /// Starts a new epoch if the log was written in another history than the present one.
    pub(super) async fn check(&mut self, engine: &Engine) -> Result<(), StorageError> {
        if !self.told {
            return Ok(());
        }
        let now = match engine.rows(Statement::new(HISTORY, Vec::new())).await {
            Ok(rows) => rows,
            Err(error @ StorageError::Corrupt(_)) => {
                tracing::info!(%error, "the database does not tell its history; after a restore, run `driftless restored`");
                self.told = false;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(now) = now.first() else {
            return Ok(());
        };
        let (history, replicated) = (now.text(0)?, now.int(1)? != 0);
        let written = "select history from lineage";
        let written = engine.rows(Statement::new(written, Vec::new())).await?;
        let written = written.first().map(|row| row.text(0)).transpose()?;
        match written {
            Some(written) if written == history => return Ok(()),
            Some(_) if !replicated => {
                let known = epoch::current(engine).await?;
                if epoch::renew(engine, known).await? {
                    tracing::warn!(
                        history,
                        "the database was restored or a replica took over, so writes may be missing that clients have \
                         seen: a new epoch has begun, every client fetches everything at its next sync"
                    );
                }
            }
            Some(_) => tracing::info!(history, "a replica that had every write took over"),
            None => {}
        }
        let keep = "insert into lineage (one, history) values (1, $1) \
                    on conflict (one) do update set history = excluded.history";
        engine
            .execute(Statement::new(keep, vec![Arg::Text(history)]))
            .await
    }
}
