//! Noticing that a database is not the one it was: a restored backup, or a replica that took over.

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Statement};
use super::engine::Engine;
use super::epoch::{self, Mark};

/// Whether the server only repeats what another one writes; else its identity and the history it is on, which changes when
/// a replica takes over or a backup is recovered; and whether a commit waits for a replica, so that a take-over loses
/// nothing.
const HISTORY: &str = "select pg_is_in_recovery()::int::bigint, case when not pg_is_in_recovery() then \
    (select system_identifier::text from pg_control_system()) || '/' || \
    left(pg_walfile_name(pg_current_wal_lsn()), 8) end, (current_setting('synchronous_standby_names') <> '' \
    and current_setting('synchronous_commit') not in ('off', 'local'))::int::bigint";

/// The same of a service that tells nobody its history.
const UNTOLD: &str = "select pg_is_in_recovery()::int::bigint, null::text, 0::bigint";

/// In which history the log was written, and in which epoch: both at one time, as they change together.
const WRITTEN: &str = "select l.history, l.replicated::int::bigint, \
    (select coalesce(max(s.epoch), 1)::bigint from shards s) from lineage l";

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
        let Some(now) = self.now(engine).await? else {
            return Ok(());
        };
        loop {
            let written = engine.rows(Statement::new(WRITTEN, Vec::new())).await?;
            let Some(row) = written.first() else {
                return engine.execute(now.noted()).await;
            };
            let (written, epoch) = (History::read(row.text(0)?, row.int(1)?), row.int(2)?);
            if written == now {
                return Ok(());
            }
            if written.name == now.name {
                return engine.execute(now.noted()).await;
            }
            if written.is_whole_in(&now) {
                tracing::info!(
                    history = now.name,
                    "a replica that had every write took over"
                );
                return engine.execute(now.noted()).await;
            }
            if epoch::renew(engine, epoch, marks, Some(now.noted())).await? {
                tracing::warn!(
                    history = now.name,
                    "the database was restored or a replica took over, so writes may be missing that clients have \
                     seen: a new epoch has begun, every client fetches everything at its next sync"
                );
                return Ok(());
            }
            // Another node was faster: what it has noted is there by now.
        }
    }

    /// The present history, where it is told. A replica has none to go by: what it lacks is lost only when it takes over,
    /// and its connections live on then. So nobody is done with looking before that.
    async fn now(&mut self, engine: &Engine) -> Result<Option<History>, StorageError> {
        let asked = if self.told { HISTORY } else { UNTOLD };
        let rows = match engine.rows(Statement::new(asked, Vec::new())).await {
            Err(error @ StorageError::Corrupt(_)) if self.told => {
                tracing::info!(%error, "the database does not tell its history; after a restore, run `driftless restored`");
                self.told = false;
                engine.rows(Statement::new(UNTOLD, Vec::new())).await?
            }
            answer => answer?,
        };
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        if row.int(0)? != 0 {
            return Err(StorageError::Unavailable(
                "the database is a replica that has not taken over".to_owned(),
            ));
        }
        let name = row.maybe_text(1)?;
        let replicated = row.int(2)?;
        Ok(name.map(|name| History::read(name, replicated)))
    }
}

impl History {
    fn read(name: String, replicated: i64) -> History {
        History {
            name,
            replicated: replicated != 0,
        }
    }

    /// Whether a later history has everything that was acknowledged in this one: a replica that commits waited for took
    /// over. How the new primary commits says nothing of what it has; often it is alone by then.
    fn is_whole_in(&self, later: &History) -> bool {
        self.replicated && self.server() == later.server()
    }

    fn server(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The note that the log is now written in this history.
    fn noted(&self) -> Statement {
        let sql = "insert into lineage (one, history, replicated) values (1, $1, $2 <> 0) on conflict (one) \
                   do update set history = excluded.history, replicated = excluded.replicated";
        let args = vec![
            Arg::Text(self.name.clone()),
            Arg::Int(i64::from(self.replicated)),
        ];
        Statement::new(sql, args)
    }
}
