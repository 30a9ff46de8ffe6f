//! Whether the clock that changes are stamped with goes as time does (`sync-design.md` 10).
//!
//! No write is lost when it does not: no change gets an earlier time than the one before it, and `startedAt` is never ahead
//! of the clock. But whoever reads times should know, so it is said.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::storage::StorageError;
use tokio::time::Instant;

use super::database::Statement;
use super::engine::Engine;
use super::statements;

/// How often to look.
const PERIOD: Duration = Duration::from_secs(5);
/// How many milliseconds a clock may be behind the newest change: clocks are corrected by less all the time.
const CORRECTED: i64 = 1_000;
/// How many milliseconds a clock may gain between two looks.
const GAINED: i64 = 60_000;

/// Looks at the clock of a store, for ever.
pub(super) async fn watch(engine: Arc<Engine>) {
    let mut watch = Watch::default();
    loop {
        // A store that cannot be asked says so elsewhere.
        if let Ok(reading) = read(&engine).await
            && let Some(finding) = watch.judge(reading)
        {
            finding.tell();
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// What is known at one moment, times in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: i64,
    /// The time of the newest change.
    newest: i64,
    /// The moment by a clock that nobody sets.
    at: Instant,
}

async fn read(engine: &Engine) -> Result<Reading, StorageError> {
    // In this order: a change that is committed meanwhile is not ahead of the clock.
    let mut newest = 0;
    for row in engine.rows(statements::heads()).await? {
        newest = newest.max(row.int(2)?);
    }
    // A new epoch begins ahead of the clock, on purpose; what follows is stamped with its beginning until then.
    let starts = "select cast(coalesce(max(epoch_start_ms), 0) as bigint) from shards";
    let starts = engine.rows(Statement::new(starts, Vec::new())).await?;
    let start = starts.first().map_or(Ok(0), |row| row.int(0))?;
    if newest <= start + 1 {
        newest = 0;
    }
    Ok(Reading {
        newest,
        wall: engine.now().await?,
        at: Instant::now(),
    })
}

/// What was seen before.
#[derive(Debug, Default)]
struct Watch {
    last: Option<Reading>,
    /// Whether it has been said that the clock is behind.
    behind: bool,
}

/// What is to be said, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// The clock jumped forward.
    Gained(i64),
    /// The newest change is later than now.
    Behind(i64),
    /// It is not any more.
    CaughtUp,
}

impl Watch {
    fn judge(&mut self, reading: Reading) -> Option<Finding> {
        let last = self.last.replace(reading);
        let behind = reading.newest - reading.wall;
        if behind > CORRECTED {
            return (!std::mem::replace(&mut self.behind, true)).then_some(Finding::Behind(behind));
        }
        if std::mem::take(&mut self.behind) {
            return Some(Finding::CaughtUp);
        }
        let last = last?;
        let passed = i64::try_from((reading.at - last.at).as_millis()).unwrap_or(i64::MAX);
        let gained = reading.wall - last.wall - passed;
        (gained > GAINED).then_some(Finding::Gained(gained))
    }
}

impl Finding {
    fn tell(self) {
        match self {
            Finding::Gained(by) => tracing::warn!(
                seconds = by / 1_000,
                "the clock of the store has jumped forward, or this machine was asleep: changes are stamped with the \
                 new time. If that is wrong, set it right soon"
            ),
            Finding::Behind(by) => tracing::warn!(
                seconds = by / 1_000,
                "the clock of the store is behind the newest change: it was set back, or had been ahead. Nothing is \
                 lost; until it has caught up new changes get the time of the newest one, and devices are sent again \
                 what has changed meanwhile"
            ),
            Finding::CaughtUp => {
                tracing::info!("the clock of the store has caught up with the newest change");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use driftless_resolvers::Timestamp;
    use driftless_resolvers::clock::Clock;

    use super::*;
    use crate::storage::{Place, open_at};

    const HOUR: i64 = 3_600_000;

    struct Held(AtomicI64);

    impl Clock for Held {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }
    }

    fn reading(wall: i64, newest: i64, at: Instant) -> Reading {
        Reading { wall, newest, at }
    }

    #[test]
    fn a_clock_that_goes_as_time_does_is_not_spoken_of() {
        let begin = Instant::now();
        let mut watch = Watch::default();
        for minute in 0..60 {
            let at = begin + Duration::from_secs(60) * minute;
            let wall = HOUR + 60_000 * i64::from(minute);
            // It is corrected by half a second, back and forth.
            let wall = wall + if minute % 2 == 0 { 500 } else { -500 };
            assert_eq!(watch.judge(reading(wall, wall + 900, at)), None);
        }
    }

    #[test]
    fn each_jump_is_said_once() {
        let now = Instant::now();
        let mut watch = Watch::default();
        assert_eq!(watch.judge(reading(0, 0, now)), None);
        let ahead = watch.judge(reading(HOUR, 0, now));
        assert_eq!(ahead, Some(Finding::Gained(HOUR)));
        assert_eq!(watch.judge(reading(HOUR, HOUR, now)), None);
        let back = watch.judge(reading(0, HOUR, now));
        assert_eq!(back, Some(Finding::Behind(HOUR)));
        assert_eq!(watch.judge(reading(1, HOUR, now)), None);
        let caught_up = watch.judge(reading(HOUR, HOUR, now));
        assert_eq!(caught_up, Some(Finding::CaughtUp));
        assert_eq!(watch.judge(reading(HOUR, HOUR, now)), None);
    }

    #[tokio::test]
    async fn the_clock_of_a_sqlite_store_is_the_one_it_stamps_changes_with() {
        let clock = Arc::new(Held(AtomicI64::new(HOUR)));
        let place = Place {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..Place::at("sqlite::memory:")
        };
        let store = open_at(&place).await.expect("a store");
        let mut watch = Watch::default();
        let first = read(store.sql.engine()).await.expect("a reading");
        assert_eq!((first.wall, watch.judge(first)), (HOUR, None));
        clock.0.store(3 * HOUR, Ordering::SeqCst);
        let second = read(store.sql.engine()).await.expect("a reading");
        assert!(matches!(watch.judge(second), Some(Finding::Gained(by)) if by > HOUR));
        store.close().await;
    }
}
