//! Old rows of the log go. Deltas are read from the records, so only history is lost: events for a node that was away for
//! as long, which disconnects its subscribers then, and images that repeated creates and three-way merges look back at.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::storage::StorageError;

use super::database::{Arg, Row, Statement};
use super::engine::Engine;

/// How often it is looked for old rows.
const PERIOD: Duration = Duration::from_secs(600);
/// How many rows go at a time, so that no write waits for long.
const STRIDE: i64 = 1_000;

/// Trims the log, for ever.
pub(super) async fn keep(engine: Arc<Engine>, ttl: i64) {
    loop {
        engine.clock().sleep(PERIOD).await;
        match trim(&engine, ttl).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old rows of the log are removed"),
            Err(error) => tracing::warn!(%error, "the log cannot be trimmed; trying again"),
        }
    }
}

/// Removes rows that are older than `ttl` milliseconds, but never the last one of a model: it is the model's clock
/// (`sync-design.md` L8). Answers how many.
pub(super) async fn trim(engine: &Engine, ttl: i64) -> Result<u64, StorageError> {
    let mut removed = 0;
    let shards = "select cast(shard as bigint) from shards";
    for shard in engine.rows(Statement::new(shards, Vec::new())).await? {
        let shard = shard.int(0)?;
        // Rows go from the low end on, and time never runs backwards along the log.
        while let Some(last) = oldest(engine, shard, ttl).await? {
            let count = Statement::new(
                "select cast(count(*) as bigint) from change_log where shard = $1 and seq <= $2",
                vec![Arg::Int(shard), Arg::Int(last)],
            );
            let rows = engine.rows(count).await?;
            let delete = "delete from change_log where shard = $1 and seq <= $2";
            let args = vec![Arg::Int(shard), Arg::Int(last)];
            engine.execute(Statement::new(delete, args)).await?;
            removed += rows.first().map_or(Ok(0), |row| row.int(0))?.unsigned_abs();
        }
    }
    Ok(removed)
}

/// The position up to which rows may go now, if any may.
async fn oldest(engine: &Engine, shard: i64, ttl: i64) -> Result<Option<i64>, StorageError> {
    let mut args = vec![Arg::Int(shard), Arg::Int(ttl)];
    let wall = engine.wall().bind(&mut args);
    let sql = format!(
        "select cast(coalesce(max(low.seq), 0) as bigint) from (select seq, changed_ms from change_log \
         where shard = $1 order by seq limit {STRIDE}) low where low.changed_ms < {wall} - $2 \
         and low.seq < (select max(seq) from change_log where shard = $1)"
    );
    let rows = engine.rows(Statement::new(sql, args)).await?;
    let last = rows.first().map(|row: &Row| row.int(0)).transpose()?;
    Ok(last.filter(|last| *last > 0))
}
