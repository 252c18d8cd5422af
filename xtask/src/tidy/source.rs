//! The rules for Rust files: opening words, sizes, no unfinished work, no panics by habit, `unsafe` in its two rooms.

use std::collections::BTreeSet;

use super::Finding;
use super::lex::{self, Layers};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 60;
/// The rooms of `unsafe`.
const UNSAFE_ROOMS: [&str; 2] = ["bridge/", "sys/"];
/// Marks of unfinished work, spelt in halves so that this file does not find itself.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const MACROS: [&str; 2] = ["todo", "unimplemented"];
const PANICS: [&str; 2] = [".unwrap()", ".expect("];

/// Checks every Rust file.
pub(crate) fn check(files: &[(String, String)]) -> Vec<Finding> {
    let rust: Vec<(&str, &str)> =
        files.iter().filter(|(name, _)| name.ends_with(".rs")).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let layers: Vec<Layers> = rust.iter().map(|(_, text)| lex::layers(text)).collect();
    let test_files: BTreeSet<String> = rust.iter().zip(&layers).flat_map(|((name, _), layers)| test_modules(name, &layers.code)).collect();
    let mut findings = Vec::new();
    for ((name, text), layers) in rust.into_iter().zip(&layers) {
        // What lies below a test module's `mod.rs` belongs to it.
        let below = test_files.iter().filter_map(|f| f.strip_suffix("mod.rs")).any(|room| name.starts_with(room));
        let is_test = test_files.contains(name) || below || name.split('/').any(|part| part == "tests" || part == "benches");
        findings.extend(check_file(name, text, layers, is_test));
    }
    findings
}

fn check_file(name: &str, text: &str, layers: &Layers, is_test: bool) -> Vec<Finding> {
    let code = layers.code.as_str();
    let test_lines = test_lines(code);
    let in_test = |offset: usize| is_test || test_lines[lex::line_of(code, offset) - 1];
    let mut findings = Vec::new();
    let mut found = |line: usize, what: String| findings.push(Finding { file: name.to_owned(), line, what });

    if !text.starts_with("//!") {
        found(1, "the file does not open with `//!`, one sentence that says what it is for".to_owned());
    }
    let lines = text.lines().count() - if is_test { 0 } else { test_lines.iter().filter(|test| **test).count() };
    if lines > FILE_LINES {
        found(FILE_LINES, format!("{lines} lines, more than {FILE_LINES}; one idea a file"));
    }
    for mark in MARKS {
        for at in lex::word_offsets(&layers.prose, mark) {
            found(lex::line_of(code, at), format!("`{mark}`: finish it, or file an issue and say plainly what is not done"));
        }
    }
    for name in MACROS {
        for at in lex::word_offsets(code, name).filter(|at| code[at + name.len()..].starts_with('!')) {
            found(lex::line_of(code, at), format!("`{name}!`: nothing unfinished is committed"));
        }
    }
    for call in PANICS {
        let ours = |at: usize| call.ends_with('(') && !takes_message(&text[at + call.len()..]);
        for (at, _) in code.match_indices(call).filter(|(at, _)| !in_test(*at) && !ours(*at)) {
            found(lex::line_of(code, at), format!("`{call}` outside tests: return an error that says what, where and the mend"));
        }
    }
    if !UNSAFE_ROOMS.iter().any(|room| name.starts_with(room)) {
        for at in lex::word_offsets(code, "unsafe") {
            found(lex::line_of(code, at), "`unsafe` outside bridge and sys".to_owned());
        }
    }
    for (at, length) in functions(code).into_iter().filter(|(at, length)| *length > FUNCTION_LINES && !in_test(*at)) {
        found(lex::line_of(code, at), format!("a function of {length} lines of code, more than {FUNCTION_LINES}"));
    }
    findings
}

/// Whether the argument is a message, as the standard library's `expect` takes; methods of that name may take other things.
fn takes_message(argument: &str) -> bool {
    let argument = argument.trim_start();
    argument.starts_with('"') || argument.starts_with("&format!")
}

/// The files that `#[cfg(test)] mod name;` in `name` declares.
fn test_modules(name: &str, code: &str) -> Vec<String> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let base = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    };
    let mut files = Vec::new();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        if let Some((module, _)) = rest.strip_prefix("mod ").and_then(|rest| rest.split_once(';'))
            && module.bytes().all(lex::is_word)
        {
            files.push(format!("{base}/{module}.rs"));
            files.push(format!("{base}/{module}/mod.rs"));
        }
    }
    files
}

/// For each line whether it belongs to an item under `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = vec![false; code.lines().count() + 1];
    let starts = ["#[cfg(test)]", "#[cfg(all(test,"].into_iter().flat_map(|mark| code.match_indices(mark));
    for (at, _) in starts {
        let body = code[at..].find(['{', ';']).map_or(code.len(), |offset| at + offset);
        let end = if code.as_bytes().get(body) == Some(&b'{') { closing_brace(code, body) } else { body };
        lines[lex::line_of(code, at) - 1..lex::line_of(code, end)].fill(true);
    }
    lines
}

