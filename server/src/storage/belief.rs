//! Until when a store's clock can be believed (`sync-design.md` 10).
//!
//! Times in the log never go back: a clock that is ahead for a moment leaves a time behind that every later change gets,
//! until the clock comes there again. So a clock that gains on the time that passes is not followed. Changes get the time
//! that was believed last and what has passed since, until the clock is set right or somebody says that it is.
//!
//! Only a server that runs can tell: whatever a clock says when the first one starts is believed. On Postgres those that
//! run leave word for those that start meanwhile ([`Ruling`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_resolvers::clock::Clock;

/// How many milliseconds a clock may gain at once: clocks are corrected by less all the time.
pub(super) const GAIN: i64 = 60_000;

/// What clocks say at one moment, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The clock of the store.
    pub(super) wall: i64,
    /// The clock of this machine, if that is another one.
    pub(super) own: Option<i64>,
    /// The time by a clock that nobody sets.
    pub(super) steady: i64,
}

/// What the servers of a database have found out about its clock together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ruling {
    /// How far the clock is ahead of what is believed, in milliseconds; 0 if it is believed itself.
    pub(super) ahead: i64,
    /// How often it was found to be right after all.
    pub(super) pardons: i64,
}

/// What the other servers are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The clock is so far ahead, in milliseconds.
    Ahead(i64),
    /// It is right, or right again.
    Right,
}

/// The time by a clock that nobody sets, in milliseconds.
pub(super) fn steady(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.steady().as_millis()).unwrap_or(i64::MAX)
}

/// What one process believes.
pub(super) struct Belief(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the store's clock was believed last.
    last: Reading,
    /// How far it has been ahead since then; 0 while it is believed.
    ahead: i64,
    pardons: i64,
    /// The latest time that was told.
    told: i64,
}

