//! The harness as a program; exit code 1 means that the server was found wrong.

use std::process::ExitCode;

use clap::Parser as _;
use driftless_client_test_harness::cli::{Cli, run};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let fine = run(Cli::parse()).await?;
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
