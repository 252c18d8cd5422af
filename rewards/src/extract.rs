//! Where in an answer the result stands.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::scan::{self, Reading};

/// Which number of an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extract {
    /// What is marked: a number directly after `####`, or a closed `\boxed{}`, whichever stands last; without either, the last number.
    #[default]
    Auto,
    /// The last number.
    Last,
    /// The first number in the line that follows the last `####` that has one.
    Hash,
    /// The content of the last closed `\boxed{}`: as a whole if that is a number, else its last number.
    Boxed,
    /// The answer is nothing but the number.
    Whole,
}

/// The mark before a final answer.
const MARK: &str = "####";

impl Extract {
    /// The number that counts; `None` if there is none that can be read. Linear in the length of the text.
    pub(crate) fn find(self, text: &str) -> Option<Reading> {
        match self {
            Self::Auto => match (hash(text, true), last_boxed(text)) {
                (Some((at, reading)), box_) if box_.is_none_or(|(start, _)| start < at) => Some(reading),
                (_, Some((_, content))) => boxed(content),
                _ => Self::Last.find(text),
            },
            Self::Last => scan::last_in(&plain(text)),
            Self::Hash => hash(text, false).map(|(_, reading)| reading),
            Self::Boxed => boxed(last_boxed(text)?.1),
            Self::Whole => scan::whole(&plain(text)),
        }
    }
}

/// The number after a mark and where the mark's line starts; the last mark that has one counts. If it must stand `directly` after the
/// mark, no word may come between: `#### Step 1` is a heading, not an answer.
fn hash(text: &str, directly: bool) -> Option<(usize, Reading)> {
    let mut end = text.len();
    loop {
        let mark = text[..end].rfind(MARK)?;
        let line = text[mark + MARK.len()..end].trim_start().lines().next().unwrap_or_default();
        let line = plain(line);
        match scan::first_in(&line) {
            Some((at, reading)) if !directly || !line[..at].chars().any(char::is_alphanumeric) => return Some((mark, reading)),
            _ => end = mark,
        }
    }
}

fn boxed(content: &str) -> Option<Reading> {
    let content = plain(content);
    scan::whole(&content).or_else(|| scan::last_in(&content))
}

/// Where the content of the last closed `\boxed{}` starts, and the content; braces inside it may nest. One pass.
pub(crate) fn last_boxed(text: &str) -> Option<(usize, &str)> {
    const OPEN: &str = "\\boxed";
    let bytes = text.as_bytes();
    // How many groups are open, and the open boxes among them: their depth and where their content starts.
    let mut depth = 0_usize;
    let mut boxes: Vec<(usize, usize)> = Vec::new();
    let mut last = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if text[at..].starts_with(OPEN) => {
                at += OPEN.len();
                while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                    at += 1;
                }
                if bytes.get(at) == Some(&b'{') {
                    depth += 1;
                    at += 1;
                    boxes.push((depth, at));
                }
                continue;
            }
            b'\\' if matches!(bytes.get(at + 1), Some(b'{' | b'}' | b'\\')) => at += 1, // `\{` is a character, not a group.
            b'{' => depth += 1,
            b'}' => {
                if let Some((_, start)) = boxes.pop_if(|(d, _)| *d == depth) {
                    last = Some((start, &text[start..at]));
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    last
}

/// The LaTeX that occurs in numbers, as plain text: fractions, thin spaces, `{,}`, `\$` and `\%`. Everything else stays.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '{']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((over, under, after)) = fraction(rest) {
            out.extend([over, "/", under]);
            rest = after;
            continue;
        }
        let short = [("{,}", ","), ("\\,", ""), ("\\!", ""), ("\\$", "$"), ("\\%", "%")];
        let found = short.iter().find_map(|(from, to)| rest.strip_prefix(from).map(|after| (*to, after)));
        let (to, after) = found.unwrap_or_else(|| rest.split_at(1));
        out.push_str(to);
        rest = after;
    }
    out.push_str(rest);
    out.into()
}

