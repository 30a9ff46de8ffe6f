//! Compiling conflict handlers, and running them in a fresh instance for every call.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_conflict_handlers::Fault;
use driftless_conflict_handlers::answer::Answer;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Store};

use super::guest::Guest;
use super::translate;
use super::world::driftless::conflict::{clock, host, random, types};
use super::world::{GrantedHandler, GrantedHandlerPre};
use crate::config::Plugin;
pub use crate::wasm::Sandbox;
use crate::wasm::{Limits, run};

/// The version of the world this server speaks.
const ABI: u32 = 1;

/// A compiled component, ready to be instantiated.
pub(super) struct Loaded {
    instance: GrantedHandlerPre<Guest>,
    engine: Engine,
    name: Arc<str>,
    settings: Arc<BTreeMap<String, String>>,
    limits: Limits,
}

impl Loaded {
    /// Compiles a component and tries whether it is a conflict handler of a version we speak.
    pub(super) fn new(sandbox: &Sandbox, bytes: &[u8], plugin: &Plugin) -> Result<Loaded, String> {
        let component = sandbox.component(bytes)?;
        let mut linker = Linker::<Guest>::new(sandbox.engine());
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
            engine: sandbox.engine().clone(),
            name: plugin.path.display().to_string().into(),
            settings: Arc::new(plugin.settings.clone()),
            limits: Limits {
                time: plugin.time,
                memory: plugin.memory,
                output: plugin.output,
            },
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
            self.limits.memory,
        );
        guest.fields = fields;
        run(&self.engine, guest, self.limits, |store| {
            let handler = self.instance.instantiate(&mut *store)?;
            work(&handler, store)
        })
    }
}
