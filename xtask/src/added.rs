//! `cargo xtask algorithm`: one file and one word are a new algorithm.
//!
//! A copy of the checkout gets a stored algorithm of some sixty lines and its word in the roster; the binary is built from the copy, and
//! trains three steps on the tiny model. Nothing else of the copy is touched.

use std::fs;
use std::path::Path;

use crate::checkout::Checkout;
use crate::{Done, say, setup};

/// The stored algorithm.
const NAME: &str = "group_median";
const FILE: &str = include_str!("../data/group_median.rs");
/// The most lines that it may take.
const LINES: usize = 60;
/// The word of the roster before which its own comes.
const BEFORE: &str = "    grpo,\n";
/// What is not a part of the sources.
const LEFT_OUT: [&str; 3] = [".git", "target", "runs"];

/// Adds, builds, trains.
pub(crate) fn run(here: &Checkout) -> Done {
    setup::run(here)?;
    let target = here.target_dir()?;
    let scratch = target.join("added-algorithm");
    let _ = fs::remove_dir_all(&scratch);
    let outcome = copy(&here.root, &scratch, &target).and_then(|()| add(&scratch)).and_then(|()| train(here, &scratch, &target));
    let _ = fs::remove_dir_all(&scratch);
    // The target folder now holds what was built from the copy, under the same names: the checkout's own roster must be the newer one.
    let roster = here.root.join("algorithms/src/roster/mod.rs");
    let file = fs::File::options().append(true).open(&roster).map_err(|e| format!("cannot open {}: {e}", here.show(&roster)))?;
    file.set_modified(std::time::SystemTime::now()).map_err(|e| format!("cannot touch {}: {e}", here.show(&roster)))?;
    outcome
}

/// The files as they are, with their times, so that cargo builds again only what was changed.
fn copy(from: &Path, to: &Path, target: &Path) -> Done {
    let told = |what: &Path, e: std::io::Error| format!("cannot copy {}: {e}", what.display());
    fs::create_dir_all(to).map_err(|e| told(to, e))?;
    for entry in fs::read_dir(from).map_err(|e| told(from, e))? {
        let entry = entry.map_err(|e| told(from, e))?;
        let (source, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().map_err(|e| told(&source, e))?;
        if LEFT_OUT.iter().any(|n| name == *n) || source == *target || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            copy(&source, &to.join(name), target)?;
            continue;
        }
        let copied = || {
            fs::copy(&source, to.join(&name))?;
            let modified = fs::metadata(&source)?.modified()?;
            fs::File::options().append(true).open(to.join(&name))?.set_modified(modified)
        };
        copied().map_err(|e| told(&source, e))?;
    }
    Ok(())
}

/// One file and one word.
fn add(scratch: &Path) -> Done {
    let lines = FILE.lines().count();
    if lines > LINES {
        return Err(format!("the stored algorithm has {lines} lines; {LINES} must do"));
    }
    let roster = scratch.join("algorithms/src/roster");
    let told = |e: std::io::Error| format!("{}: {e}", roster.display());
    fs::write(roster.join(NAME).with_extension("rs"), FILE).map_err(told)?;
    let text = fs::read_to_string(roster.join("mod.rs")).map_err(told)?;
    if text.matches(BEFORE).count() != 1 {
        return Err(format!("{}: the roster has no line `{}`", roster.join("mod.rs").display(), BEFORE.trim()));
    }
    fs::write(roster.join("mod.rs"), text.replace(BEFORE, &format!("    {NAME},\n{BEFORE}"))).map_err(told)
}

/// The test that trains it lies with the whole-system tests, and is left out of a plain run.
fn train(here: &Checkout, scratch: &Path, target: &Path) -> Done {
    let words = ["test", "-p", "collimate-cli", "-p", "collimate-tests", "--bins", "--test", "it", "--", "--ignored", "an_added_algorithm"];
    let libtorch = here.users_own("LIBTORCH").unwrap_or_else(|| here.link().join("torch").into_os_string());
    let clock = say::heading("an algorithm is one file and one word");
    let mut cargo = here.cargo();
    cargo.current_dir(scratch).env("CARGO_TARGET_DIR", target).env("LIBTORCH", libtorch).env("COLLIMATE_ADDED", NAME);
    let status = cargo.args(words).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !status.success() {
        return Err("the added algorithm did not build or train; what cargo found is above".to_owned());
    }
    say::line(&format!("`{NAME}` ({} lines) was added and trained 3 steps in {}", FILE.lines().count(), say::seconds(clock.elapsed())));
    Ok(())
}
