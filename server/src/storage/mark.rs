//! A mark beside a SQLite file: how far its log had come. If the file is older than its mark, a copy was put back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::epoch::{self, Mark};

/// How often the mark is brought up to date.
const PERIOD: Duration = Duration::from_secs(1);

/// The mark of a file.
pub(super) struct Marker {
    path: PathBuf,
    engine: Arc<Engine>,
}

impl Marker {
    pub(super) fn new(path: PathBuf, engine: Arc<Engine>) -> Self {
        Marker { path, engine }
    }

    /// Starts a new epoch if the file is older than its mark.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let Some(marks) = self.read() else {
            return Ok(());
        };
        if epoch::is_lost(&self.engine, &marks).await? {
            let known = epoch::current(&self.engine).await?;
            epoch::renew(&self.engine, known, &marks, None).await?;
            tracing::warn!(
                "the database file is older than it was, so writes are missing that clients have seen: a new epoch has \
                 begun, every client fetches everything at its next sync"
            );
        }
        self.write().await.map(drop)
    }

    /// Keeps the mark, for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut kept = Vec::new();
        let mut failing = false;
        loop {
            tokio::time::sleep(PERIOD).await;
            let renewed = self.renewed(&kept).await;
            match (&renewed, failing) {
                (Err(error), false) => {
                    tracing::warn!(error = format!("{error:#}"), "the mark cannot be kept");
                }
                (Ok(_), true) => tracing::info!("the mark is kept again"),
                _ => {}
            }
            failing = renewed.is_err();
            kept = renewed.unwrap_or(kept);
        }
    }

    async fn renewed(&self, kept: &[Mark]) -> anyhow::Result<Vec<Mark>> {
        let marks = epoch::heads(&self.engine).await?;
        if marks != kept {
            self.store(&marks)?;
        }
        Ok(marks)
    }

    /// Writes the mark as the log is now.
    pub(super) async fn write(&self) -> anyhow::Result<()> {
        self.store(&epoch::heads(&self.engine).await?)
    }

    fn store(&self, marks: &[Mark]) -> anyhow::Result<()> {
        let lines: String = marks
            .iter()
            .map(|mark| {
                let Mark {
                    shard,
                    seq,
                    changed,
                    offset,
                    ..
                } = mark;
                format!("{shard} {seq} {changed} {offset}\n")
            })
            .collect();
        crate::files::write(&self.path, &lines)
    }

    /// What makes no sense is no mark. Earlier servers wrote no offset.
    fn read(&self) -> Option<Vec<Mark>> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let mark = |line: &str| {
            let numbers: Result<Vec<i64>, _> = line.split(' ').map(str::parse).collect();
            let (shard, seq, changed, offset) = match numbers.ok()?[..] {
                [shard, seq, changed] => (shard, seq, changed, 0),
                [shard, seq, changed, offset] => (shard, seq, changed, offset),
                _ => return None,
            };
            Some(Mark {
                shard,
                seq,
                changed,
                offset,
                shown: 0,
            })
        };
        text.lines().map(mark).collect()
    }
}
