//! Whether the clock that changes are stamped with goes as time does, and what is done and said where it does not
//! (`sync-design.md` 10).
//!
//! No write is lost then: no change gets an earlier time than the one before it, and `startedAt` is never ahead of the
//! clock. But whoever reads times should know.

use std::sync::Arc;
use std::time::Duration;

use driftless_resolvers::Timestamp;
use driftless_resolvers::clock::Clock;
use driftless_resolvers::storage::StorageError;
use futures_util::future::BoxFuture;

use super::belief::{Reading, Ruling, Word};
use super::database::{Arg, Row, Statement};
use super::engine::Engine;
use super::epoch;

/// How often to look.
const PERIOD: Duration = Duration::from_secs(5);
/// How many milliseconds a clock may be behind the newest change: clocks are corrected by less all the time.
const CORRECTED: i64 = 1_000;

/// Looks at the clock of a store, for ever.
pub(super) async fn watch(engine: Arc<Engine>) {
    let mut watch = Watch::default();
    loop {
        // A store that cannot be asked says so elsewhere.
        if let Ok(sight) = look(&engine).await
            && let Some(finding) = watch.judge(sight)
        {
            finding.tell();
        }
        engine.clock().sleep(PERIOD).await;
    }
}

/// The clock of a store, as the processes that work with it count its time: the same for all of them, whatever their own
/// clocks say.
pub(super) struct StoreClock(pub(super) Arc<Engine>);

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now())
    }

    fn steady(&self) -> Duration {
        self.0.clock().steady()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.clock().sleep(time)
    }
}

/// What is seen at one moment, times in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Sight {
    reading: Reading,
    /// The time of the newest change.
    newest: i64,
    /// How far the clock is ahead of what is believed.
    ahead: i64,
    /// Whether it gained no more than the clock of this machine says that it should.
    was_corrected: bool,
}

async fn look(engine: &Engine) -> Result<Sight, StorageError> {
    // In this order: a change that is committed meanwhile is not ahead of the clock.
    let newest = newest(engine).await?;
    let (reading, ruling) = engine.reading().await?;
    let belief = engine.belief();
    let word = belief.look(reading, ruling);
    if let Some(word) = word
        && let Some(pardons) = tell(engine, word, ruling).await?
    {
        belief.pardoned(pardons);
    }
    Ok(Sight {
        reading,
        newest,
        ahead: belief.ahead(),
        was_corrected: word == Some(Word::Right),
    })
}

/// The time of the newest change, unless it belongs to a new epoch: that begins ahead of the clock, on purpose, and what
/// follows is stamped with its beginning until then.
async fn newest(engine: &Engine) -> Result<i64, StorageError> {
    let mut newest = 0;
    for head in epoch::heads(engine).await? {
        newest = newest.max(head.changed);
    }
    let starts = "select cast(coalesce(max(epoch_start_ms), 0) as bigint) from shards";
    let starts = engine.rows(Statement::new(starts, Vec::new())).await?;
    let start = starts.first().map_or(Ok(0), |row| row.int(0))?;
    Ok(if newest <= start + 1 { 0 } else { newest })
}

/// The clock of Postgres, and what its servers have found out about it.
pub(super) fn asked() -> Statement {
    Statement::new(
        "select wall_ms(), ahead_ms, pardons from store_clock",
        Vec::new(),
    )
}

/// The answer to [`asked`].
pub(super) fn told(rows: &[Row]) -> Result<(i64, Ruling), StorageError> {
    let row = rows
        .first()
        .ok_or_else(|| StorageError::Corrupt("store_clock is empty".to_owned()))?;
    let ruling = Ruling {
        ahead: row.int(1)?,
        pardons: row.int(2)?,
    };
    Ok((row.int(0)?, ruling))
}

