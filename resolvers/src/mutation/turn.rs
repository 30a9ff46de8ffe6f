//! Who writes next, where many write one record: those that were overtaken too often go one by one (`errata.md` row 3).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use tokio::sync::{Mutex, MutexGuard};

use crate::schema::model::Model;
use crate::storage::Key;

/// Enough that two hot records seldom share one.
const QUEUES: usize = 64;

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Mutations that our rules decide: each takes one write.
    Builtin,
    /// Mutations that the user's code decides: each may take seconds, so they hold up none of the others.
    External,
}

/// The right to go next; given back when it is dropped.
pub(super) type Turn = MutexGuard<'static, ()>;

type Queues = LazyLock<[Mutex<()>; QUEUES]>;

/// One table for the process: a turn says nothing but who goes first, so records that share a queue only wait longer.
static BUILTIN: Queues = LazyLock::new(|| std::array::from_fn(|_| Mutex::new(())));
static EXTERNAL: Queues = LazyLock::new(|| std::array::from_fn(|_| Mutex::new(())));

/// Waits until everybody who took a turn at this record before has written, first come, first served.
pub(super) async fn take(queue: Queue, model: &Model, key: &Key) -> Turn {
    let mut hasher = DefaultHasher::new();
    (&model.name, key).hash(&mut hasher);
    let place = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
    let queues = match queue {
        Queue::Builtin => &BUILTIN,
        Queue::External => &EXTERNAL,
    };
    queues[place].lock().await
}
