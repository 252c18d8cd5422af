//! Texts and tables as HTML. Nothing that came from outside reaches the page but through [`esc`].

use std::fmt::Write;

use crate::Table;

/// A text as HTML text or attribute. Characters that steer a terminal or turn the direction of writing are shown, not obeyed.
pub(super) fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || steers(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Marks of writing direction, and of the kind that no reader sees.
fn steers(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A number with four significant digits.
pub(super) fn number(value: f64) -> String {
    crate::table::short(value)
}

/// The first characters of a long text, and how many are left out.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => esc(text),
        Some((end, _)) => format!("{}<span class=\"cut\"> … {} more characters</span>", esc(&text[..end]), text[end..].chars().count()),
    }
}

/// The mark of a run's colour.
pub(super) fn swatch(run: usize) -> String {
    format!("<svg class=\"swatch\" viewBox=\"0 0 16 8\" aria-hidden=\"true\"><path class=\"line {}\" d=\"M0 4H16\"/></svg>", class(run))
}

/// The classes of a run's lines: six colours, then the same ones dashed, then dotted.
pub(super) fn class(run: usize) -> String {
    let dash = ["", " dashed", " dotted"][(run / 6) % 3];
    format!("c{}{dash}", run % 6)
}

/// A table that scrolls by itself where the screen is narrow, and by keyboard too.
pub(super) fn table(table: &Table) -> String {
    let title = esc(&table.title);
    let mut out =
        format!("<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\"><table><caption>{title}</caption><thead><tr>");
    for column in &table.columns {
        let name = if column.is_empty() { "<span class=\"unseen\">what</span>".to_owned() } else { esc(column) };
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        for (at, cell) in row.iter().enumerate() {
            let _ = match at {
                0 => write!(out, "<tr><th scope=\"row\">{}</th>", esc(cell)),
                _ => write!(out, "<td>{}</td>", esc(cell)),
            };
        }
        out.push_str("</tr>");
    }
    out + "</tbody></table></div>"
}

/// A part that opens when it is asked.
pub(super) fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{}</summary>{body}</details>", esc(summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_model_wrote_stays_text() {
        let hostile = "</pre><script>alert(1)</script>\u{202e}\u{1b}[2J\"'&\u{0}";
        let safe = esc(hostile);
        assert!(!safe.contains('<') && !safe.contains('>') && !safe.contains('\u{1b}') && !safe.contains('\u{202e}'), "{safe}");
        assert!(safe.contains("\\u{202e}\\u{1b}[2J&quot;&#39;&amp;\\u{0}"), "{safe}");
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_say_so() {
        assert_eq!(clip("ééé", 2), "éé<span class=\"cut\"> … 1 more characters</span>");
        assert_eq!(clip("éé", 2), "éé");
    }

    proptest! {
        #[test]
        fn no_text_can_leave_its_place(text in "\\PC*|[<>&\"'\\x00-\\x1f]*") {
            let safe = esc(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            prop_assert!(safe.split('&').skip(1).all(|part| part.contains(';')));
        }
    }
}
