//! Which schemas a database was prepared for.

use sha2::{Digest, Sha256};

use driftless_resolvers::Timestamp;
use driftless_resolvers::schema::Schema;
use driftless_resolvers::storage::StorageError;

use super::{Session, Step};
use crate::storage::database::{Arg, Statement};
use crate::storage::engine::{Engine, Wall};

/// How many schemas are remembered: enough to go back to any that may still be running somewhere.
const REMEMBERED: usize = 50;

/// The schema that a database was prepared for last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its text.
    pub source: String,
    /// When.
    pub at: Timestamp,
}

/// The schema the database was prepared for last, if there is one.
pub(in crate::storage) async fn last(engine: &Engine) -> Result<Option<Prepared>, StorageError> {
    let sql = "select source, prepared_ms from schemas order by rank desc limit 1";
    let rows = engine.rows(Statement::new(sql, Vec::new())).await?;
    rows.first()
        .map(|row| {
            Ok(Prepared {
                source: row.text(0)?,
                at: Timestamp(row.int(1)?),
            })
        })
        .transpose()
}

/// Whether the database was ever prepared for a schema.
pub(in crate::storage) async fn knows(
    engine: &Engine,
    schema: &Schema,
) -> Result<bool, StorageError> {
    let sql = "select source from schemas where digest = $1";
    let args = vec![Arg::Text(digest(&schema.source))];
    let rows = engine.rows(Statement::new(sql, args)).await?;
    Ok(!rows.is_empty())
}

/// Notes the schema that the database is prepared for now.
pub(super) struct Remember<'a> {
    pub(super) source: &'a str,
    /// The time.
    pub(super) wall: Wall,
}

impl Step for Remember<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StorageError> {
        let mut args = vec![
            Arg::Text(digest(self.source)),
            Arg::Text(self.source.to_owned()),
        ];
        let wall = self.wall.bind(&mut args);
        let note = format!(
            "insert into schemas (digest, source, prepared_ms, rank) \
             values ($1, $2, {wall}, (select coalesce(max(rank), 0) + 1 from schemas)) \
             on conflict (digest) do update set prepared_ms = excluded.prepared_ms, rank = excluded.rank"
        );
        session.execute(Statement::new(note, args)).await?;
        let forget = format!(
            "delete from schemas where rank not in (select rank from schemas order by rank desc limit {REMEMBERED})"
        );
        session.run(forget).await
    }
}

/// Forgets every schema but the last: what others need may be gone.
pub(super) struct ForgetOthers;

impl Step for ForgetOthers {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StorageError> {
        let sql = "delete from schemas where rank < (select max(rank) from schemas)";
        session.run(sql.to_owned()).await
    }
}

fn digest(source: &str) -> String {
    let digest = Sha256::digest(source.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
