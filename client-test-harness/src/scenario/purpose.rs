//! Runs with a purpose: the situations in which sync services lose data, each on its own.

use anyhow::ensure;
use clap::ValueEnum;

use super::{
    Ending, Stage,
    mix::{Mix, Size, draw},
};
use crate::{family::Family, schema::Schema, trace::Trace};

/// A year in milliseconds.
const YEAR: u64 = 365 * 86_400_000;

/// How far the clocks of devices are ahead, one after the other, in milliseconds.
const CLOCKS: [i64; 5] = [-7_200_000, 7_200_000, -60_000, 45_000, 0];

/// One situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Everybody edits the same records at once; events alone must leave all copies equal (promised to `datastore`).
    Contention,
    /// Clients are spread over several nodes of one server; give `--endpoint` once for each.
    TwoNodes,
    /// Android devices whose clocks are up to two hours off ask for changes by them.
    DeviceClock,
    /// Whoever comes back says that it was away for a year, and must learn of every edit and every deletion.
    AwayForAYear,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Contention,
        Self::TwoNodes,
        Self::DeviceClock,
        Self::AwayForAYear,
    ];

    /// Sets the stage, or says what it lacks.
    pub fn prepare(self, stage: &mut Stage) -> anyhow::Result<()> {
        match self {
            Self::Contention => stage.ending = Ending::Live,
            Self::TwoNodes => ensure!(
                !stage.others.is_empty(),
                "two nodes are needed: give --endpoint twice"
            ),
            Self::DeviceClock | Self::AwayForAYear => {}
        }
        Ok(())
    }

    /// Draws a run; the same seed, size and schema give the same run.
    pub fn draw(self, seed: u64, size: Size, schema: &Schema) -> Trace {
        let (mix, families): (Mix, &[Family]) = match self {
            Self::Contention => (Mix::Hot, &[Family::Datastore]),
            Self::TwoNodes => (Mix::Mixed, &Family::ALL),
            Self::DeviceClock => (Mix::Offline, &[Family::Android]),
            Self::AwayForAYear => (Mix::Churn, &Family::ALL),
        };
        let mut trace = draw(seed, mix, size, schema, families);
        for (client, ahead) in trace.clients.iter_mut().zip(CLOCKS.into_iter().cycle()) {
            match self {
                Self::DeviceClock => client.clock_ahead = ahead,
                Self::AwayForAYear => client.away = YEAR,
                Self::Contention | Self::TwoNodes => {}
            }
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        clients: 4,
        steps: 5,
    };

    #[test]
    fn devices_with_wrong_clocks_have_different_ones() {
        let trace = Purpose::DeviceClock.draw(1, SIZE, &Schema::whitepaper());
        let clocks: Vec<i64> = trace
            .clients
            .iter()
            .map(|client| client.clock_ahead)
            .collect();
        assert_eq!(clocks, CLOCKS[..4]);
    }

    #[test]
    fn everybody_was_away_for_a_year() {
        let trace = Purpose::AwayForAYear.draw(1, SIZE, &Schema::whitepaper());
        assert!(trace.clients.iter().all(|client| client.away == YEAR));
    }
}
