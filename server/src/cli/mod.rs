//! The commands. Exit codes: 0 fine, 1 the thing asked about is wrong, 2 usage.

mod auth;
mod check;
mod conflict;
mod connections;
mod dev;
mod diff;
mod health;
mod keys;
mod migrate;
mod output;
mod project;
mod schema;
mod serve;
mod status;
mod stop;
mod token;
mod trust;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A self-hosted sync backend that AWS Amplify DataStore clients use in place of AppSync.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a local cloud for a schema: database, certificate and API key included
    Dev(dev::Dev),
    /// Run the server in production: nothing generated, configured by driftless.toml, DRIFTLESS_* and flags
    Serve(serve::Serve),
    /// Check a schema, or print what is generated from it
    Schema(schema::SchemaCommand),
    /// Bring a database to a schema: prints the plan, removes nothing, goes on where it was stopped
    Migrate(migrate::Migrate),
    /// Show what conflicts came to and why, and decide them again by another strategy
    Conflict(conflict::ConflictCommand),
    /// Print the API key of the local cloud in this folder
    Keys(keys::Keys),
    /// Print a token of a user that the local cloud in this folder accepts
    Token(token::Token),
    /// Tell which rule decides; see who is connected to a running server, and disconnect a principal
    Auth(auth::AuthCommand),
    /// Make this machine and its clients trust the local certificate authority
    Trust(trust::Trust),
    /// Tell whether a server is ready: a probe for containers
    Health(health::Health),
    /// Check that records, log and indexes of a database tell one story
    Check(check::Check),
    /// Tell whether servers believe the clock of a database, or that they should
    Clock(check::Clock),
    /// Tell a database that an older copy of it was restored: clients then fetch everything anew
    Restored(check::Restored),
    /// Show the state of the local cloud of this folder
    Status(status::Status),
}

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The thing asked about is wrong; everything there is to say has been said, or is here.
    Wrong(String),
    /// The command makes no sense.
    Usage(String),
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Wrong(format!("{error:#}"))
    }
}

/// Runs a command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors and go to stdout.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Wrong(text)) => {
            output::complain(&text);
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            output::complain(&text);
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(dev) => asynchronous(dev.run()),
        Command::Serve(serve) => asynchronous(serve.run()),
        Command::Schema(schema) => schema.run(),
        Command::Migrate(migrate) => asynchronous(migrate.run()),
        Command::Conflict(conflict) => asynchronous(conflict.run()),
        Command::Keys(keys) => keys.run(),
        Command::Token(token) => token.run(),
        Command::Auth(auth) => asynchronous(auth.run()),
        Command::Trust(trust) => trust.run(),
        Command::Health(health) => health.run(),
        Command::Check(check) => asynchronous(check.run()),
        Command::Clock(clock) => asynchronous(clock.run()),
        Command::Restored(restored) => asynchronous(restored.run()),
        Command::Status(status) => status.run(),
    }
}

fn asynchronous(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
