//! Words that no file may hold: paths of somebody's own machine.

use super::Finding;

/// The first folder of absolute home paths; spelt without their slashes, so that this file does not find itself.
const HOMES: [&str; 2] = ["root", "home"];

/// Looks through any text file.
pub(crate) fn check(file: &str, text: &str) -> Vec<Finding> {
    let paths = HOMES.map(|home| format!("/{home}/"));
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in paths.iter().filter(|path| starts_a_path(line, path)) {
            let what = format!("`{path}...` is a path of one machine; write `~/...` or a variable");
            findings.push(Finding { file: file.to_owned(), line: index + 1, what });
        }
    }
    findings
}

/// Whether `path` stands in `line` at the start of a path rather than inside one.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-~}".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_home_path_is_found_and_a_relative_one_is_not() {
        let text = format!("a\ncd {0}root{0}x and {0}home{0}me\nsrc{0}home{0}page\n~{0}home{0}x\n", "/");
        let lines: Vec<usize> = check("docs/x.md", &text).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 2]);
    }
}
