//! The only nondeterminism: time and fresh ids, injected so that tests can hold them still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless_conflict_handlers::Timestamp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The wall-clock time now.
    fn now(&self) -> Timestamp;

    /// The time since a moment that stays the same, by a clock that nobody sets and that goes on while the machine
    /// sleeps. Where the wall clock gains on it, the wall clock was set.
    fn steady(&self) -> Duration {
        // A clock that is never set tells both.
        Duration::from_millis(u64::try_from(self.now().0).unwrap_or_default())
    }

    /// Waits for so long. A clock in a test's hand need not.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        tokio::time::sleep(time).boxed()
    }
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

    fn steady(&self) -> Duration {
        steady::now()
    }
}

/// The standard library's `Instant` stands still while a machine sleeps, on some systems: an application's own laptop
/// would find every morning that its clock has been set.
#[cfg(unix)]
mod steady {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    // Elsewhere this one counts the time of sleep.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;

    pub(super) fn now() -> Duration {
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

#[cfg(not(unix))]
mod steady {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn now() -> Duration {
        BEGAN.elapsed()
    }
}

impl IdSource for System {
    fn fresh_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}
