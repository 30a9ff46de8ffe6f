//! Compiling and running components: limits of time, memory and output, and a fresh instance for every call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_conflict_handlers::Fault;
use driftless_conflict_handlers::answer::Answer;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, OptLevel, Store, Trap};

use super::guest::Guest;
use super::translate;
use super::world::driftless::conflict::{clock, host, random, types};
use super::world::{GrantedHandler, GrantedHandlerPre};
use crate::config::Plugin;

/// How exactly time is measured.
const TICK: Duration = Duration::from_millis(5);

/// The version of the world this server speaks.
const ABI: u32 = 1;

/// What compiles and runs components: one for all plugins of a server.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
}

impl Sandbox {
    /// A sandbox and the clock that stops what runs too long; the clock ends with the last component.
    pub fn new() -> Result<Self, String> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        if cfg!(debug_assertions) {
            // A compiler that is not optimised itself would take minutes for a plugin that carries an engine.
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

    /// Compiles a component and tries whether it is a conflict handler of a version we speak.
    pub(super) fn load(&self, bytes: &[u8], plugin: &Plugin) -> Result<Loaded, String> {
        let component =
            Component::new(&self.engine, bytes).map_err(|error| not_a_component(bytes, &error))?;
        let mut linker = Linker::<Guest>::new(&self.engine);
        let world = |linker: &mut Linker<Guest>| -> wasmtime::Result<()> {
            types::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
            host::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
            if plugin.clock {
                clock::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
            }
            if plugin.random {
                random::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
            }
            Ok(())
        };
        world(&mut linker).map_err(|error| format!("{error:#}"))?;
        let instance = linker
            .instantiate_pre(&component)
            .map_err(|error| wants_more(&error))?;
        let instance = GrantedHandlerPre::new(instance).map_err(|error| {
            format!("it is no conflict handler of driftless:conflict@1.0.0: {error:#}")
        })?;
        let loaded = Loaded {
            instance,
            engine: self.engine.clone(),
            name: plugin.path.display().to_string().into(),
            settings: Arc::new(plugin.settings.clone()),
            time: plugin.time,
            memory: plugin.memory,
            output: plugin.output,
        };
        match loaded.run(Vec::new(), |handler, store| handler.call_init(store)) {
            Ok(Ok(ABI)) => Ok(loaded),
            Ok(Ok(other)) => Err(format!(
                "it was written for version {other} of driftless:conflict, this server speaks {ABI}"
            )),
            Ok(Err(reason)) => Err(format!("it says it cannot work: {reason}")),
            Err(fault) => Err(format!("its `init` cannot be run: {fault}")),
        }
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

/// A component that imports what was not granted.
fn wants_more(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    let grant = |interface: &str| text.contains(&format!("driftless:conflict/{interface}@"));
    if grant("clock") {
        "it wants to read the time: add grant = [\"clock\"] if it may".to_owned()
    } else if grant("random") {
        "it wants random numbers: add grant = [\"random\"] if it may".to_owned()
    } else {
        format!("it wants what no plugin is given: {text}")
    }
}

/// A compiled component, ready to be instantiated.
pub(super) struct Loaded {
    instance: GrantedHandlerPre<Guest>,
    engine: Engine,
    name: Arc<str>,
    settings: Arc<BTreeMap<String, String>>,
    time: Duration,
    memory: usize,
    output: usize,
}

impl Loaded {
    /// Asks the component in an instance of its own.
    pub(super) fn ask(
        &self,
        question: &types::Conflict,
        fields: Vec<types::FieldType>,
    ) -> Result<Answer, Fault> {
        let decision = self.run(fields, |handler, store| {
            handler.call_resolve(store, question)
        })?;
        translate::answer(decision.map_err(Fault::Broken)?)
    }

    fn run<T>(
        &self,
        fields: Vec<types::FieldType>,
        work: impl FnOnce(&GrantedHandler, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        let mut guest = Guest::new(
            Arc::clone(&self.name),
            Arc::clone(&self.settings),
            self.memory,
        );
        guest.fields = fields;
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(ticks(self.time));
        store.set_hostcall_fuel(self.output);
        let instance = self.instance.instantiate(&mut store);
        let answer = instance.and_then(|handler| work(&handler, &mut store));
        answer.map_err(|error| self.fault(&store, &error))
    }

    fn fault(&self, store: &Store<Guest>, error: &wasmtime::Error) -> Fault {
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) {
            Fault::TooSlow(self.time)
        } else if store.data().memory.exceeded {
            Fault::TooMuchMemory(self.memory)
        } else if error.root_cause().to_string().contains(TOO_MUCH_DATA) {
            Fault::TooMuchOutput(self.output)
        } else {
            Fault::Broken(error.root_cause().to_string())
        }
    }
}

/// The runtime's words for a component that hands over more than it may.
const TOO_MUCH_DATA: &str = "too much data";

/// Rounded up, and one more because the present tick has begun.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
}
