//! `cargo xtask test`: set-up, build, every test; tells how long the build and the tests took, each for itself.

use crate::checkout::Checkout;
use crate::{Done, say, setup};

/// Runs the whole workspace's tests; `args` are cargo test's own and go to both the build and the run.
pub(crate) fn run(here: &Checkout, args: &[String]) -> Done {
    setup::run(here)?;
    let clock = say::heading("build of the binary and the tests");
    // Tests of the command line start the binary itself.
    cargo(here, &["build".to_owned(), "-p".to_owned(), "collimate-cli".to_owned()])?;
    cargo(here, &words(args, true))?;
    let build = clock.elapsed();

    let clock = say::heading("tests");
    let outcome = cargo(here, &words(args, false));
    say::line(&format!("\nbuild {}, tests {}", say::seconds(build), say::seconds(clock.elapsed())));
    outcome
}

/// The arguments of cargo: the whole workspace unless packages are named.
fn words(args: &[String], no_run: bool) -> Vec<String> {
    let cut = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let (own, harness) = args.split_at(cut);
    let names_packages = own.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace");
    let mut words = vec!["test".to_owned(), "--no-fail-fast".to_owned()];
    if !names_packages {
        words.push("--workspace".to_owned());
    }
    words.extend(own.iter().cloned());
    if no_run {
        words.push("--no-run".to_owned());
    } else {
        words.extend(harness.iter().cloned());
    }
    words
}

fn cargo(here: &Checkout, words: &[String]) -> Done {
    let shown = format!("cargo {}", words.join(" "));
    let status = here.cargo().args(words).status().map_err(|e| format!("cannot run {shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed; its messages are above")) }
}

#[cfg(test)]
mod tests {
    use super::words;

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_whole_workspace_is_tested_unless_packages_are_named() {
        assert_eq!(words(&[], false), split("test --no-fail-fast --workspace"));
        assert_eq!(words(&split("-p collimate-text stop"), false), split("test --no-fail-fast -p collimate-text stop"));
    }

    #[test]
    fn the_build_gets_no_argument_of_the_harness() {
        let args = split("resume -- --nocapture");
        assert_eq!(words(&args, true), split("test --no-fail-fast --workspace resume --no-run"));
        assert_eq!(words(&args, false), split("test --no-fail-fast --workspace resume -- --nocapture"));
    }
}
