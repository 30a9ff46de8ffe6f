//! The `driftless` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftless::cli::main(std::env::args_os())
}
