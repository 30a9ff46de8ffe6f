//! `driftless schema`: check a schema, print what is generated from it.

use std::path::PathBuf;

use driftless_resolvers::api::generate::generate;
use driftless_resolvers::api::{client_models, sdl};
use driftless_resolvers::identity::AuthMode;
use driftless_resolvers::schema::overrides::{ModelNames, Overrides};
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
        #[command(flatten)]
        api: ApiOptions,
    },
    /// The generated API as SDL
    Sdl {
        /// The schema
        schema: PathBuf,
        /// The conflict strategy; with `none` the API has no sync
        #[arg(long, value_enum, default_value_t = Conflict::Automerge)]
        conflict: Conflict,
        /// Also the directives that say who may call what
        #[arg(long)]
        directives: bool,
        #[command(flatten)]
        api: ApiOptions,
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
    /// The client's description of the models: what models/schema.js holds
    Models {
        /// The schema
        schema: PathBuf,
        /// In the form of amplify_outputs.json (data.model_introspection), with the hand-written operations
        #[arg(long)]
        introspection: bool,
        #[command(flatten)]
        names: Names,
    },
}

/// How the API is configured, as far as that changes what a schema means.
#[derive(Debug, clap::Args)]
struct ApiOptions {
    /// The configured ways to authenticate, the default one first; those the rules name, if not given
    #[arg(long, value_delimiter = ',', value_parser = auth_mode)]
    auth: Vec<AuthMode>,
    /// Open models without rules to API keys
    #[arg(long)]
    sandbox: bool,
    #[command(flatten)]
    names: Names,
}

/// Names that `[models]` in the configuration gives.
#[derive(Debug, clap::Args)]
struct Names {
    /// What several of a model are called, where that is not the transformer's plural
    #[arg(long = "plural", value_name = "MODEL=PLURAL", value_delimiter = ',', value_parser = plural)]
    plurals: Vec<(String, ModelNames)>,
}

impl Names {
    fn overrides(&self) -> Overrides {
        self.plurals.iter().cloned().collect()
    }
}

fn plural(text: &str) -> Result<(String, ModelNames), String> {
    let (model, plural) = text
        .split_once('=')
        .ok_or("write MODEL=PLURAL, such as Data=Datas")?;
    let names = ModelNames {
        plural: Some(plural.to_owned()),
        sync: None,
    };
    Ok((model.to_owned(), names))
}

impl ApiOptions {
    fn options(&self, unsynced: bool) -> Options {
        Options {
            modes: self.auth.clone(),
            sandbox: self.sandbox,
            unsynced,
            overrides: self.names.overrides(),
            ..Options::default()
        }
    }
}

fn auth_mode(name: &str) -> Result<AuthMode, String> {
    AuthMode::named(name).ok_or_else(|| {
        let names: Vec<&str> = AuthMode::ALL.into_iter().map(AuthMode::name).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// The conflict strategies, as far as they change the API: all but `none` give the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Conflict {
    /// Automerge
    Automerge,
    /// Optimistic concurrency
    Optimistic,
    /// A handler of the project's
    Custom,
    /// No conflict detection, and so no sync
    None,
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
            Action::Check {
                schema,
                format,
                api,
            } => check(schema, format, &api.options(false)),
            Action::Sdl {
                schema,
                conflict,
                directives,
                api,
            } => {
                let options = api.options(conflict == Conflict::None);
                let loaded = load(schema, &options)?;
                let types = generate(&loaded.schema);
                let text = if directives {
                    sdl::sdl_with_directives(&types)
                } else {
                    sdl::sdl(&types)
                };
                output::say(text.trim_end());
                Ok(())
            }
            Action::Diff { old, new, json } => {
                let options = Options::default();
                let (old, new) = (load(old, &options)?, load(new, &options)?);
                let changes = schema::changes(&old.schema, &new.schema);
                output::say(&if json {
                    diff::json(&changes).to_string()
                } else {
                    diff::text(&changes)
                });
                Ok(())
            }
            Action::Models {
                schema,
                introspection,
                names,
            } => {
                let options = Options {
                    overrides: names.overrides(),
                    ..Options::default()
                };
                let source = load(schema, &options)?.source.text;
                let models = if introspection {
                    client_models::model_introspection(&source, &options.overrides)
                } else {
                    client_models::client_models_with(&source, &options.overrides)
                };
                let models = models.ok_or_else(|| {
                    Failure::Wrong("error: the schema holds no models".to_owned())
                })?;
                output::say(&format!("{models:#}"));
                Ok(())
            }
        }
    }
}

fn load(path: PathBuf, options: &Options) -> Result<schema::Loaded, Failure> {
    schema::load(&SchemaSource::File(path), options).map_err(explain)
}

pub(super) fn explain(error: SchemaError) -> Failure {
    match error {
        SchemaError::Wrong { diagnostics, file } => Failure::Wrong(render(&diagnostics, &file)),
        error @ SchemaError::Unreadable { .. } => Failure::Wrong(format!("error: {error}")),
    }
}

fn check(path: PathBuf, format: Format, options: &Options) -> Result<(), Failure> {
    let (diagnostics, source, wrong) = match schema::load(&SchemaSource::File(path), options) {
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
