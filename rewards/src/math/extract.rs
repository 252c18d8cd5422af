//! Where in a response the answer stands.

use serde::{Deserialize, Serialize};

use super::read::read;
use super::tree::Answer;
use crate::extract::last_boxed;

/// Where in a response the answer is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// What is marked by `\boxed{}` or `####`, whichever stands last. Without a mark: what follows "the answer is", else the last formula,
    /// else the whole response if it can be read, else the last number.
    #[default]
    Auto,
    /// Only what is marked by `\boxed{}` or `####`, whichever stands last.
    Marked,
    /// Only the content of the last closed `\boxed{}`.
    Boxed,
    /// Only the rest of the line behind the last `####`.
    Hash,
    /// The response is nothing but the answer.
    Whole,
}

/// The mark before a final answer.
const MARK: &str = "####";
/// The longest response that is taken as a whole, in bytes.
const WHOLE: usize = 400;
/// How much of a response's end is searched where nothing is marked, in bytes.
const TAIL: usize = 8000;

impl Place {
    /// The answer of a response; `None` if there is none that can be read. Linear in the length of the response.
    pub(crate) fn find(self, text: &str) -> Option<Answer> {
        match self {
            Self::Boxed => read(last_boxed(text)?.1).ok(),
            Self::Hash => read(hash(text)?.1).ok(),
            Self::Whole => read(text).ok(),
            Self::Marked => read(marked(text)?).ok(),
            Self::Auto => match marked(text) {
                Some(found) => read(found).ok(),
                None => unmarked(text),
            },
        }
    }
}

/// The answer in a truth: what is marked in it, or all of it.
pub(crate) fn of_truth(text: &str) -> &str {
    marked(text).unwrap_or(text)
}

fn marked(text: &str) -> Option<&str> {
    match (last_boxed(text), hash(text)) {
        (Some((start, content)), found) if found.is_none_or(|(at, _)| at < start) => Some(content),
        (_, found) => found.map(|(_, line)| line),
    }
}

/// Where the last mark stands, and the rest of its line. A heading of words with text below it is none.
fn hash(text: &str) -> Option<(usize, &str)> {
    let mut end = text.len();
    // A response has a few marks; more of them than this are noise.
    for _ in 0..20 {
        let mark = text[..end].rfind(MARK)?;
        let rest = text[mark + MARK.len()..].trim_start_matches(['#', ' ', '\t', '\n', '\r']);
        let line = rest.lines().next().unwrap_or_default().trim().trim_end_matches('#').trim_end();
        let below = rest.lines().skip(1).any(|line| !line.trim().is_empty());
        let heading = below && matches!(read(line), Ok(Answer::Text(_)) | Err(_));
        if !line.is_empty() && !heading {
            return Some((mark, line));
        }
        end = mark;
    }
    None
}

fn unmarked(text: &str) -> Option<Answer> {
    let mut from = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let tail = &text[from..];
    let digits = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    // Words with numbers in them that are no quantity: the numbers are what counts.
    let firm = |text: &str| read(text).ok().filter(|answer| !(matches!(answer, Answer::Text(_)) && digits(text)));
    if let Some(told) = told(tail) {
        let formula = first_formula(told).and_then(firm);
        if let Some(found) = formula.or_else(|| firm(sentence(told))) {
            return Some(found);
        }
        let denied = sentence(told).split_whitespace().any(|word| word == "not");
        return last_number(sentence(told)).filter(|_| !denied).and_then(firm);
    }
    let whole = || Some(text.trim()).filter(|text| text.len() <= WHOLE).and_then(firm);
    let formula = || last_formula(tail).and_then(firm);
    whole().or_else(formula).or_else(|| last_number(tail).and_then(firm))
}

/// What follows the last "answer is" or "answer:".
fn told(text: &str) -> Option<&str> {
    const CLUES: [&str; 6] = ["answer is", "answer:", "answers are", "answer =", "answer would be", "answer should be"];
    let lower = text.to_ascii_lowercase();
    let ends = CLUES.iter().filter_map(|clue| lower.rfind(clue).map(|at| at + clue.len()));
    let rest = text[ends.max()?..].trim_start_matches([':', ' ', '*', '\n', '\t']);
    (!rest.is_empty()).then_some(rest)
}

/// Up to the end of the line or of the sentence.
fn sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let end =
        line.match_indices(". ").map(|(at, _)| at).find(|at| !line[..*at].ends_with(|c: char| c.is_ascii_digit()) || at + 2 < line.len());
    line[..end.unwrap_or(line.len())].trim()
}

/// The formula that a text opens with.
fn first_formula(text: &str) -> Option<&str> {
    DELIMITERS.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(open)?;
        Some(inner[..inner.find(close)?].trim()).filter(|inner| !inner.is_empty())
    })
}