/// `\frac{a}{b}` at the start of a text, with plain groups of at most [`LONGEST`] bytes; and what follows.
fn fraction(text: &str) -> Option<(&str, &str, &str)> {
    let rest = ["\\frac", "\\dfrac", "\\tfrac"].iter().find_map(|name| text.strip_prefix(name))?;
    let (over, rest) = group(rest)?;
    let (under, rest) = group(rest)?;
    Some((over, under, rest))
}

/// The longest numerator or denominator that is looked for, so that unclosed groups cost nothing.
const LONGEST: usize = 2048;

fn group(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let end = inner.bytes().take(LONGEST).position(|b| b == b'{' || b == b'}')?;
    (inner.as_bytes()[end] == b'}').then(|| (inner[..end].trim(), &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Number;

    fn find(how: Extract, text: &str) -> Option<Number> {
        how.find(text).map(|r| r.number)
    }

    #[track_caller]
    fn finds(how: Extract, text: &str, wanted: &str) {
        assert_eq!(find(how, text), Some(Number::parse(wanted).unwrap()), "`{text}`");
    }

    #[test]
    fn auto_takes_the_last_mark_and_else_the_last_number() {
        finds(Extract::Auto, "2+2=4\n#### 42", "42");
        finds(Extract::Auto, "#### 41\nno:\n#### 42\n", "42");
        finds(Extract::Auto, "#### 42 ####", "42");
        finds(Extract::Auto, "\\boxed{7} then #### 8", "8");
        finds(Extract::Auto, "#### 8 then \\boxed{7} of 9", "7");
        finds(Extract::Auto, "#### Step 1\nAdd.\n#### Step 2\nSo it is 12.", "12");
        finds(Extract::Auto, "####\n$1,234.", "1234");
        finds(Extract::Auto, "12 + 30 = 42", "42");
        finds(Extract::Auto, "\\boxed{5", "5");
        assert_eq!(find(Extract::Auto, "the 3 of \\boxed{x}"), None);
    }

    #[test]
    fn boxes_may_nest_and_hold_latex() {
        let cases = [
            ("\\boxed{\\frac{1}{2}}", "1/2"),
            ("\\boxed{-\\dfrac{3}{4}}", "-3/4"),
            ("\\boxed{\\frac{-3}{4}}", "-3/4"),
            ("\\boxed{\\text{42}}", "42"),
            ("\\boxed{{42}}", "42"),
            ("\\boxed {42}", "42"),
            ("\\boxed{1{,}000}", "1000"),
            ("\\boxed{1\\,000}", "1000"),
            ("\\boxed{\\$5}", "5"),
            ("\\boxed{- 5}", "-5"),
            ("\\boxed{x = 5 \\text{ km}}", "5"),
            ("\\boxed{1} \\boxed{2} \\boxed{3", "2"),
            ("\\boxed{\\boxed{5}}", "5"),
            ("\\boxed{\\{5\\}}", "5"),
        ];
        for (text, wanted) in cases {
            finds(Extract::Boxed, text, wanted);
            finds(Extract::Auto, text, if text.ends_with('3') { "2" } else { wanted });
        }
        assert_eq!(find(Extract::Boxed, "\\boxed 5 {6}"), None);
    }

    #[test]
    fn the_other_ways_take_what_they_say() {
        finds(Extract::Last, "#### 5, not 6 or $\\frac{7}{8}$", "7/8");
        finds(Extract::Hash, "#### The answer is 5 of 6\nor 7", "5");
        finds(Extract::Hash, "#### 42 then 7\n#### none", "42");
        finds(Extract::Whole, " $42. ", "42");
        assert_eq!(find(Extract::Whole, "It is 42"), None);
        assert_eq!(find(Extract::Hash, "42"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(#|\\\\boxed|\\\\frac|[{},−$%\\\\ 0-9/a]){0,30}") {
            for how in [Extract::Auto, Extract::Last, Extract::Hash, Extract::Boxed, Extract::Whole] {
                let _ = how.find(&text);
            }
        }
    }
}
