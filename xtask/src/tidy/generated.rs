//! Generated pages are fresh: each equals what the built binary prints now.

use std::process::Stdio;

use super::Finding;
use crate::checkout::Checkout;
use crate::say;

/// A page and the words after `collimate` that print it.
const PAGES: [(&str, &[&str]); 2] =
    [("docs/algorithms.md", &["algorithms", "--markdown"]), ("docs/formats.md", &["formats", "--markdown"])];

/// Compares every page that is there; tells why one is passed over.
pub(crate) fn check(here: &Checkout, files: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (page, words) in PAGES {
        let Some((_, text)) = files.iter().find(|(file, _)| file == page) else { continue };
        match printed(here, words) {
            Ok(fresh) => findings.extend(compare(page, words, text, &fresh)),
            Err(why) => say::line(&format!("tidy: {page} is not compared: {why}")),
        }
    }
    findings
}

fn printed(here: &Checkout, words: &[&str]) -> Result<String, String> {
    let binary = here.target_dir()?.join("debug").join("collimate");
    if !binary.is_file() {
        return Err("collimate is not built (`cargo build`)".to_owned());
    }
    let output = here.command(&binary).args(words).stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", binary.display()))?;
    if !output.status.success() {
        return Err(format!("`collimate {}` ended with {}", words.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

/// The first line that differs.
fn compare(page: &str, words: &[&str], text: &str, fresh: &str) -> Option<Finding> {
    if text == fresh {
        return None;
    }
    let same = text.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count();
    let what = format!("stale; `target/debug/collimate {} > {page}` makes it anew", words.join(" "));
    Some(Finding { file: page.to_owned(), line: same + 1, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_page_is_found_at_its_first_stale_line() {
        assert_eq!(compare("p.md", &["x"], "a\nb\n", "a\nb\n"), None);
        let finding = compare("p.md", &["x"], "a\nb\n", "a\nc\n").unwrap();
        assert!(finding.line == 2 && finding.what.contains("collimate x > p.md"), "{finding}");
    }
}
