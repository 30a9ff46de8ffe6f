//! `driftless auth`: `explain` tells which rule decides what a caller may do; the rest is in [`super::connections`].

use std::path::PathBuf;
use std::sync::Arc;

use driftless_resolvers::authz::{Explanation, Question, Rules, explain};
use driftless_resolvers::identity::{IamIdentity, Identity, LambdaIdentity, TokenIdentity};
use driftless_resolvers::schema::Schema;
use driftless_resolvers::schema::model::{Model, ModelOperation};
use serde_json::{Map, Value, json};

use super::connections::{Disconnect, Server};
use super::token::claim;
use super::{Failure, output, project::Project, schema};
use crate::auth::token::Kind;
use crate::auth::token::issuer::{User, claims_of};
use crate::config::{Config, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct AuthCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Tell which rule decides, with its place in the schema, and why the others do not
    Explain(Explain),
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
    /// The stored record (for a create: the input) as JSON, or a file that holds it
    #[arg(long)]
    record: Option<String>,
    /// The schema; that of driftless.toml if not told
    #[arg(long)]
    schema: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Mode {
    /// A token of a user pool
    UserPool,
    /// A token of another issuer
    Oidc,
    /// An API key
    ApiKey,
    /// A signature of a signed-in user of an identity pool
    Authenticated,
    /// A signature of a guest of an identity pool
    Guest,
    /// Whatever the authorizer function accepts
    Lambda,
}

impl AuthCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Explain(explain) => explain.run(),
            Action::List(server) => server.list().await,
            Action::Disconnect(disconnect) => disconnect.run().await,
        }
    }
}

impl Explain {
    fn run(self) -> Result<(), Failure> {
        let project = Project::here();
        let flags = Flags {
            schema: self.schema.clone(),
            ..Flags::default()
        };
        let config = Config::development(project.folder())
            .load(&flags)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let loaded = crate::schema::load(&config.schema, &config.schema_options())
            .map_err(schema::explain)?;
        let record = self.record.as_deref().map(read_record).transpose()?;
        let (model, operation) = find(&loaded.schema, &self.operation)?;
        let rules = Rules::of(&loaded.schema, &config.engine.authz);
        let identity = self.identity(&config);
        let question = Question {
            model,
            operation,
            identity: &identity,
            record: record.as_ref(),
            input: None,
        };
        let explanation = explain(&loaded.schema, &rules, question);
        output::say(&if self.json {
            machine(&explanation, &loaded.source.name).to_string()
        } else {
            text(&explanation, &loaded.source.name)
        });
        Ok(())
    }

    fn identity(&self, config: &Config) -> Identity {
        let signer = |authenticated| {
            Identity::Iam(Arc::new(IamIdentity {
                identity_pool_id: Some("local:pool".to_owned()),
                authenticated: Some(authenticated),
                ..IamIdentity::default()
            }))
        };
        match self.mode {
            Mode::UserPool => Identity::UserPool(self.token(Kind::UserPool, config)),
            Mode::Oidc => Identity::Oidc(self.token(Kind::Oidc, config)),
            Mode::ApiKey => Identity::ApiKey { id: String::new() },
            Mode::Authenticated => signer(true),
            Mode::Guest => signer(false),
            Mode::Lambda => Identity::Lambda(Arc::new(LambdaIdentity::default())),
        }
    }

    /// What a token of the user would say.
    fn token(&self, kind: Kind, config: &Config) -> Arc<TokenIdentity> {
        let mut user = match config.auth.users.get(&self.user) {
            Some(user) => user.clone(),
            None => User {
                name: self.user.clone(),
                ..User::default()
            },
        };
        user.groups.extend(self.groups.iter().cloned());
        user.claims.extend(self.claims.iter().cloned());
        let claims = claims_of(kind, &user);
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        Arc::new(TokenIdentity {
            issuer: text("iss"),
            subject: text("sub"),
            claims,
        })
    }
}

/// A record on the command line, or in a file.
fn read_record(text: &str) -> Result<Map<String, Value>, Failure> {
    let usage = |reason: String| Failure::Usage(format!("error: --record: {reason}"));
    let json = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        std::fs::read_to_string(text)
            .map_err(|error| usage(format!("cannot read {text}: {error}")))?
    };
    serde_json::from_str(&json).map_err(|error| usage(format!("no JSON object: {error}")))
}

/// The model and the operation behind a field of the API.
fn find<'s>(schema: &'s Schema, field: &str) -> Result<(&'s Model, ModelOperation), Failure> {
    let found = schema.models.values().find_map(|model| {
        let operation = operation_of(model, field)?;
        Some((&**model, operation))
    });
    found.ok_or_else(|| {
        let names = schema
            .models
            .values()
            .filter_map(|model| model.operations.get.clone());
        let names: Vec<String> = names.take(3).collect();
        Failure::Usage(format!(
            "error: no model has the operation {field}; there are, for example, {}",
            names.join(", ")
        ))
    })
}

fn operation_of(model: &Model, field: &str) -> Option<ModelOperation> {
    let names = &model.operations;
    let is = |name: &Option<String>| name.as_deref() == Some(field);
    let listens = [&names.on_create, &names.on_update, &names.on_delete];
    let one = [
        (&names.get, ModelOperation::Get),
        (&names.list, ModelOperation::List),
        (&names.sync, ModelOperation::Sync),
        (&names.create, ModelOperation::Create),
        (&names.update, ModelOperation::Update),
        (&names.delete, ModelOperation::Delete),
    ];
    if let Some((_, operation)) = one.into_iter().find(|(name, _)| is(name)) {
        return Some(operation);
    }
    if listens
        .iter()
        .any(|names| names.iter().any(|name| name == field))
    {
        return Some(ModelOperation::Listen);
    }
    let indexed = model.indexes.iter().any(|index| is(&index.query_field));
    indexed.then_some(ModelOperation::List)
}

fn text(explanation: &Explanation, file: &str) -> String {
    let word = if explanation.allowed {
        "allowed"
    } else {
        "refused"
    };
    let mut lines = vec![format!("{word}: {}", explanation.summary)];
    for reason in &explanation.reasons {
        let place = reason.span.map_or_else(String::new, |span| {
            format!("{file}:{}:{}: ", span.line, span.column)
        });
        let sign = if reason.applies { "+" } else { "-" };
        let of = reason
            .field
            .as_ref()
            .map_or_else(String::new, |field| format!("field {field}: "));
        lines.push(format!("  {sign} {place}{of}{}", reason.text));
    }
    lines.join("\n")
}

fn machine(explanation: &Explanation, file: &str) -> Value {
    let reasons = explanation.reasons.iter().map(|reason| {
        json!({
            "file": file,
            "line": reason.span.map(|span| span.line),
            "column": reason.span.map(|span| span.column),
            "field": reason.field,
            "applies": reason.applies,
            "text": reason.text,
        })
    });
    json!({
        "allowed": explanation.allowed,
        "summary": explanation.summary,
        "reasons": reasons.collect::<Vec<_>>(),
    })
}