impl Belief {
    /// Believes a clock, but for what others have found out.
    pub(super) fn new(reading: Reading, ruling: Ruling) -> Self {
        let mut state = State {
            last: reading,
            ahead: 0,
            pardons: 0,
            told: i64::MIN,
        };
        state.obey(reading, ruling);
        Belief(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a change that is made at this reading.
    pub(super) fn time(&self, reading: Reading) -> i64 {
        let mut state = self.state();
        state.weigh(reading);
        if state.ahead > 0 {
            state.counted(reading.steady)
        } else {
            reading.wall
        }
    }

    /// What the store's clock says by now, as far as it is believed and this process can tell. Two looks at a clock differ by
    /// what their answers took: time does not go back for that.
    pub(super) fn now(&self, steady: i64) -> i64 {
        let mut state = self.state();
        let counted = state.counted(steady);
        let went_back = state.told.saturating_sub(counted);
        if !(0..=GAIN).contains(&went_back) {
            state.told = counted;
        }
        state.told
    }

    /// The latest time that a change may have which is made at this moment, whatever the store's clock says then.
    pub(super) fn latest(&self, steady: i64) -> i64 {
        let state = self.state();
        let counted = state.counted(steady);
        if state.ahead > 0 {
            counted
        } else {
            counted.saturating_add(GAIN)
        }
    }

    /// Weighs what the clocks say, after what the other servers have found out; answers what they do not know yet.
    pub(super) fn look(&self, reading: Reading, ruling: Ruling) -> Option<Word> {
        let mut state = self.state();
        if ruling.pardons != state.pardons || (ruling.ahead > 0 && state.ahead == 0) {
            state.obey(reading, ruling);
        }
        let was_ahead = state.ahead > 0;
        let agreed = state.weigh(reading);
        match state.ahead {
            0 if was_ahead || agreed => Some(Word::Right),
            ahead if ahead > 0 && ruling.ahead == 0 => Some(Word::Ahead(ahead)),
            _ => None,
        }
    }

    /// Knows of a pardon that this process has given itself.
    pub(super) fn pardoned(&self, pardons: i64) {
        self.state().pardons = pardons;
    }

    /// How many milliseconds the store's clock is ahead of what is believed; 0 if it is believed itself.
    pub(super) fn ahead(&self) -> i64 {
        self.state().ahead
    }
}

impl State {
    /// What the store's clock would say if it had gone as time does.
    fn counted(&self, steady: i64) -> i64 {
        let passed = steady.saturating_sub(self.last.steady);
        self.last.wall.saturating_add(passed)
    }

    fn obey(&mut self, reading: Reading, ruling: Ruling) {
        self.last = Reading {
            wall: reading.wall.saturating_sub(ruling.ahead),
            own: self.own(reading),
            steady: reading.steady,
        };
        self.ahead = ruling.ahead;
        self.pardons = ruling.pardons;
    }

    /// Believes a reading or not; answers whether only the clock of this machine speaks for it.
    ///
    /// A clock that is far behind is no reason to count from it: it may be on its way back to where it was.
    fn weigh(&mut self, reading: Reading) -> bool {
        let ahead = reading.wall.saturating_sub(self.counted(reading.steady));
        let agreed = ahead > GAIN && self.agrees(reading);
        if ahead > GAIN && !agreed {
            self.ahead = ahead;
            return false;
        }
        if ahead >= -GAIN {
            self.last = Reading {
                own: self.own(reading),
                ..reading
            };
        }
        self.ahead = 0;
        agreed
    }

    /// Whether another clock, which was never set, says the same: then this one was wrong before.
    fn agrees(&self, reading: Reading) -> bool {
        let own = reading.own.filter(|own| self.own(reading) == Some(*own));
        own.is_some_and(|own| own.saturating_sub(reading.wall).abs() <= GAIN)
    }

    /// What the clock of this machine would say if it had gone as time does. Once it was set it bears no witness: both
    /// may follow one wrong source, one after the other.
    fn own(&self, reading: Reading) -> Option<i64> {
        let passed = reading.steady.saturating_sub(self.last.steady);
        let counted = self.last.own?.saturating_add(passed);
        let own = reading.own?;
        Some(if own.saturating_sub(counted).abs() <= GAIN {
            own
        } else {
            counted
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const HOUR: i64 = 3_600_000;
    /// What every clock says in the beginning.
    const NOON: i64 = 12 * HOUR;

    /// The store's clock set off by so much, so long after noon.
    fn alone(steady: i64, off: i64) -> Reading {
        Reading {
            wall: NOON + steady + off,
            own: None,
            steady,
        }
    }

    /// The same beside a machine whose own clock is set off too.
    fn beside(steady: i64, off: i64, own_off: i64) -> Reading {
        Reading {
            own: Some(NOON + steady + own_off),
            ..alone(steady, off)
        }
    }

    fn started(ruling: Ruling) -> Belief {
        Belief::new(beside(0, ruling.ahead, 0), ruling)
    }

    const FREE: Ruling = Ruling {
        ahead: 0,
        pardons: 0,
    };

    #[test]
    fn a_clock_that_goes_as_time_does_is_followed_and_so_are_its_corrections() {
        let belief = Belief::new(alone(0, 0), FREE);
        for (steady, off) in [
            (HOUR, 500),
            (2 * HOUR, -GAIN / 2),
            (3 * HOUR, 0),
            (1_000 * HOUR, GAIN),
        ] {
            let reading = alone(steady, off);
            assert_eq!(belief.time(reading), reading.wall, "{steady} {off}");
            assert_eq!(belief.latest(steady), reading.wall + GAIN);
            assert_eq!((belief.look(reading, FREE), belief.ahead()), (None, 0));
        }
    }

    #[test]
    fn what_a_look_takes_does_not_turn_time_back() {
        let belief = Belief::new(alone(0, 40), FREE);
        assert_eq!(belief.now(1_000), NOON + 1_040);
        belief.look(alone(1_000, 3), FREE);
        assert_eq!(belief.now(1_010), NOON + 1_040);
        assert_eq!(belief.now(1_050), NOON + 1_053);
    }

    #[test]
    fn a_clock_that_gains_is_not_followed_until_it_is_set_right() {
        let belief = Belief::new(alone(0, 0), FREE);
        for steady in [1_000, 2_000, HOUR] {
            assert_eq!(belief.time(alone(steady, 5 * HOUR)), NOON + steady);
            assert_eq!(belief.ahead(), 5 * HOUR);
            assert_eq!(belief.latest(steady), NOON + steady);
        }
        let right = alone(HOUR + 1, -700);
        assert_eq!((belief.time(right), belief.ahead()), (right.wall, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_may_come_forward_again_and_no_further() {
        let belief = Belief::new(alone(0, 0), FREE);
        let back = alone(1_000, -HOUR);
        assert_eq!(belief.time(back), back.wall);
        let again = alone(2_000, 0);
        assert_eq!(belief.time(again), again.wall);
        assert_eq!(belief.time(alone(3_000, HOUR)), NOON + 3_000);
    }

    #[test]
    fn the_latest_time_holds_before_anybody_has_looked() {
        let belief = started(FREE);
        assert_eq!(belief.latest(10_000), NOON + 10_000 + GAIN);
    }

    #[test]
    fn what_a_server_finds_out_is_told_until_the_others_know_it() {
        let belief = started(FREE);
        let ahead = Some(Word::Ahead(2 * HOUR));
        // The clock of the machine was set with the store's, as where both are one machine.
        assert_eq!(belief.look(beside(5_000, 2 * HOUR, 2 * HOUR), FREE), ahead);
        assert_eq!(belief.look(beside(9_000, 2 * HOUR, 2 * HOUR), FREE), ahead);
        let known = Ruling {
            ahead: 2 * HOUR,
            ..FREE
        };
        assert_eq!(belief.look(beside(10_000, 2 * HOUR, 0), known), None);
        assert_eq!(belief.look(beside(11_000, 3, 0), known), Some(Word::Right));
        let pardoned = Ruling { pardons: 1, ..FREE };
        assert_eq!(belief.look(beside(12_000, 3, 0), pardoned), None);
        assert_eq!(belief.latest(12_000), NOON + 12_000 + 3 + GAIN);
    }

    #[test]
    fn whoever_starts_or_saw_nothing_believes_those_who_did() {
        let known = Ruling {
            ahead: 2 * HOUR,
            pardons: 7,
        };
        let fresh = started(known);
        assert_eq!(
            (fresh.latest(1_000), fresh.ahead()),
            (NOON + 1_000, 2 * HOUR)
        );
        let blind = started(Ruling { ahead: 0, ..known });
        blind.look(beside(5_000, 2 * HOUR, 2 * HOUR), known);
        assert_eq!(
            (blind.latest(6_000), blind.ahead()),
            (NOON + 6_000, 2 * HOUR)
        );
    }

    #[test]
    fn a_clock_that_gains_again_is_doubted_again() {
        let belief = started(FREE);
        for pardons in 0..3 {
            let steady = HOUR * pardons;
            let free = Ruling { pardons, ..FREE };
            let told = belief.look(beside(steady, 2 * HOUR, 2 * HOUR), free);
            assert_eq!(told, Some(Word::Ahead(2 * HOUR)));
            let told = belief.look(beside(steady + 1, 0, 0), free);
            assert_eq!(told, Some(Word::Right));
            belief.pardoned(pardons + 1);
        }
    }

    #[test]
    fn a_pardon_is_obeyed_by_everybody() {
        let belief = started(FREE);
        let ahead = beside(5_000, 2 * HOUR, 2 * HOUR);
        belief.look(ahead, FREE);
        let pardoned = Ruling { pardons: 1, ..FREE };
        assert_eq!((belief.look(ahead, pardoned), belief.ahead()), (None, 0));
        assert_eq!(belief.latest(5_000), ahead.wall + GAIN);
    }

    #[test]
    fn two_clocks_against_one_are_right_unless_both_were_set() {
        // The database was two hours behind when this server started.
        let belief = Belief::new(beside(0, -2 * HOUR, 0), FREE);
        assert_eq!(belief.look(beside(5_000, 9, 0), FREE), Some(Word::Right));
        assert_eq!(belief.ahead(), 0);
        for (off, own_off) in [(3 * HOUR, 3 * HOUR), (3 * HOUR, 0), (3 * HOUR, -HOUR)] {
            let belief = started(FREE);
            let told = belief.look(beside(5_000, off, own_off), FREE);
            assert_eq!(told, Some(Word::Ahead(3 * HOUR)), "{own_off}");
        }
    }

    #[test]
    fn a_clock_that_was_set_first_bears_no_witness_for_the_other_one() {
        let belief = started(FREE);
        for steady in [1_000, 2_000, HOUR] {
            assert_eq!(belief.look(beside(steady, 0, 3 * HOUR), FREE), None);
        }
        let told = belief.look(beside(2 * HOUR, 3 * HOUR, 3 * HOUR), FREE);
        assert_eq!(told, Some(Word::Ahead(3 * HOUR)));
    }

    /// Where all servers were started anew while their database was not believed, a right clock speaks for it.
    #[test]
    fn a_server_whose_own_clock_says_the_same_ends_the_doubt_when_it_starts() {
        let known = Ruling {
            ahead: 2 * HOUR,
            pardons: 0,
        };
        let belief = Belief::new(beside(0, 0, 0), known);
        assert_eq!(belief.look(beside(10, 0, 0), known), Some(Word::Right));
        let other = Belief::new(beside(0, 2 * HOUR, 0), known);
        assert_eq!(other.look(beside(10, 2 * HOUR, 0), known), None);
        assert_eq!(other.ahead(), 2 * HOUR);
    }
}
