//! Running WebAssembly components that nobody trusts: an instance of its own for every call, with limits of time, memory
//! and output. What a component may ask for is the affair of whoever asks it ([`crate::conflict::wasm`],
//! [`crate::auth::lambda`]).

mod log;
mod memory;
mod watched;

use std::time::Duration;

use driftless_conflict_handlers::Fault;
use wasmtime::component::Component;
use wasmtime::{Config, Engine, OptLevel, Store, Trap};

pub(crate) use log::Log;
pub(crate) use memory::Memory;
pub use watched::File;
pub(crate) use watched::Watched;

/// How exactly time is measured.
const TICK: Duration = Duration::from_millis(5);

/// The runtime's words for a component that hands over more than it may.
const TOO_MUCH_DATA: &str = "too much data";

/// What compiles and runs components: one for all of a server's of one kind.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
}

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take.
    pub time: Duration,
    /// How much memory it may have, in bytes.
    pub memory: usize,
    /// How much it may hand over, in bytes.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: Duration::from_millis(250),
            memory: 64 << 20,
            output: 400 << 10,
        }
    }
}

/// The state of one call: it holds the memory that counts against the limit.
pub(crate) trait Guarded: 'static {
    fn memory(&mut self) -> &mut Memory;
}

impl Sandbox {
    /// A sandbox and the clock that stops what runs too long; the clock ends with the last component.
    pub fn new() -> Result<Self, String> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        if cfg!(debug_assertions) {
            // A development build compiles plugins more often than it calls them.
            config.cranelift_opt_level(OptLevel::None);
        }
        let engine = Engine::new(&config).map_err(|error| format!("{error:#}"))?;
        let clock = engine.weak();
        std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || {
                while let Some(engine) = clock.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|error| format!("cannot start the plugins' clock: {error}"))?;
        Ok(Sandbox { engine })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a component.
    pub(crate) fn component(&self, bytes: &[u8]) -> Result<Component, String> {
        Component::new(&self.engine, bytes).map_err(|error| not_a_component(bytes, &error))
    }
}

/// Runs a call within its limits.
pub(crate) fn run<S: Guarded, T>(
    engine: &Engine,
    state: S,
    limits: Limits,
    call: impl FnOnce(&mut Store<S>) -> wasmtime::Result<T>,
) -> Result<T, Fault> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state.memory());
    store.set_epoch_deadline(ticks(limits.time));
    store.set_hostcall_fuel(limits.output);
    let answer = call(&mut store);
    answer.map_err(|error| fault(&mut store, limits, &error))
}

fn fault<S: Guarded>(store: &mut Store<S>, limits: Limits, error: &wasmtime::Error) -> Fault {
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        Fault::TooSlow(limits.time)
    } else if store.data_mut().memory().exceeded {
        Fault::TooMuchMemory(limits.memory)
    } else if error.root_cause().to_string().contains(TOO_MUCH_DATA) {
        Fault::TooMuchOutput(limits.output)
    } else {
        Fault::Broken(error.root_cause().to_string())
    }
}

/// A core module, a text file and a broken file each want another advice.
fn not_a_component(bytes: &[u8], error: &wasmtime::Error) -> String {
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if bytes.starts_with(CORE_MODULE) {
        "it is a core module, not a component; make one of it with `wasm-tools component new` or \
         `jco new`"
            .to_owned()
    } else {
        format!("it is no WebAssembly component: {error:#}")
    }
}

/// Rounded up, and one more because the present tick has begun.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
}
