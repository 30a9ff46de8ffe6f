//! Conflict handlers as WebAssembly components: untrusted, limited, and taken anew when their file changes.
//!
//! * [`sandbox`] – compiling and running; `guest` – limits and the little a component may ask for;
//! * `world`, `translate` – `wit/conflict.wit`, and what our conflicts look like there.

mod guest;
pub mod sandbox;
mod translate;
mod world;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use driftless_conflict_handlers::answer::Form;
use driftless_conflict_handlers::{Conflict, External, Fault, Resolution};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::config::Plugin;
use sandbox::{Loaded, Sandbox};

/// How many calls of one plugin run at the same time: what bounds its memory.
const CALLS: usize = 16;

/// How often a plugin's file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A plugin that decides conflicts.
pub struct WasmHandler {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    plugin: Plugin,
    sandbox: Sandbox,
    loaded: RwLock<Arc<Loaded>>,
    calls: Semaphore,
    files: watch::Sender<File>,
}

/// What became of a plugin's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// It is the one the handler was opened with.
    Opened,
    /// It was changed and decides now.
    Taken,
    /// It was changed and cannot be used.
    Refused,
}

impl WasmHandler {
    /// Compiles the plugin's file, and takes it anew whenever it changes, for as long as the handler lives.
    pub async fn open(sandbox: &Sandbox, plugin: &Plugin) -> Result<WasmHandler, String> {
        let stamp = Stamp::of(&plugin.path);
        let loaded = compile(sandbox.clone(), plugin.clone()).await?;
        let inner = Arc::new(Inner {
            name: format!("plugin:{}", plugin.path.display()),
            plugin: plugin.clone(),
            sandbox: sandbox.clone(),
            loaded: RwLock::new(Arc::new(loaded)),
            calls: Semaphore::new(CALLS),
            files: watch::Sender::new(File::Opened),
        });
        tokio::spawn(follow(Arc::downgrade(&inner), stamp));
        Ok(WasmHandler { inner })
    }

    /// What becomes of the plugin's file, from now on.
    #[must_use]
    pub fn files(&self) -> watch::Receiver<File> {
        self.inner.files.subscribe()
    }
}

/// Compiling takes a while and must not hold up anything else.
async fn compile(sandbox: Sandbox, plugin: Plugin) -> Result<Loaded, String> {
    let work = tokio::task::spawn_blocking(move || {
        let bytes =
            std::fs::read(&plugin.path).map_err(|error| format!("cannot be read: {error}"))?;
        sandbox.load(&bytes, &plugin)
    });
    work.await.map_err(|error| error.to_string())?
}

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Stamp {
        let metadata = std::fs::metadata(path).ok();
        Stamp(metadata.and_then(|file| Some((file.modified().ok()?, file.len()))))
    }
}

/// Takes a changed file when nobody writes to it any more. One that is wrong changes nothing.
async fn follow(handler: Weak<Inner>, mut taken: Stamp) {
    let mut seen = taken;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(inner) = handler.upgrade() else {
            return;
        };
        let now = Stamp::of(&inner.plugin.path);
        let settled = now == seen;
        seen = now;
        if now == taken || !settled || now.0.is_none() {
            continue;
        }
        taken = now;
        let plugin = &inner.name;
        match compile(inner.sandbox.clone(), inner.plugin.clone()).await {
            Ok(loaded) => {
                let mut current = inner.loaded.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(loaded);
                drop(current);
                inner.files.send_replace(File::Taken);
                tracing::info!(plugin, "the changed plugin decides from now on");
            }
            Err(reason) => {
                inner.files.send_replace(File::Refused);
                tracing::error!(
                    plugin,
                    reason,
                    "the changed plugin cannot be used; the former one decides on"
                );
            }
        }
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
            let loaded = {
                let current = inner.loaded.read().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(&current)
            };
            let answer = tokio::task::spawn_blocking(move || loaded.ask(&question, fields));
            let answer = answer
                .await
                .map_err(|error| Fault::Broken(error.to_string()))??;
            answer.resolution(conflict, Form::Component)
        }
        .boxed()
    }
}
