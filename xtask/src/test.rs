//! `cargo xtask test`: set-up, build, every test; tells how long the build and the tests took, each for itself.

use crate::checkout::Checkout;
use crate::{Done, say, setup};

/// Runs the tests; `args` are cargo test's own. Without named packages the whole workspace is tested.
pub(crate) fn run(here: &Checkout, args: &[String]) -> Done {
    setup::run(here)?;
    let clock = say::heading("build of the binary and the tests");
    cargo(here, &build_words(args))?;
    let build = clock.elapsed();

    let clock = say::heading("tests");
    let outcome = cargo(here, &test_words(args));
    say::line(&format!("\nbuild {}, tests {}", say::seconds(build), say::seconds(clock.elapsed())));
    outcome
}

fn test_words(args: &[String]) -> Vec<String> {
    let mut words = vec!["test".to_owned(), "--no-fail-fast".to_owned()];
    if !names_packages(args) {
        words.push("--workspace".to_owned());
    }
    words.extend(args.iter().cloned());
    words
}

/// One command builds the tests and the binary that tests of the command line start: apart they would get different
/// features of shared crates, and half of the tree would be compiled twice.
fn build_words(args: &[String]) -> Vec<String> {
    if !names_packages(args) {
        return ["build", "--workspace", "--bins", "--tests"].map(str::to_owned).to_vec();
    }
    let mut words: Vec<String> = test_words(args).into_iter().take_while(|word| word != "--").collect();
    words.push("--no-run".to_owned());
    words
}

fn names_packages(args: &[String]) -> bool {
    let own = args.iter().take_while(|arg| *arg != "--");
    own.into_iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace")
}

fn cargo(here: &Checkout, words: &[String]) -> Done {
    let shown = format!("cargo {}", words.join(" "));
    let status = here.cargo().args(words).status().map_err(|e| format!("cannot run {shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed; its messages are above")) }
}

#[cfg(test)]
mod tests {
    use super::{build_words, test_words};

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_whole_workspace_is_tested_unless_packages_are_named() {
        assert_eq!(test_words(&[]), split("test --no-fail-fast --workspace"));
        assert_eq!(test_words(&split("-p collimate-text stop")), split("test --no-fail-fast -p collimate-text stop"));
        assert_eq!(test_words(&split("stop -- -p")), split("test --no-fail-fast --workspace stop -- -p"));
    }

    #[test]
    fn the_build_covers_the_binary_and_gets_no_argument_of_the_harness() {
        assert_eq!(build_words(&split("resume -- --nocapture")), split("build --workspace --bins --tests"));
        let args = split("-p collimate-text stop -- --nocapture");
        assert_eq!(build_words(&args), split("test --no-fail-fast -p collimate-text stop --no-run"));
    }
}
