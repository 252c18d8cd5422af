//! The `collimate` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    collimate_cli::run()
}
