//! Small files the server keeps: written whole, secrets readable by their owner only.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file that anybody may read.
pub fn write(path: &Path, text: &str) -> Result<()> {
    replace(path, text, 0o644)
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    replace(path, text, 0o600)
}

/// Writes beside the target and renames, so that a reader never sees half a file.
fn replace(path: &Path, text: &str, mode: u32) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = Path::new(&name);
        // Left over from a crash of an earlier process with this id; its mode may be another.
        let _ = std::fs::remove_file(beside);
        let mut file = options(mode).open(beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
fn options(mode: u32) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options
}

#[cfg(not(unix))]
fn options(_mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}
