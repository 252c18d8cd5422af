//! `cargo xtask faults` and `cargo xtask simulate`: build what they need, then become them.

use crate::checkout::Checkout;
use crate::{Done, say, setup};

/// The fault programme over the built binary; `args` are its own. Its lines go to standard output, one a row.
pub(crate) fn faults(here: &Checkout, args: &[String]) -> Done {
    setup::run(here)?;
    build(here, &["build", "-p", "collimate-cli"])?;
    let mut words = vec!["test", "-p", "collimate-tests", "--test", "faults", "--"];
    words.extend(args.iter().map(String::as_str));
    cargo(here, &words)
}

/// The seeded simulator; `args` are its own. It needs no LibTorch.
pub(crate) fn simulate(here: &Checkout, args: &[String]) -> Done {
    let mut words = vec!["run", "--quiet", "-p", "collimate-simulation", "--bin", "simulate", "--"];
    words.extend(args.iter().map(String::as_str));
    cargo(here, &words)
}

fn build(here: &Checkout, words: &[&str]) -> Done {
    let status = here.cargo().args(words).stdout(say::to_stderr()).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed; its messages are above", words.join(" "))) }
}

fn cargo(here: &Checkout, words: &[&str]) -> Done {
    let status = here.cargo().args(words).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed; what it found is above", words.join(" "))) }
}
