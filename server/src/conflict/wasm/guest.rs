//! What surrounds a conflict handler while it runs: the little it may ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_resolvers::clock::{Clock, System};
use ring::rand::{SecureRandom, SystemRandom};

use super::world::driftless::conflict::{clock, host, random, types};
use crate::wasm::{Guarded, Log, Memory};

/// How many random bytes one request may have.
const RANDOM_BYTES: u32 = 1_024;

/// The state of one call.
pub(super) struct Guest {
    pub(super) settings: Arc<BTreeMap<String, String>>,
    pub(super) fields: Vec<types::FieldType>,
    memory: Memory,
    log: Log,
}

impl Guest {
    pub(super) fn new(
        name: Arc<str>,
        settings: Arc<BTreeMap<String, String>>,
        memory: usize,
    ) -> Self {
        Guest {
            settings,
            fields: Vec::new(),
            memory: Memory::of(memory),
            log: Log::of(name),
        }
    }
}

impl Guarded for Guest {
    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl types::Host for Guest {}

impl host::Host for Guest {
    fn log(&mut self, level: host::Level, message: String) {
        let level = match level {
            host::Level::Debug => tracing::Level::DEBUG,
            host::Level::Info => tracing::Level::INFO,
            host::Level::Warn => tracing::Level::WARN,
            host::Level::Error => tracing::Level::ERROR,
        };
        self.log.take(level, &message);
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
