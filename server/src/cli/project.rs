//! `.driftless/`: what the local cloud keeps in a project's folder.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::Value;

use crate::auth::api_key;
use crate::auth::token::issuer::DevelopmentIssuer;
use crate::config::ISSUER_KEY;
use crate::files;
use crate::tls::Authority;

const FOLDER: &str = ".driftless";

/// The folder, relative to where the command runs.
#[derive(Debug, Clone)]
pub(super) struct Project {
    folder: PathBuf,
}

impl Project {
    pub(super) fn here() -> Self {
        Project {
            folder: FOLDER.into(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder, and keeps it out of version control.
    pub(super) fn prepare(&self) -> Result<()> {
        let ignore = self.folder.join(".gitignore");
        if !ignore.exists() {
            files::write(&ignore, "*\n")?;
        }
        Ok(())
    }

    /// The API key; made by the first start, kept for ever.
    pub(super) fn key(&self) -> Result<String> {
        let path = self.folder.join("api-key");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(text.trim().to_owned());
        }
        let key = api_key::generate().map_err(|_| anyhow!("the system gives no random bytes"))?;
        self.prepare()?;
        files::write_private(&path, &format!("{key}\n"))?;
        Ok(key)
    }

    /// What the operator of the local cloud shows; made by the first start, kept for ever.
    pub(super) fn admin_secret(&self) -> Result<String> {
        let path = self.folder.join("admin-secret");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(text.trim().to_owned());
        }
        let secret =
            api_key::generate().map_err(|_| anyhow!("the system gives no random bytes"))?;
        self.prepare()?;
        files::write_private(&path, &format!("{secret}\n"))?;
        Ok(secret)
    }

    /// The issuer of the local cloud's tokens; its key is made by the first use.
    pub(super) fn issuer(&self) -> Result<DevelopmentIssuer> {
        self.prepare()?;
        DevelopmentIssuer::open(&self.folder.join(ISSUER_KEY))
    }

    pub(super) fn authority(&self) -> Authority {
        Authority::at(&self.folder.join("tls"))
    }

    fn running_file(&self) -> PathBuf {
        self.folder.join("running.json")
    }

    /// Leaves word for `status` that a server runs.
    pub(super) fn note_running(&self, line: &Value) -> Result<()> {
        files::write_private(&self.running_file(), &line.to_string())
    }

    pub(super) fn forget_running(&self) {
        let _ = std::fs::remove_file(self.running_file());
    }

    /// What the last server of this folder said about itself.
    pub(super) fn running(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.running_file()).ok()?;
        serde_json::from_str(&text).ok()
    }
}