/// The offset of the brace that closes the one at `open`, or the end of the text.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return open + offset;
        }
    }
    code.len().saturating_sub(1)
}

/// Offset and lines of code of each function with a body. One with a reasoned `too_many_lines` attribute is passed over.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for at in lex::word_offsets(code, "fn") {
        let named = code[at + 2..].trim_start().bytes().next().is_some_and(lex::is_word);
        let Some(open) = body(code, at).filter(|_| named) else { continue };
        let item_start = code[..at].rfind(['}', ';', '{']).map_or(0, |end| end + 1);
        if code[item_start..at].contains("too_many_lines") {
            continue;
        }
        let inside = &code[open + 1..closing_brace(code, open)];
        found.push((at, inside.lines().filter(|line| !line.trim().is_empty()).count()));
    }
    found
}

/// The brace that opens the body of the function at `at`; `None` for a declaration.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> Vec<String> {
        check(&[(name.to_owned(), text.to_owned())]).iter().map(ToString::to_string).collect()
    }

    fn one(name: &str, text: &str) -> String {
        let findings = findings(name, text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].clone()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        let text =
            "//! Adds.\n\n/// Never unsafe, see todo! in \"other\".\nfn f() -> &'static str {\n    \".unwrap() unsafe todo!()\"\n}\n";
        assert_eq!(findings("text/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_file_must_open_with_its_purpose() {
        assert!(one("bridge/build.rs", "fn main() {}\n").starts_with("bridge/build.rs:1: the file does not open"));
    }

    #[test]
    fn a_long_file_is_found_but_its_tests_do_not_count() {
        let long = format!("//! Long.\n{}", "\n".repeat(500));
        assert!(one("text/src/a.rs", &long).contains("501 lines"));
        let tests = format!("//! Short.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(500));
        assert_eq!(findings("text/src/a.rs", &tests), [""; 0]);
        assert!(one("text/tests/it.rs", &long).contains("501 lines"));
    }

    #[test]
    fn a_long_function_is_found_where_it_starts() {
        let body = "    let _ = [0; 3];\n".repeat(61);
        let text = format!("//! Long.\n\nfn f(x: [u8; 3]) -> [u8; 3] {{\n{body}}}\n");
        assert!(one("text/src/a.rs", &text).starts_with("text/src/a.rs:3: a function of 61 lines"));
        let excused = text.replace("fn f", "#[expect(clippy::too_many_lines, reason = \"a table\")]\nfn f");
        assert_eq!(findings("text/src/a.rs", &excused), [""; 0]);
        assert_eq!(findings("text/tests/it.rs", &text), [""; 0]);
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_comments() {
        for mark in MARKS {
            assert!(one("text/src/a.rs", &format!("//! A.\n// {mark}: later\n")).starts_with("text/src/a.rs:2: "));
        }
        for name in MACROS {
            assert!(one("text/tests/a.rs", &format!("//! A.\nfn f() {{\n    {name}!()\n}}\n")).starts_with("text/tests/a.rs:3: "));
        }
    }

    #[test]
    fn panics_by_habit_are_found_outside_tests_only() {
        for call in ["x.unwrap();", "x.expect(\"y\");"] {
            let text = format!("//! A.\nfn f() {{\n    {call}\n}}\n");
            assert!(one("text/src/a.rs", &text).starts_with("text/src/a.rs:3: "));
            assert_eq!(findings("text/tests/a.rs", &text), [""; 0]);
            let in_module = format!("//! A.\n#[cfg(test)]\nmod tests {{\n    fn f() {{\n        {call}\n    }}\n}}\n");
            assert_eq!(findings("text/src/a.rs", &in_module), [""; 0]);
            let declared = [
                ("text/src/lib.rs".to_owned(), "//! A.\n#[cfg(test)]\nmod goldens;\n".to_owned()),
                ("text/src/goldens.rs".to_owned(), text),
            ];
            assert_eq!(check(&declared), []);
        }
        // `unwrap_or`, an attribute and a method of our own are something else.
        assert_eq!(findings("text/src/a.rs", "//! A.\n#[expect(dead_code)]\nfn f() { x.unwrap_or(1); self.expect(name)?; }\n"), [""; 0]);
    }

    #[test]
    fn unsafe_stays_in_its_rooms() {
        let text = "//! A.\n#![allow(unsafe_code)]\nfn f() { unsafe { g() } }\n";
        assert!(one("models/src/a.rs", text).starts_with("models/src/a.rs:3: `unsafe`"));
        assert_eq!(findings("bridge/src/a.rs", text), [""; 0]);
    }
}
