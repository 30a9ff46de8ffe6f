//! The only nondeterminism: time and fresh ids, injected so that tests can hold them still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless_conflict_handlers::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The wall-clock time now.
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait IdSource: Send + Sync {
    /// A fresh UUID v4 as text, as AppSync's `util.autoId()` makes it.
    fn fresh_id(&self) -> String;
}

/// When patience ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(tokio::time::Instant);

impl Deadline {
    /// So much time from now.
    #[must_use]
    pub fn after(patience: Duration) -> Self {
        Deadline(tokio::time::Instant::now() + patience)
    }

    /// What is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0
            .saturating_duration_since(tokio::time::Instant::now())
    }
}

/// The machine's own clock and random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

impl IdSource for System {
    fn fresh_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}
