//! An authorizer that is a WebAssembly component: `wit/authorizer/authorizer.wit`. What it says means what the same answer
//! of an HTTP service means ([`super::decision`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_resolvers::clock::{Clock, System};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Store};

use super::Authorizer;
use super::world::driftless::authorizer::{clock, host, types};
use super::world::{Decision, GrantedAuthorizer, GrantedAuthorizerPre, Request};
use crate::wasm::{Guarded, Limits, Log, Memory, Sandbox, Watched, run};

/// How many calls run at the same time: what bounds their memory.
const CALLS: usize = 16;
/// The version of the world this server speaks.
const ABI: u32 = 1;

/// A configured component.
#[derive(Clone, PartialEq, Eq)]
pub struct Component {
    /// The file.
    pub path: PathBuf,
    /// What [`host.config`](host::Host::config) tells it.
    pub settings: BTreeMap<String, String>,
    /// Whether it may read the time.
    pub clock: bool,
    /// The limits of a call.
    pub limits: Limits,
}

impl Component {
    /// The component in a file, with no settings and the usual limits.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Component {
            path: path.to_owned(),
            settings: BTreeMap::new(),
            clock: false,
            limits: Limits::default(),
        }
    }
}

/// An authorizer in a sandbox.
pub struct WasmAuthorizer {
    component: Arc<Watched<Loaded>>,
    calls: Semaphore,
}

/// A compiled component.
struct Loaded {
    instance: GrantedAuthorizerPre<Visitor>,
    engine: Engine,
    name: Arc<str>,
    settings: Arc<BTreeMap<String, String>>,
    limits: Limits,
}

/// The state of one call.
struct Visitor {
    settings: Arc<BTreeMap<String, String>>,
    log: Log,
    memory: Memory,
}

impl WasmAuthorizer {
    /// Compiles a component, and takes its file anew whenever it changes.
    pub fn open(component: &Component) -> anyhow::Result<Self> {
        let sandbox = Sandbox::new().map_err(anyhow::Error::msg)?;
        let name = component.path.display().to_string();
        let make = {
            let component = component.clone();
            move |bytes: &[u8]| Loaded::new(&sandbox, bytes, &component)
        };
        let watched = Watched::open(&component.path, format!("authorizer:{name}"), make);
        let watched =
            watched.map_err(|reason| anyhow::anyhow!("the authorizer {name}: {reason}"))?;
        Ok(WasmAuthorizer {
            component: watched,
            calls: Semaphore::new(CALLS),
        })
    }
}

impl Loaded {
    fn new(sandbox: &Sandbox, bytes: &[u8], component: &Component) -> Result<Loaded, String> {
        let compiled = sandbox.component(bytes)?;
        let mut linker = Linker::<Visitor>::new(sandbox.engine());
        let world = |linker: &mut Linker<Visitor>| -> wasmtime::Result<()> {
            types::add_to_linker::<_, HasSelf<Visitor>>(linker, |visitor| visitor)?;
            host::add_to_linker::<_, HasSelf<Visitor>>(linker, |visitor| visitor)?;
            if component.clock {
                clock::add_to_linker::<_, HasSelf<Visitor>>(linker, |visitor| visitor)?;
            }
            Ok(())
        };
        world(&mut linker).map_err(|error| format!("{error:#}"))?;
        let instance = linker
            .instantiate_pre(&compiled)
            .map_err(|error| wants_more(&error))?;
        let instance = GrantedAuthorizerPre::new(instance).map_err(|error| {
            format!("it is no authorizer of driftless:authorizer@1.0.0: {error:#}")
        })?;
        let loaded = Loaded {
            instance,
            engine: sandbox.engine().clone(),
            name: component.path.display().to_string().into(),
            settings: Arc::new(component.settings.clone()),
            limits: component.limits,
        };
        match loaded.run(|authorizer, store| authorizer.call_init(store)) {
            Ok(Ok(ABI)) => Ok(loaded),
            Ok(Ok(other)) => Err(format!(
                "it was written for version {other} of driftless:authorizer, this server speaks {ABI}"
            )),
            Ok(Err(reason)) => Err(format!("it says it cannot work: {reason}")),
            Err(reason) => Err(format!("its `init` cannot be run: {reason}")),
        }
    }

    fn run<T>(
        &self,
        call: impl FnOnce(&GrantedAuthorizer, &mut Store<Visitor>) -> wasmtime::Result<T>,
    ) -> Result<T, String> {
        let visitor = Visitor {
            settings: Arc::clone(&self.settings),
            log: Log::of(Arc::clone(&self.name)),
            memory: Memory::of(self.limits.memory),
        };
        let answer = run(&self.engine, visitor, self.limits, |store| {
            let authorizer = self.instance.instantiate(&mut *store)?;
            call(&authorizer, store)
        });
        answer.map_err(|fault| fault.to_string())
    }
}

/// A component that imports what was not granted.
fn wants_more(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    if text.contains("driftless:authorizer/clock@") {
        "it wants to read the time: add grant = [\"clock\"] if it may".to_owned()
    } else {
        format!("it wants what no authorizer is given: {text}")
    }
}

impl Authorizer for WasmAuthorizer {
    fn ask<'a>(&'a self, event: &'a Value) -> BoxFuture<'a, Result<Value, String>> {
        async move {
            let request = request(event);
            let _call = self.calls.acquire().await;
            let component = self.component.now();
            let answer = tokio::task::spawn_blocking(move || {
                component.run(|authorizer, store| authorizer.call_authorize(store, &request))
            });
            let decision = answer.await.map_err(|error| error.to_string())??;
            answered(&decision?)
        }
        .boxed()
    }
}

/// The event in the words of the component.
fn request(event: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let context = &event["requestContext"];
    let headers = event["requestHeaders"].as_object();
    Request {
        token: text(&event["authorizationToken"]),
        request_id: text(&context["requestId"]),
        query: text(&context["queryString"]),
        operation_name: context["operationName"].as_str().map(str::to_owned),
        variables: context["variables"].to_string(),
        headers: headers
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    }
}

/// The answer in the words of an HTTP service.
fn answered(decision: &Decision) -> Result<Value, String> {
    let context: Value = serde_json::from_str(&decision.resolver_context)
        .map_err(|error| format!("resolver-context: {error}"))?;
    Ok(json!({
        "isAuthorized": decision.is_authorized,
        "resolverContext": context,
        "deniedFields": decision.denied_fields,
        "ttlOverride": decision.ttl_override,
    }))
}

impl Guarded for Visitor {
    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl types::Host for Visitor {}

impl host::Host for Visitor {
    fn log(&mut self, level: host::Level, message: String) {
        let level = match level {
            host::Level::Debug => tracing::Level::DEBUG,
            host::Level::Info => tracing::Level::INFO,
            host::Level::Warn => tracing::Level::WARN,
            host::Level::Error => tracing::Level::ERROR,
        };
        self.log.take(level, &message);
    }

    fn config(&mut self, name: String) -> Option<String> {
        self.settings.get(&name).cloned()
    }
}

impl clock::Host for Visitor {
    fn now_ms(&mut self) -> u64 {
        u64::try_from(System.now().0).unwrap_or_default()
    }
}
