//! `driftless schema`: check a schema, print what is generated from it.

use std::path::PathBuf;

use driftless_resolvers::schema::{Diagnostic, Options, diagnostic};

use super::{Failure, diff, output};
use crate::config::SchemaSource;
use crate::schema::{self, SchemaError, Source};

#[derive(Debug, clap::Args)]
pub(super) struct SchemaCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Every problem at once: file, line, column, code and the way out; exit code 1 if there are errors
    Check {
        /// The schema, a file or a folder of files
        schema: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// The generated API as SDL
    Sdl {
        /// The schema
        schema: PathBuf,
    },
    /// What changes between two schemas, one row each: safe, to be confirmed or refused, and whether apps sync anew
    Diff {
        /// The former schema
        old: PathBuf,
        /// The schema to come
        new: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The client's model introspection: what models/schema.js holds
    Models {
        /// The schema
        schema: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl SchemaCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Check { schema, format } => check(schema, format),
            Action::Sdl { schema } => {
                let loaded = load(schema)?;
                let types = driftless_resolvers::api::generate::generate(&loaded.schema);
                output::say(driftless_resolvers::api::sdl::sdl(&types).trim_end());
                Ok(())
            }
            Action::Diff { old, new, json } => {
                let (old, new) = (load(old)?, load(new)?);
                let changes = schema::changes(&old.schema, &new.schema);
                output::say(&if json {
                    diff::json(&changes).to_string()
                } else {
                    diff::text(&changes)
                });
                Ok(())
            }
            Action::Models { schema } => {
                let loaded = load(schema)?;
                let models =
                    driftless_resolvers::api::client_models::client_models(&loaded.source.text);
                let models = models.ok_or_else(|| {
                    Failure::Wrong("error: the schema holds no models".to_owned())
                })?;
                output::say(&format!("{models:#}"));
                Ok(())
            }
        }
    }
}

fn load(path: PathBuf) -> Result<schema::Loaded, Failure> {
    schema::load(&SchemaSource::File(path), &Options::default()).map_err(explain)
}

pub(super) fn explain(error: SchemaError) -> Failure {
    match error {
        SchemaError::Wrong { diagnostics, file } => Failure::Wrong(render(&diagnostics, &file)),
        error @ SchemaError::Unreadable { .. } => Failure::Wrong(format!("error: {error}")),
    }
}

fn check(path: PathBuf, format: Format) -> Result<(), Failure> {
    let (diagnostics, source, wrong) =
        match schema::load(&SchemaSource::File(path), &Options::default()) {
            Ok(loaded) => (loaded.warnings, loaded.source, false),
            Err(SchemaError::Wrong { diagnostics, file }) => (diagnostics, *file, true),
            Err(error) => return Err(explain(error)),
        };
    match format {
        Format::Json => output::say(&diagnostic::to_json(&diagnostics, &source.name).to_string()),
        Format::Text if diagnostics.is_empty() => {
            output::say(&format!("{}: no problems", source.name));
        }
        Format::Text => output::complain(&render(&diagnostics, &source)),
    }
    if wrong {
        return Err(Failure::Wrong(String::new()));
    }
    Ok(())
}

/// Problems for people.
pub(super) fn render(diagnostics: &[Diagnostic], source: &Source) -> String {
    diagnostic::render(diagnostics, &source.name, &source.text)
}
