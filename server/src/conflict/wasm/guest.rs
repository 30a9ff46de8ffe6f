//! What surrounds a component while it runs: its limits, and the little it may ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_resolvers::clock::{Clock, System};
use ring::rand::{SecureRandom, SystemRandom};
use wasmtime::{ResourceLimiter, Result};

use super::world::driftless::conflict::{clock, host, random, types};

/// How many lines a call may log, and how long each may be; what is beyond is left out.
const LINES: usize = 64;
const LINE_BYTES: usize = 1_024;

/// How many random bytes one request may have.
const RANDOM_BYTES: u32 = 1_024;

/// How many entries all tables of a component may have together: functions that are called by reference.
const TABLE_ENTRIES: usize = 200_000;

/// The state of one call.
pub(super) struct Guest {
    pub(super) name: Arc<str>,
    pub(super) settings: Arc<BTreeMap<String, String>>,
    pub(super) fields: Vec<types::FieldType>,
    pub(super) memory: Memory,
    lines: usize,
}

/// The memory of one call, all of its instances together.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    used: usize,
    entries: usize,
    /// Whether more was wanted.
    pub(super) exceeded: bool,
}

impl Guest {
    pub(super) fn new(
        name: Arc<str>,
        settings: Arc<BTreeMap<String, String>>,
        memory: usize,
    ) -> Self {
        Guest {
            name,
            settings,
            fields: Vec::new(),
            memory: Memory {
                most: memory,
                used: 0,
                entries: 0,
                exceeded: false,
            },
            lines: 0,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let used = self.used + desired.saturating_sub(current);
        if used > self.most {
            self.exceeded = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let entries = self.entries + desired.saturating_sub(current);
        if entries > TABLE_ENTRIES {
            self.exceeded = true;
            return Ok(false);
        }
        self.entries = entries;
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

impl types::Host for Guest {}

impl host::Host for Guest {
    fn log(&mut self, level: host::Level, message: String) {
        self.lines += 1;
        if self.lines > LINES {
            return;
        }
        let plugin = &*self.name;
        let end = message.floor_char_boundary(LINE_BYTES);
        let message = &message[..end];
        match level {
            host::Level::Debug => tracing::debug!(plugin, "{message}"),
            host::Level::Info => tracing::info!(plugin, "{message}"),
            host::Level::Warn => tracing::warn!(plugin, "{message}"),
            host::Level::Error => tracing::error!(plugin, "{message}"),
        }
    }

    fn model_fields(&mut self) -> Vec<types::FieldType> {
        self.fields.clone()
    }

    fn config(&mut self, name: String) -> Option<String> {
        self.settings.get(&name).cloned()
    }
}

impl clock::Host for Guest {
    fn now_ms(&mut self) -> u64 {
        u64::try_from(System.now().0).unwrap_or_default()
    }
}

impl random::Host for Guest {
    fn bytes(&mut self, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length.min(RANDOM_BYTES) as usize];
        // Without a source of chance there are no bytes, rather than predictable ones.
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }
}
