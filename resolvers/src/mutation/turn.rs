//! Who writes next, where many write one record: those that were overtaken too often go one by one (`errata.md` row 3).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use tokio::sync::{Mutex, MutexGuard};

use crate::storage::Key;

/// Enough that two hot records seldom share one.
const QUEUES: usize = 64;

/// One table for the process: a turn says nothing but who goes first, so records that share a queue only wait longer.
static TURNS: LazyLock<[Mutex<()>; QUEUES]> =
    LazyLock::new(|| std::array::from_fn(|_| Mutex::new(())));

/// Waits until everybody who took a turn at this record before has written, first come, first served.
pub(super) async fn take(model: &str, key: &Key) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    (model, key).hash(&mut hasher);
    let queue = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
    TURNS[queue].lock().await
}
