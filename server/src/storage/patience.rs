//! Waiting for a database whose locks somebody holds for longer than it lets anybody wait itself.

use std::time::{Duration, Instant};

use driftless_resolvers::storage::StorageError;
use tokio::time::sleep;

/// When no further attempt begins. With the last one's own time it stays within what a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs again what the database gave up on because it took too long. Only for what has no effect then: reads, and
/// transactions that were rolled back.
pub(super) async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, StorageError>>,
{
    let begun = Instant::now();
    loop {
        match attempt().await {
            Err(StorageError::Timeout(_)) if begun.elapsed() < PATIENCE => sleep(PAUSE).await,
            other => return other,
        }
    }
}
