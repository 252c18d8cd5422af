//! Where in a template an error lies.

use minijinja::Error;

/// `origin:line:column` of an error, as far as it is known. Lines and columns count from 1, columns in characters.
pub(super) fn place(origin: &str, source: &str, error: &Error) -> String {
    let column = error.range().and_then(|range| {
        let before = source.get(..range.start)?;
        Some(before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
    });
    match (error.line(), column) {
        (Some(line), Some(column)) => format!("{origin}:{line}:{column}"),
        (Some(line), None) => format!("{origin}:{line}"),
        _ => origin.to_owned(),
    }
}

/// `{% generation %}` marks what the assistant said, for training masks; for the text it means nothing. It becomes a condition that always
/// holds, of the same length, so that the places of errors stay right.
pub(super) fn blank_generation_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out.push_str(before);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        let lead = tag.len() - name.len();
        out.push_str(&tag[..lead]);
        rest = name;
        for (word, instead) in [("generation", "if true   "), ("endgeneration", "endif        ")] {
            if let Some(after) = name.strip_prefix(word)
                && after.trim_start().trim_start_matches(['-', '+']).starts_with("%}")
            {
                out.push_str(instead);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
