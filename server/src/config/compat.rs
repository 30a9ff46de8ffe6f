//! Profiles: many switches by one word, laid under whatever else is configured.

use driftless_resolvers::engine::{MissingVersion, Published, RejectionData};
use driftless_resolvers::tombstone;
use serde::Deserialize;

use super::Config;
use crate::realtime::{EventLimit, Oversized};

/// Another service to be like, where a client could tell the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// AWS AppSync, also where it loses data (`errata.md` 2.15).
    AppSync,
}

impl Compat {
    /// Sets every switch to the service's side.
    pub fn apply(self, config: &mut Config) {
        match self {
            Compat::AppSync => appsync(config),
        }
    }
}

/// AppSync drops events of more than 240 KiB (`realtime.md` 2.4).
const LARGEST_EVENT: EventLimit = EventLimit {
    bytes: 240 * 1024,
    over: Oversized::Drop,
};

/// Deltas of 30 minutes that trust every clock, no repetition recognised, records in conflicts only, events as mutations
/// selected them, no frames beside live ones, 100 subscriptions, no large events, and refusals as they are.
fn appsync(config: &mut Config) {
    let engine = &mut config.engine;
    engine.delta_window = Some(30 * 60_000);
    engine.tombstone_ttl = Some(tombstone::DEFAULT_TTL);
    engine.own_clock_overlap = 0;
    engine.create_replay = false;
    engine.update_replay = false;
    engine.rejection_data = RejectionData::Conflicts;
    engine.published = Published::Selection;
    engine.revive = false;
    engine.hide_tombstones = false;
    engine.slow_loops = false;
    engine.missing_version = MissingVersion::Conflict;
    engine.same_writer = false;
    config.realtime.repairs = false;
    config.realtime.gentle_denials = false;
    config.realtime.event_limit = Some(LARGEST_EVENT);
    config.realtime.subscriptions = 100;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// A switch in `driftless.toml`: its section and key, our side, AppSync's side, and what a configuration says of it.
    struct Switch(
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        fn(&Config) -> String,
    );

    const SWITCHES: [Switch; 16] = [
        Switch("sync", "delta_ttl", "", "30", |config| {
            config
                .engine
                .delta_window
                .map_or_else(String::new, |window| (window / 60_000).to_string())
        }),
        Switch("sync", "own_clock_overlap", "180", "0", |config| {
            (config.engine.own_clock_overlap / 60_000).to_string()
        }),
        Switch("sync", "tombstone_ttl", "\"never\"", "43200", |config| {
            let minutes = config.engine.tombstone_ttl.map(|ttl| ttl / 60_000);
            minutes.map_or("\"never\"".to_owned(), |minutes| minutes.to_string())
        }),
        Switch("sync", "create_replay", "true", "false", |config| {
            config.engine.create_replay.to_string()
        }),
        Switch("sync", "update_replay", "true", "false", |config| {
            config.engine.update_replay.to_string()
        }),
        Switch(
            "sync",
            "rejection_data",
            "\"always\"",
            "\"conflicts\"",
            |config| {
                match config.engine.rejection_data {
                    RejectionData::Always => "\"always\"",
                    RejectionData::Conflicts => "\"conflicts\"",
                }
                .to_owned()
            },
        ),
        Switch("sync", "slow_loops", "true", "false", |config| {
            config.engine.slow_loops.to_string()
        }),
        Switch(
            "sync",
            "create_on_tombstone",
            "\"revive\"",
            "\"error\"",
            |config| {
                if config.engine.revive {
                    "\"revive\""
                } else {
                    "\"error\""
                }
                .to_owned()
            },
        ),
        Switch("sync", "hide_tombstones", "true", "false", |config| {
            config.engine.hide_tombstones.to_string()
        }),
        Switch(
            "sync",
            "missing_version",
            "\"latest\"",
            "\"conflict\"",
            |config| {
                match config.engine.missing_version {
                    MissingVersion::Latest => "\"latest\"",
                    MissingVersion::Conflict => "\"conflict\"",
                }
                .to_owned()
            },
        ),
        Switch("sync", "same_writer", "true", "false", |config| {
            config.engine.same_writer.to_string()
        }),
        Switch("realtime", "repairs", "true", "false", |config| {
            config.realtime.repairs.to_string()
        }),
        Switch(
            "realtime",
            "selection",
            "\"full_row\"",
            "\"mutation\"",
            |config| {
                match config.engine.published {
                    Published::FullRow => "\"full_row\"",
                    Published::Selection => "\"mutation\"",
                }
                .to_owned()
            },
        ),
        Switch(
            "realtime",
            "denial",
            "\"operation_disabled\"",
            "\"unauthorized\"",
            |config| {
                if config.realtime.gentle_denials {
                    "\"operation_disabled\""
                } else {
                    "\"unauthorized\""
                }
                .to_owned()
            },
        ),
        Switch("realtime", "event_limit", "0", "245760", |config| {
            config
                .realtime
                .event_limit
                .map_or(0, |limit| limit.bytes)
                .to_string()
        }),
        Switch("limits", "subscriptions", "1000", "100", |config| {
            config.realtime.subscriptions.to_string()
        }),
    ];

    /// Every switch that the page lists is walked; this one says nothing without another.
    #[test]
    fn every_documented_switch_is_one_of_the_profile() {
        let rows = include_str!("../../../docs/switches.md").lines();
        let keys: Vec<&str> = rows
            .filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0))
            .filter(|key| *key != "realtime.over_event_limit")
            .collect();
        assert!(keys.len() > 10, "{keys:?}");
        for key in keys {
            let walked = SWITCHES
                .iter()
                .any(|Switch(section, name, ..)| key == format!("{section}.{name}"));
            assert!(walked, "{key} is not walked");
        }
    }

    fn load(file: &str) -> Config {
        let loaded = config::tests::load(file, &[]);
        loaded.unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// What the page says is the default is what a server does that is told nothing, and so with AppSync's side.
    #[test]
    fn the_page_of_switches_names_the_defaults_and_the_sides_of_appsync() {
        let silent = load("");
        let page = include_str!("../../../docs/switches.md");
        for Switch(section, key, _, theirs, read) in SWITCHES {
            let name = format!("| `{section}.{key}` | ");
            let row = page.split(&name).nth(1);
            let mut cells = row.into_iter().flat_map(|row| row.split(" | "));
            let (values, appsync) = (cells.next(), cells.next());
            let bold = values.and_then(|values| values.split("**").nth(1));
            let default = bold.map(|bold| bold.trim_matches('`').replace("no limit", ""));
            assert_eq!(default, Some(read(&silent)), "{key}");
            assert_eq!(
                appsync.map(|it| it.trim_matches('`')),
                Some(theirs),
                "{key}"
            );
        }
    }

    /// `errata.md` 2.15: both positions of every switch can be named, the profile has AppSync's, and a switch beside it wins.
    #[test]
    fn every_switch_of_the_profile_can_be_set_either_way() {
        let profile = load("compat = \"appsync\"\n");
        let documented = include_str!("../../../docs/switches.md");
        for Switch(section, key, ours, theirs, read) in SWITCHES {
            assert_eq!(read(&profile), theirs, "{key} in the profile");
            for side in [ours, theirs].into_iter().filter(|side| !side.is_empty()) {
                let alone = load(&format!("[{section}]\n{key} = {side}\n"));
                assert_eq!(read(&alone), side, "{key} alone");
                let beside = format!("compat = \"appsync\"\n[{section}]\n{key} = {side}\n");
                assert_eq!(read(&load(&beside)), side, "{key} beside the profile");
            }
            assert!(
                documented.contains(&format!("`{section}.{key}`")),
                "{key} has no row"
            );
        }
    }
}
