//! Profiles: many switches by one word, laid under whatever else is configured.

use driftless_resolvers::engine::MissingVersion;
use serde::Deserialize;

use super::Config;

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

/// Deltas of 30 minutes, no repetition recognised, no frames beside live ones, 100 subscriptions.
fn appsync(config: &mut Config) {
    let engine = &mut config.engine;
    engine.delta_window = Some(30 * 60_000);
    engine.create_replay = false;
    engine.revive = false;
    engine.hide_tombstones = false;
    engine.slow_loops = false;
    engine.missing_version = MissingVersion::Conflict;
    engine.same_writer = false;
    config.realtime.repairs = false;
    config.realtime.subscriptions = 100;
}