/// Tells the other servers, unless one of them was faster; answers how often the clock has been found right by then.
async fn tell(engine: &Engine, word: Word, known: Ruling) -> Result<Option<i64>, StorageError> {
    if !engine.is_shared() {
        return Ok(None);
    }
    let mut args = vec![Arg::Int(known.pardons)];
    let sql = match word {
        Word::Ahead(by) => {
            args.push(Arg::Int(by));
            "update store_clock set ahead_ms = $2 where pardons = $1 and ahead_ms = 0 returning pardons"
        }
        Word::Right => {
            "update store_clock set ahead_ms = 0, pardons = pardons + 1 where pardons = $1 returning pardons"
        }
    };
    let rows = engine.rows(Statement::new(sql, args)).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

/// Tells every server of a database to believe its clock, whatever they have found out.
pub(super) async fn pardon(engine: &Engine) -> Result<(), StorageError> {
    let sql = "update store_clock set ahead_ms = 0, pardons = pardons + 1";
    engine.execute(Statement::new(sql, Vec::new())).await
}

/// What has been said.
#[derive(Debug, Default)]
struct Watch {
    /// That the clock is not believed.
    ahead: bool,
    /// That it is behind.
    behind: bool,
}

/// What is to be said, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// The clock is so far ahead of what is believed.
    Ahead(i64),
    /// It is not any more.
    Believed,
    /// It was wrong before, by what the clock of this machine says.
    Corrected,
    /// The newest change is later than now.
    Behind(i64),
    /// It is not any more.
    CaughtUp,
}

impl Watch {
    fn judge(&mut self, sight: Sight) -> Option<Finding> {
        if sight.ahead > 0 {
            let told = std::mem::replace(&mut self.ahead, true);
            return (!told).then_some(Finding::Ahead(sight.ahead));
        }
        if std::mem::take(&mut self.ahead) {
            return Some(Finding::Believed);
        }
        if sight.was_corrected {
            return Some(Finding::Corrected);
        }
        let behind = sight.newest - sight.reading.wall;
        if behind > CORRECTED {
            return (!std::mem::replace(&mut self.behind, true)).then_some(Finding::Behind(behind));
        }
        std::mem::take(&mut self.behind).then_some(Finding::CaughtUp)
    }
}

impl Finding {
    fn tell(self) {
        match self {
            Finding::Ahead(by) => tracing::warn!(
                seconds = by / 1_000,
                "the clock of the store has jumped forward and is not believed: changes get the time that has really \
                 passed. If it is wrong, set it right, and it is believed again. If it is right and was wrong before, or \
                 this machine was stopped, say so: `driftless clock --right` for Postgres; a server on SQLite is started anew"
            ),
            Finding::Believed => tracing::info!("the clock of the store is believed again"),
            Finding::Corrected => tracing::info!(
                "the clock of the store has jumped forward to what the clock of this machine says, and is believed"
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
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn sight(wall: i64, newest: i64, ahead: i64) -> Sight {
        Sight {
            reading: Reading {
                wall,
                own: None,
                steady: 0,
            },
            newest,
            ahead,
            was_corrected: false,
        }
    }

    #[test]
    fn a_clock_that_goes_as_time_does_is_not_spoken_of() {
        let mut watch = Watch::default();
        for minute in 0..60 {
            let wall = HOUR + 60_000 * minute;
            // It is corrected by half a second, back and forth.
            let wall = wall + if minute % 2 == 0 { 500 } else { -500 };
            assert_eq!(watch.judge(sight(wall, wall + 900, 0)), None);
        }
    }

    #[test]
    fn each_jump_is_said_once() {
        let mut watch = Watch::default();
        assert_eq!(watch.judge(sight(0, 0, 0)), None);
        let ahead = watch.judge(sight(HOUR, 0, HOUR));
        assert_eq!(ahead, Some(Finding::Ahead(HOUR)));
        assert_eq!(watch.judge(sight(HOUR, 0, HOUR)), None);
        assert_eq!(watch.judge(sight(5, 0, 0)), Some(Finding::Believed));
        let back = watch.judge(sight(0, HOUR, 0));
        assert_eq!(back, Some(Finding::Behind(HOUR)));
        assert_eq!(watch.judge(sight(1, HOUR, 0)), None);
        let caught_up = watch.judge(sight(HOUR, HOUR, 0));
        assert_eq!(caught_up, Some(Finding::CaughtUp));
        assert_eq!(watch.judge(sight(HOUR, HOUR, 0)), None);
        let corrected = Sight {
            was_corrected: true,
            ..sight(2 * HOUR, HOUR, 0)
        };
        assert_eq!(watch.judge(corrected), Some(Finding::Corrected));
    }
}
