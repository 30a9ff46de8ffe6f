//! What a component says, in the server's log.

use std::sync::Arc;

use tracing::Level;

/// How many lines a call may log, and how long each may be; what is beyond is left out.
const LINES: usize = 64;
const LINE_BYTES: usize = 1_024;

/// The log of one call.
pub(crate) struct Log {
    plugin: Arc<str>,
    lines: usize,
}

impl Log {
    /// The log of a component of this name.
    pub(crate) fn of(plugin: Arc<str>) -> Self {
        Log { plugin, lines: 0 }
    }

    /// Takes a line.
    pub(crate) fn take(&mut self, level: Level, message: &str) {
        self.lines += 1;
        if self.lines > LINES {
            return;
        }
        let plugin = &*self.plugin;
        let message = &message[..message.floor_char_boundary(LINE_BYTES)];
        match level {
            Level::ERROR => tracing::error!(plugin, "{message}"),
            Level::WARN => tracing::warn!(plugin, "{message}"),
            Level::INFO => tracing::info!(plugin, "{message}"),
            _ => tracing::debug!(plugin, "{message}"),
        }
    }
}
