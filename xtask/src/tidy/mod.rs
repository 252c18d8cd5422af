//! The rules that no compiler checks. All findings come in one pass, each with file and line.

mod edges;
pub(crate) mod files;
mod generated;
mod lex;
mod manifest;
mod source;
mod words;

use std::fmt;
use std::path::Path;

use crate::checkout::Checkout;
use crate::{Done, say};

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace root.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong and, where it is not plain, the mend.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks the whole checkout.
pub(crate) fn run(here: &Checkout) -> Done {
    let files = texts(here)?;
    let mut findings = edges::check(&files);
    findings.extend(source::check(&files));
    findings.extend(files.iter().flat_map(|(name, text)| words::check(name, text)));
    findings.extend(generated::check(here, &files));
    findings.sort();
    for finding in &findings {
        say::line(&finding.to_string());
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} findings in {} files read", files.len())),
    }
}

/// Name (relative, with slashes) and content of every text file in the checkout.
fn texts(here: &Checkout) -> Done<Vec<(String, String)>> {
    let readable = |path: &Path| Some((here.show(path).to_string(), std::fs::read_to_string(path).ok()?));
    Ok(files::all(here)?.iter().filter(|path| files::is_text(path)).filter_map(|path| readable(path)).collect())
}
