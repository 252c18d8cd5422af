//! `cargo xtask demo`: set-up, build, and the demo of the binary with the small real model.

use std::process::Command;

use crate::checkout::Checkout;
use crate::{Done, say, setup};

/// Builds `collimate` and becomes it: its standard output, exit code and signals are its own.
pub(crate) fn run(here: &Checkout, args: &[String]) -> Done {
    let ready = setup::run(here)?;
    say::line("demo: building collimate (the first build compiles LibTorch's shims, some minutes on two cores)");
    let status = here
        .cargo()
        .args(["build", "-p", "collimate-cli"])
        .stdout(say::to_stderr())
        .status()
        .map_err(|e| format!("cannot run cargo build: {e}"))?;
    if !status.success() {
        return Err("the build failed; its messages are above".to_owned());
    }
    let binary = here.target_dir()?.join("debug").join("collimate");
    let mut command = here.command(&binary);
    command.arg("demo").arg("--model").arg(&ready.model).args(args);
    become_it(command).map_err(|e| format!("cannot start {}: {e}", binary.display()))
}

/// Replaces this process: a signal reaches the run alone, which then saves and tells its own exit code.
#[cfg(unix)]
fn become_it(mut command: Command) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> std::io::Result<()> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1))
}
