//! Tells when a schema's file changes.

use std::path::Path;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::output;

/// Editors write a file in several steps; so long nothing must happen before it is read.
const QUIET: Duration = Duration::from_millis(60);

/// Watches a file, or a folder of files.
pub(super) struct Watch {
    changes: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Starts watching; without the system's help there is only a word about it.
    pub(super) fn start(schema: &Path) -> Option<Watch> {
        match Watch::try_start(schema) {
            Ok(watch) => Some(watch),
            Err(error) => {
                output::complain(&format!("{} is not watched: {error}", schema.display()));
                None
            }
        }
    }

    /// The folder is watched, because editors replace files rather than write into them.
    fn try_start(schema: &Path) -> Result<Watch, notify::Error> {
        let schema = std::path::absolute(schema).map_err(notify::Error::io)?;
        let folder = match schema.parent() {
            Some(parent) if !schema.is_dir() => parent.to_owned(),
            _ => schema.clone(),
        };
        let (sender, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, _>| {
            let concerns_us = event.is_ok_and(|event| {
                !event.kind.is_access() && event.paths.iter().any(|path| path.starts_with(&schema))
            });
            if concerns_us {
                // A full channel already tells of a change.
                let _ = sender.try_send(());
            }
        })?;
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(Watch {
            changes,
            _watcher: watcher,
        })
    }

    /// Waits for a change, and until nothing changes any more.
    pub(super) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
    }
}