const DELIMITERS: [(&str, &str); 4] = [("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]"), ("$", "$")];

/// The last formula between delimiters.
fn last_formula(text: &str) -> Option<&str> {
    let of = |(open, close): &(&'static str, &'static str)| {
        let end = text.rfind(close)?;
        let start = text[..end].rfind(open)? + open.len();
        let inner = text[start..end].trim();
        // Money in running text is no formula.
        let money = *open == "$" && text[..end].ends_with([' ', '\n']) && text[end + 1..].starts_with(|c: char| c.is_ascii_digit());
        (!inner.is_empty() && !money).then_some((end, inner))
    };
    DELIMITERS.iter().filter_map(of).max_by_key(|(end, _)| *end).map(|(_, inner)| inner)
}

/// The last number of a text, with its sign, currency and percent sign.
fn last_number(text: &str) -> Option<&str> {
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '/' | '-' | '−' | '$' | '€' | '£');
    let start = text[..end].char_indices().rev().take_while(|(_, c)| part(*c)).last().map_or(end, |(at, _)| at);
    let number = text[start..end].trim_start_matches(['.', ',', '/']);
    // `7-5`: the sign belongs to what stands before.
    let number = number.rfind(['-', '−']).filter(|at| *at > 0).map_or(number, |at| number[at..].trim_start_matches(['-', '−']));
    let percent = usize::from(text[end..].starts_with('%'));
    let start = end - number.len();
    let before = text[..start].trim_end();
    if ["not", "n't", "never", "≠"].iter().any(|denial| before.ends_with(denial)) {
        return None;
    }
    Some(&text[start..end + percent])
}

/// Without the dollar signs that enclose formulas. A dollar sign before a number that none closes is money and stays.
pub(crate) fn undelimited(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let escaped = |at: usize| chars[..at].iter().rev().take_while(|c| **c == '\\').count() % 2 == 1;
    let signs: Vec<usize> = (0..chars.len()).filter(|&at| chars[at] == '$' && !escaped(at)).collect();
    let digit = |at: usize| chars.get(at + 1).is_some_and(char::is_ascii_digit);
    let money = |at: &usize| digit(*at) && (*at == 0 || chars[at - 1].is_whitespace());
    let closing: Vec<&usize> = signs.iter().skip(1).step_by(2).collect();
    if signs.len() % 2 == 1 || closing.into_iter().any(money) {
        return text.to_owned();
    }
    chars.iter().enumerate().map(|(at, c)| if signs.binary_search(&at).is_ok() { ' ' } else { *c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(place: Place, text: &str, wanted: &str) {
        assert_eq!(place.find(text), read(wanted).ok(), "`{text}`");
        assert!(read(wanted).is_ok(), "`{wanted}`");
    }

    #[test]
    fn the_last_mark_counts_and_words_only_where_there_is_none() {
        same(Place::Auto, "x is 3, no: \\boxed{\\frac{1}{2}}. So 7.", "\\frac{1}{2}");
        same(Place::Auto, "\\boxed{1}\n#### 2", "2");
        same(Place::Auto, "#### 2\n\\boxed{1}", "1");
        same(Place::Auto, "#### Step 1\nAdd.\n#### Step 2\n\\boxed{12}", "12");
        same(Place::Auto, "#### Step 1\nWe add 5. So the answer is $12$.", "12");
        same(Place::Auto, "The answer is $\\sqrt{2}$, since 2 is 1+1.", "\\sqrt{2}");
        same(Place::Auto, "**Answer:** 42 apples", "42 \\text{ apples}");
        same(Place::Auto, "First $x = 1$, then $y = 2$. Done.", "y = 2");
        same(Place::Auto, "It makes 7-5, that is -2 in all, I think", "-2");
        same(Place::Auto, "\\frac{3}{4}", "3/4");
        same(Place::Auto, "That will cost $5 and $10", "$10");
        same(Place::Marked, "the answer is 5 \\boxed{6}", "6");
        same(Place::Hash, "\\boxed{1} #### 2 ####", "2");
        assert_eq!(Place::Marked.find("The answer is 5"), None);
        assert_eq!(Place::Boxed.find("\\boxed{5"), None);
        assert_eq!(Place::Auto.find("The answer is not 5"), None);
        assert_eq!(Place::Auto.find("I am sure that it is not 5"), None);
        assert_eq!(Place::Whole.find("It is, of course, 5 + "), read("It is, of course, 5 + ").ok());
    }

    #[test]
    fn dollars_around_formulas_go_and_money_stays() {
        assert_eq!(undelimited("$x$ and $y$").trim(), "x  and  y");
        assert_eq!(undelimited("$5"), "$5");
        assert_eq!(undelimited("$5 or $10"), "$5 or $10");
        assert_eq!(undelimited("$\\$5$").trim(), "\\$5");
    }
}
