//! `driftless keys`: the API key of the local cloud.

use super::{Failure, output, project::Project};

#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let key = Project::here().key()?;
        if self.json {
            output::say(&serde_json::json!({ "api_key": key }).to_string());
        } else {
            output::say(&key);
        }
        Ok(())
    }
}
