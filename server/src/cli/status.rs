//! `driftless status`: is the local cloud of this folder running, and how.

use serde_json::{Value, json};

use super::{Failure, health, output, project::Project};

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Some(running) = Project::here().running() else {
            return Err(not_running());
        };
        let text = |name: &str| running[name].as_str().unwrap_or_default().to_owned();
        let probe = text("http_endpoint").replace("/graphql", "/readyz");
        let Ok((status, body)) = health::get(&probe) else {
            return Err(not_running());
        };
        let state: Value = serde_json::from_str(&body).unwrap_or_default();
        if self.json {
            let ready = status == 200;
            output::say(&json!({"server": running, "ready": ready, "state": state}).to_string());
        } else {
            let parts = &state["parts"];
            let word = if status == 200 { "ready" } else { "not ready" };
            output::say(&format!(
                "  {word}     store: {}, traffic: {}, process {}\n  GraphQL   {}\n  realtime  {}\n  schema    {}\n  store     {}\n  API key   {}",
                parts["store"].as_str().unwrap_or("?"),
                parts["traffic"].as_str().unwrap_or("?"),
                running["pid"],
                text("endpoint"),
                text("realtime"),
                text("schema"),
                text("database"),
                text("api_key"),
            ));
            let clock = parts["clock"].as_str().unwrap_or("ok");
            if clock != "ok" {
                output::say(&format!(
                    "  clock     {clock}: set it right, or start the server anew if it is right"
                ));
            }
        }
        if status == 200 {
            return Ok(());
        }
        Err(Failure::Wrong(String::new()))
    }
}

fn not_running() -> Failure {
    Failure::Wrong("no server runs in this folder; start one with: driftless dev".to_owned())
}
