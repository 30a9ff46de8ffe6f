//! The memory of a call.

use wasmtime::{ResourceLimiter, Result};

/// How many entries all tables of a component may have together: functions that are called by reference.
const TABLE_ENTRIES: usize = 200_000;

/// The memory of one call, all of its instances together.
#[derive(Debug)]
pub(crate) struct Memory {
    most: usize,
    used: usize,
    entries: usize,
    /// Whether more was wanted.
    pub(super) exceeded: bool,
}

impl Memory {
    /// So many bytes at most.
    pub(crate) fn of(most: usize) -> Self {
        Memory {
            most,
            used: 0,
            entries: 0,
            exceeded: false,
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
