//! `driftless auth`: `explain` tells which rule decides what a caller may do; the rest is in [`super::connections`].

use std::path::PathBuf;

use driftless_resolvers::Fields;
use driftless_resolvers::authz::Rules;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connections::{Disconnect, Server};
use super::token::claim;
use super::{Failure, output, project::Project, schema};
use crate::auth::inquiry::{self, Inquiry, Mode, Subject};
use crate::config::{Config, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct AuthCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Tell which rule decides, with its place in the schema, and why the others do not
    Explain(Box<Explain>),
    /// Who listens now: each principal and how many sockets it has
    List(Server),
    /// Close the sockets of a principal, by the name that `list` and the log show
    Disconnect(Disconnect),
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// The caller's name; groups and claims of [auth.users.NAME] in driftless.toml are taken too
    #[arg(long, default_value = "")]
    user: String,
    /// A group the user is in; several are allowed
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A further claim; the value is JSON, or else a text
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    /// How the caller proves who it is
    #[arg(long, value_enum, default_value_t = Mode::UserPool)]
    mode: Mode,
    /// A field of the API: getNote, listNotes, syncNotes, createNote, updateNote, deleteNote, onCreateNote
    #[arg(long)]
    operation: String,
    /// The record: its id (or the list of its key's values), which the running server looks up; or its document as JSON
    /// or in a file
    #[arg(long, value_name = "ID|JSON|FILE")]
    record: Option<String>,
    /// What a create or an update sends, as JSON or in a file
    #[arg(long, value_name = "JSON|FILE")]
    input: Option<String>,
    /// The schema; that of driftless.toml if not told
    #[arg(long)]
    schema: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl AuthCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Explain(explain) => explain.run().await,
            Action::List(server) => server.list().await,
            Action::Disconnect(disconnect) => disconnect.run().await,
        }
    }
}

impl Explain {
    /// Asks the server about stored records, or if it is named; otherwise the schema tells everything.
    async fn run(self) -> Result<(), Failure> {
        let flags = Flags {
            schema: self.schema.clone(),
            ..Flags::default()
        };
        let config = Config::development(Project::here().folder())
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let inquiry = self.inquiry(&config)?;
        let is_stored = matches!(inquiry.record, Some(Subject::Id(_) | Subject::Key(_)));
        let (explanation, file) = if is_stored || self.server.is_named() {
            let body = serde_json::to_value(&inquiry).unwrap_or_default();
            let answer = self.server.ask("explain", Some(&body)).await?;
            (answer, "schema".to_owned())
        } else {
            let loaded = crate::schema::load(&config.schema, &config.schema_options())
                .map_err(schema::explain)?;
            let rules = Rules::of(&loaded.schema, &config.engine.authz);
            let explanation = inquiry
                .explain(&loaded.schema, &rules, None)
                .map_err(usage)?;
            (inquiry::machine(&explanation), loaded.source.name)
        };
        output::say(&if self.json {
            explanation.to_string()
        } else {
            inquiry::text(&explanation, &file)
        });
        Ok(())
    }

    fn inquiry(&self, config: &Config) -> Result<Inquiry, Failure> {
        let known = config.auth.users.get(&self.user);
        let known = known.cloned().unwrap_or_default();
        let mut inquiry = Inquiry {
            mode: self.mode,
            user: self.user.clone(),
            sub: known.subject,
            groups: known.groups,
            claims: known.claims,
            operation: self.operation.clone(),
            record: self.record.as_deref().map(subject).transpose()?,
            input: None,
        };
        inquiry.groups.extend(self.groups.iter().cloned());
        inquiry.claims.extend(self.claims.iter().cloned());
        if let Some(text) = &self.input {
            inquiry.input = Some(document("--input", text)?);
        }
        Ok(inquiry)
    }
}

fn usage(reason: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("error: {reason}"))
}

/// A document on the command line or in a file, the values of a key, or else an id.
fn subject(text: &str) -> Result<Subject, Failure> {
    match text.trim_start().chars().next() {
        Some('[') => parsed("--record", text).map(Subject::Key),
        Some('{') => document("--record", text).map(Subject::Document),
        _ if std::path::Path::new(text).is_file() => {
            document("--record", text).map(Subject::Document)
        }
        _ => Ok(Subject::Id(text.into())),
    }
}

/// JSON on the command line, or in a file.
fn document(option: &str, text: &str) -> Result<Fields, Failure> {
    if text.trim_start().starts_with('{') {
        return parsed(option, text);
    }
    let json = std::fs::read_to_string(text)
        .map_err(|error| usage(format!("{option}: cannot read {text}: {error}")))?;
    parsed(option, &json)
}

fn parsed<T: DeserializeOwned>(option: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| usage(format!("{option}: not that JSON: {error}")))
}
