//! `driftless auth list` and `auth disconnect`: who is connected to a running server, and ending it.

use std::path::PathBuf;

use serde_json::{Value, json};
use url::Url;

use super::{Failure, output, project::Project};
use crate::auth::documents::Web;
use crate::config;

/// Which server is asked, and by what right.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The server [default: the local cloud of this folder]
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// The file with the server's admin secret [default: DRIFTLESS_ADMIN_SECRET, else the local cloud's]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Disconnect {
    /// For example user_pool:ISSUER#SUB, or api_key:ID
    principal: String,
    #[command(flatten)]
    server: Server,
}

impl Server {
    /// Shows each principal that listens, and how many sockets it has.
    pub(super) async fn list(self) -> Result<(), Failure> {
        let answer = self.ask("principals", None).await?;
        for (principal, count) in answer["principals"].as_object().into_iter().flatten() {
            output::say(&format!("{count:>6}  {principal}"));
        }
        Ok(())
    }

    /// Whether the command line names a server.
    pub(super) fn is_named(&self) -> bool {
        self.server.is_some()
    }

    pub(super) async fn ask(&self, what: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let secret = self.secret()?;
        let answer = Web::new()?.admin(&self.base()?, what, &secret, body).await;
        answer.map_err(Failure::Wrong)
    }

    fn secret(&self) -> Result<String, Failure> {
        if let Some(path) = &self.secret_file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            return Ok(text.trim().to_owned());
        }
        if let Some(secret) = config::admin_secret() {
            return Ok(secret);
        }
        Ok(Project::here().admin_secret()?)
    }

    fn base(&self) -> Result<Url, Failure> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let running: Option<Value> = Project::here().running();
        let endpoint =
            running.and_then(|running| Url::parse(running["http_endpoint"].as_str()?).ok());
        endpoint.ok_or_else(|| {
            Failure::Wrong("no server runs in this folder; name one with --server URL".to_owned())
        })
    }
}

impl Disconnect {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = json!({ "principal": self.principal });
        let answer = self.server.ask("disconnect", Some(&body)).await?;
        output::say(&format!(
            "closed {} at this node; others of the same database close theirs within seconds",
            answer["closed"]
        ));
        output::say(
            "It may connect again while its credential is good: take its key or principal out of the\n\
             configuration, or list it under blocked in [auth], to keep it out.",
        );
        Ok(())
    }
}
