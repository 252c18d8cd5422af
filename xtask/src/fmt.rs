//! rustfmt over every Rust file: cargo fmt follows `mod` lines only and misses modules that a macro declares.

use std::path::PathBuf;

use crate::checkout::Checkout;
use crate::{Done, say, tidy};

/// Formats all files, or with `check` names those that are not formatted.
pub(crate) fn run(here: &Checkout, check: bool) -> Done {
    let files = tidy::files::all(here)?;
    let rust: Vec<PathBuf> = files.into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "rs")).collect();
    let mut command = here.command("rustfmt");
    command.args(["--edition", "2024"]);
    if check {
        command.args(["--check", "-l"]);
    }
    let output = command.args(&rust).output().map_err(|e| format!("cannot run rustfmt: {e}; try `rustup component add rustfmt`"))?;
    if output.status.success() {
        return Ok(());
    }
    // A file that others declare as their module is named once for each of them.
    let text = String::from_utf8_lossy(&output.stdout);
    let mut names: Vec<String> = text.lines().map(|name| here.show(name.as_ref()).to_string()).collect();
    names.sort();
    names.dedup();
    say::line(String::from_utf8_lossy(&output.stderr).trim());
    Err(format!("not formatted (`cargo xtask fmt` mends it):\n  {}", names.join("\n  ")))
}
