//! Conflict handlers as WebAssembly components: untrusted, limited, and taken anew when their file changes.
//!
//! * [`sandbox`] – compiling and running, by [`crate::wasm`]; `guest` – the little a component may ask for;
//! * `world`, `translate` – `wit/conflict.wit`, and what our conflicts look like there.

mod guest;
pub mod sandbox;
mod translate;
mod world;

use std::sync::Arc;
use std::time::Duration;

use driftless_conflict_handlers::answer::Form;
use driftless_conflict_handlers::{Conflict, External, Fault, Resolution};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::config::Plugin;
pub use crate::wasm::File;
use crate::wasm::Watched;
use sandbox::{Loaded, Sandbox};

/// How many calls of one plugin run at the same time: what bounds its memory.
const CALLS: usize = 16;

/// A plugin that decides conflicts.
pub struct WasmHandler {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    plugin: Plugin,
    loaded: Arc<Watched<Loaded>>,
    calls: Semaphore,
}

impl WasmHandler {
    /// Compiles the plugin's file, and takes it anew whenever it changes, for as long as the handler lives.
    pub async fn open(sandbox: &Sandbox, plugin: &Plugin) -> Result<WasmHandler, String> {
        let name = format!("plugin:{}", plugin.path.display());
        let open = {
            let (name, plugin, sandbox) = (name.clone(), plugin.clone(), sandbox.clone());
            move || {
                let path = plugin.path.clone();
                let make = move |bytes: &[u8]| Loaded::new(&sandbox, bytes, &plugin);
                Watched::open(&path, name, make)
            }
        };
        // Compiling takes a while and must not hold up anything else.
        let loaded = tokio::task::spawn_blocking(open).await;
        let inner = Arc::new(Inner {
            name,
            plugin: plugin.clone(),
            loaded: loaded.map_err(|error| error.to_string())??,
            calls: Semaphore::new(CALLS),
        });
        Ok(WasmHandler { inner })
    }

    /// What becomes of the plugin's file, from now on.
    #[must_use]
    pub fn files(&self) -> watch::Receiver<File> {
        self.inner.loaded.files()
    }
}

impl External for WasmHandler {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn resolve<'a>(
        &'a self,
        conflict: &'a Conflict<'a>,
        _patience: Duration,
    ) -> BoxFuture<'a, Result<Resolution, Fault>> {
        async move {
            let inner = &self.inner;
            let question = translate::question(conflict, inner.plugin.time)?;
            let fields = translate::fields(conflict);
            let _call = inner.calls.acquire().await;
            let loaded = inner.loaded.now();
            let answer = tokio::task::spawn_blocking(move || loaded.ask(&question, fields));
            let answer = answer
                .await
                .map_err(|error| Fault::Broken(error.to_string()))??;
            answer.resolution(conflict, Form::Component)
        }
        .boxed()
    }
}
