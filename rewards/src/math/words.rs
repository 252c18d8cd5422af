//! Which letters are words, which are functions and which are variables side by side; and what words mean.

use super::lex::plain_function;
use super::token::{Joint, Kind, Token};
use super::unit::Unit;

/// Words of two letters that occur in answers.
const SHORT: [&str; 17] = ["is", "it", "in", "if", "of", "to", "by", "we", "so", "an", "be", "am", "pm", "st", "nd", "rd", "th"];
/// Numbers as words.
const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// A word that means the same wherever it stands.
pub(crate) fn keyword(run: &str) -> Option<Kind> {
    let lower = run.to_ascii_lowercase();
    Some(match lower.as_str() {
        "and" => Kind::Joint(Joint::And),
        "or" => Kind::Joint(Joint::Or),
        "pi" if run != "PI" => Kind::Sign('π'),
        "infinity" | "inf" | "infty" | "oo" if run != "OO" => Kind::Sign('∞'),
        _ => return plain_function(run),
    })
}

/// Whether letters side by side are a word rather than a product: a unit behind a number, a common short word, or anything of a length and
/// with vowels that no product has, or with a capital letter like a name.
pub(crate) fn is_word(run: &str, after_number: bool, raised: bool) -> bool {
    let lower = run.to_ascii_lowercase();
    let has = |vowels: &str| lower.contains(|c| vowels.contains(c));
    if after_number && run.len() >= 2 && Unit::known(&lower).is_some() {
        return true;
    }
    if run.len() >= 3 && run[..1] == run[..1].to_ascii_uppercase() && run[1..] == lower[1..] {
        return true;
    }
    match run.len() {
        1 => false,
        2 => SHORT.contains(&lower.as_str()) || lower.contains('o'),
        _ if raised => false,
        3 => has("eio"),
        _ => has("aeiou") && function_before(run).is_none(),
    }
}

/// A function name that letters begin with, if no more than two variables follow: `sinx`.
pub(crate) fn function_before(run: &str) -> Option<(Kind, &str)> {
    const NAMES: [&str; 9] = ["arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "log", "ln"];
    if let Some(rest) = run.strip_prefix("pi").filter(|rest| rest.len() <= 1) {
        return Some((Kind::Sign('π'), rest));
    }
    let (name, rest) = NAMES.iter().find_map(|name| Some((*name, run.strip_prefix(name)?)))?;
    let variables = rest.len() <= 2 && !rest.contains(['e', 'o', 'g', 'k']);
    Some((plain_function(name)?, rest)).filter(|_| variables)
}

/// The number that a word names.
pub(crate) fn number(word: &str) -> Option<i64> {
    let lower = word.to_lowercase();
    let at = NUMBERS.iter().position(|name| *name == lower)?;
    i64::try_from(at).ok()
}

/// Whether tokens are nothing but words, with the marks that stand between words.
pub(crate) fn is_prose(tokens: &[Token]) -> bool {
    let plain = |t: &Token| match &t.kind {
        Kind::Word(_) | Kind::Joint(_) => true,
        Kind::Name(name) => name.len() == 1,
        Kind::Sign(c) => matches!(c, '.' | ',' | '-' | '′' | '!' | '?' | '"'),
        _ => false,
    };
    tokens.iter().all(plain) && tokens.iter().any(|t| matches!(t.kind, Kind::Word(_)))
}

/// Words without case, marks and articles, so that `The Tuesday.` is `tuesday`.
pub(crate) fn normalised(text: &str) -> String {
    const STYLES: [&str; 8] = ["\\textbf", "\\textit", "\\textrm", "\\text", "\\mathrm", "\\mbox", "\\operatorname", "\\boxed"];
    let mut plain = text.to_owned();
    for style in STYLES {
        plain = plain.replace(style, " ");
    }
    let mark = |c: char| if c.is_alphanumeric() || matches!(c, '+' | '-' | '%' | ':' | '/') { c } else { ' ' };
    let lower: String = plain.to_lowercase().chars().filter(|c| !matches!(c, '\'' | '’')).map(mark).collect();
    let kept = |word: &str| !matches!(word, "a" | "an" | "the");
    let words: Vec<&str> = lower.split_whitespace().collect();
    let all_articles = !words.iter().any(|word| kept(word));
    words.into_iter().filter(|w| all_articles || kept(w)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_products_are_told_apart() {
        for word in ["no", "yes", "Ann", "Tuesday", "area", "DNE", "is", "not"] {
            assert!(is_word(word, false, false), "{word}");
        }
        for product in ["ab", "xy", "abc", "xyz", "bi", "sinx", "x", "lnx"] {
            assert!(!is_word(product, false, false), "{product}");
        }
        assert!(is_word("cm", true, false) && !is_word("cm", false, false));
        assert!(function_before("sine").is_none() && function_before("cosxy").is_some());
    }

    #[test]
    fn text_is_compared_without_case_marks_and_articles() {
        assert_eq!(normalised("\\text{The  Tuesday.}"), normalised("tuesday"));
        assert_ne!(normalised("A"), normalised(""));
    }
}
