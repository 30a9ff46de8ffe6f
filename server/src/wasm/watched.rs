//! A component's file, taken anew when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// How often a component's file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What was made of a file: of its newest good state.
pub(crate) struct Watched<T> {
    current: RwLock<Arc<T>>,
    files: watch::Sender<File>,
}

/// What became of a component's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// It is the one that was opened.
    Opened,
    /// It was changed and decides now.
    Taken,
    /// It was changed and cannot be used.
    Refused,
}

fn made<T>(path: &Path, make: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    make(&bytes)
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Makes something of a file now, and from then on whenever it changes, for as long as this lives. `name` is for the
    /// log. It compiles, so that it blocks; inside of a runtime, which it leaves a task to.
    pub(crate) fn open(
        path: &Path,
        name: String,
        make: impl Fn(&[u8]) -> Result<T, String> + Clone + Send + Sync + 'static,
    ) -> Result<Arc<Watched<T>>, String> {
        let stamp = Stamp::of(path);
        let watched = Arc::new(Watched {
            current: RwLock::new(Arc::new(made(path, &make)?)),
            files: watch::Sender::new(File::Opened),
        });
        let followed = Arc::downgrade(&watched);
        tokio::spawn(follow(followed, path.to_owned(), stamp, name, make));
        Ok(watched)
    }

    /// What becomes of the file, from now on.
    pub(crate) fn files(&self) -> watch::Receiver<File> {
        self.files.subscribe()
    }

    /// What is made of it now.
    pub(crate) fn now(&self) -> Arc<T> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
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
async fn follow<T: Send + Sync + 'static>(
    watched: Weak<Watched<T>>,
    path: PathBuf,
    mut taken: Stamp,
    plugin: String,
    make: impl Fn(&[u8]) -> Result<T, String> + Clone + Send + Sync + 'static,
) {
    let mut seen = taken;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(watched) = watched.upgrade() else {
            return;
        };
        let now = Stamp::of(&path);
        let settled = now == seen;
        seen = now;
        if now == taken || !settled || now.0.is_none() {
            continue;
        }
        taken = now;
        let (file, work) = (path.clone(), make.clone());
        let work = tokio::task::spawn_blocking(move || made(&file, work));
        match work.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(made) => {
                let mut current = watched
                    .current
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(made);
                drop(current);
                watched.files.send_replace(File::Taken);
                tracing::info!(plugin, "the changed plugin decides from now on");
            }
            Err(reason) => {
                watched.files.send_replace(File::Refused);
                tracing::error!(
                    plugin,
                    reason,
                    "the changed plugin cannot be used; the former one decides on"
                );
            }
        }
    }
}
