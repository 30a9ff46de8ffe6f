//! `driftless keys`: the API key of the local cloud, and new ones for production.

use super::{Failure, output, project::Project};
use crate::auth::api_key;

#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// Make a key for a server in production: the key for clients, and its digest for the configuration
    #[arg(long)]
    new: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.new {
            return self.make();
        }
        let key = Project::here().key()?;
        if self.json {
            output::say(&serde_json::json!({ "api_key": key }).to_string());
        } else {
            output::say(&key);
        }
        Ok(())
    }

    /// Nothing is kept: whoever configures a server puts the digest there.
    fn make(&self) -> Result<(), Failure> {
        let made = api_key::generate().map_err(|_| "the system gives no random bytes");
        let key = made?;
        let digest = api_key::hash(&key);
        if self.json {
            output::say(&serde_json::json!({ "api_key": key, "sha256": digest }).to_string());
        } else {
            output::say(&format!("{key}\nkeys = [{{ sha256 = \"{digest}\" }}]"));
        }
        Ok(())
    }
}
