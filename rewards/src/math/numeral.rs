//! Numbers as they are written: `1,234.5`, `1{,}000`, `1\,000`, `.5`, `0.\overline{3}`, `1e-3`.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Pow};

/// The most digits of a number.
const MAX_DIGITS: usize = 1000;
/// The largest power of ten behind an `e`.
const MAX_EXPONENT: i32 = 2000;

/// A number in a text.
pub(crate) struct Numeral {
    pub(crate) value: BigRational,
    /// Its digits, if it is written as nothing but digits.
    pub(crate) digits: Option<String>,
    /// Where it ends.
    pub(crate) end: usize,
}

/// Reads the number that starts at `from`. Inside brackets a comma separates, unless it is written `{,}`. `None` for what stands for no
/// exact number: `3.14…`, `1.2.3`, too many digits.
pub(crate) fn read(text: &[char], from: usize, in_brackets: bool) -> Option<Numeral> {
    let (mut digits, whole_end) = whole(text, from, in_brackets);
    let mut end = whole_end;
    let mut fraction = String::new();
    let mut repeating = String::new();
    let decimal_comma = starts(text, end, "{,}") && digit(text, end + 3);
    if decimal_comma || (at(text, end) == '.' && (digit(text, end + 1) || !repeated(text, end + 1).0.is_empty())) {
        let first = end + if decimal_comma { 3 } else { 1 };
        fraction = run(text, first);
        end = first + fraction.len();
        (repeating, end) = repeated(text, end);
        // `0.(3)` repeats; `2.5(3)` may repeat or multiply.
        if !fraction.is_empty() && !repeating.is_empty() && at(text, end - 1) == ')' {
            return None;
        }
        if at(text, end) == '.' && digit(text, end + 1) {
            return None;
        }
    }
    if digits.is_empty() && fraction.is_empty() && repeating.is_empty() {
        return None;
    }
    let endless = ["...", "…", "\\ldots", "\\dots", "\\cdots"].iter().any(|dots| starts(text, end, dots));
    let plain = end == whole_end && from + digits.len() == end;
    if (endless && !plain) || digits.len() + fraction.len() + repeating.len() > MAX_DIGITS {
        return None;
    }
    let mut value = decimal(&digits, &fraction, &repeating)?;
    let (exponent, after) = exponent(text, end)?;
    value *= power_of_ten(exponent);
    let digits = (plain && after == end).then(|| std::mem::take(&mut digits));
    Some(Numeral { value, digits, end: after })
}

fn at(text: &[char], i: usize) -> char {
    text.get(i).copied().unwrap_or('\0')
}

fn digit(text: &[char], i: usize) -> bool {
    at(text, i).is_ascii_digit()
}

fn run(text: &[char], from: usize) -> String {
    text[from.min(text.len())..].iter().take_while(|c| c.is_ascii_digit()).collect()
}

fn starts(text: &[char], from: usize, wanted: &str) -> bool {
    wanted.chars().enumerate().all(|(i, c)| at(text, from + i) == c)
}

/// The digits before the point, and where they end. Groups of three may be set apart.
fn whole(text: &[char], from: usize, in_brackets: bool) -> (String, usize) {
    const GAPS: [&str; 9] = [",\\!", "{,}", "\\,", "\\ ", "\\;", "~", "\u{2009}", "\u{202f}", " "];
    let mut digits = run(text, from);
    let first_end = from + digits.len();
    if !(1..=3).contains(&digits.len()) || digits.starts_with('0') {
        return (digits, first_end);
    }
    let first = digits.clone();
    let mut end = first_end;
    loop {
        let comma = if !in_brackets && at(text, end) == ',' && digit(text, end + 1) { Some(1) } else { None };
        let Some(gap) = GAPS.iter().find(|gap| starts(text, end, gap)).map(|gap| gap.chars().count()).or(comma) else {
            return (digits, end);
        };
        let group = run(text, end + gap);
        if group.len() != 3 {
            // `1,234,5678` is no grouped number, but a list; a space or a decimal comma behind a group is not part of the number.
            let list = comma == Some(gap) && !group.is_empty();
            return if list { (first, first_end) } else { (digits, end) };
        }
        digits.push_str(&group);
        end += gap + 3;
    }
}

/// `\overline{3}`, `\dot{3}` or `(3)` behind the point: the digits that repeat, and where they end.
fn repeated(text: &[char], from: usize) -> (String, usize) {
    for (open, close) in [("\\overline{", "}"), ("\\dot{", "}"), ("\\bar{", "}"), ("(", ")")] {
        let digits = if starts(text, from, open) { run(text, from + open.len()) } else { String::new() };
        let end = from + open.len() + digits.len();
        if !digits.is_empty() && starts(text, end, close) {
            return (digits, end + 1);
        }
    }
    (String::new(), from)
}

/// The power of ten behind `e`, if one stands there and no letter follows. `None` if it is too large.
fn exponent(text: &[char], from: usize) -> Option<(i32, usize)> {
    let signed = usize::from(matches!(at(text, from + 1), '+' | '-'));
    let digits = run(text, from + 1 + signed);
    let end = from + 1 + signed + digits.len();
    if !matches!(at(text, from), 'e' | 'E') || digits.is_empty() || at(text, end).is_ascii_alphabetic() {
        return Some((0, from));
    }
    let size: i32 = digits.parse().ok().filter(|size| *size <= MAX_EXPONENT)?;
    Some((if at(text, from + 1) == '-' { -size } else { size }, end))
}

fn power_of_ten(exponent: i32) -> BigRational {
    Pow::pow(BigRational::from_integer(10.into()), exponent)
}

/// whole.fraction with digits that repeat for ever behind them.
fn decimal(whole: &str, fraction: &str, repeating: &str) -> Option<BigRational> {
    let integer = |digits: &str| if digits.is_empty() { Some(BigInt::ZERO) } else { digits.parse::<BigInt>().ok() };
    let scale = power_of_ten(i32::try_from(fraction.len()).ok()?);
    let mut value = BigRational::from_integer(integer(&format!("{whole}{fraction}"))?);
    if !repeating.is_empty() {
        let nines = power_of_ten(i32::try_from(repeating.len()).ok()?) - BigRational::one();
        value += BigRational::from_integer(integer(repeating)?) / nines;
    }
    Some(value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, in_brackets: bool) -> Option<(String, usize)> {
        let chars: Vec<char> = text.chars().collect();
        read(&chars, 0, in_brackets).map(|n| (n.value.to_string(), n.end))
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let cases = [
            ("1,234.5", "2469/2"),
            ("1{,}000", "1000"),
            ("1\\,000\\,000", "1000000"),
            ("1,\\!000", "1000"),
            ("12 345", "12345"),
            ("0{,}5", "1/2"),
            (".5", "1/2"),
            ("0.\\overline{3}", "1/3"),
            ("0.1\\overline{6}", "1/6"),
            ("0.(142857)", "1/7"),
            ("1e-3", "1/1000"),
            ("1.5E2", "150"),
        ];
        for (text, wanted) in cases {
            assert_eq!(value(text, false), Some((wanted.to_owned(), text.chars().count())), "`{text}`");
        }
    }

    #[test]
    fn commas_separate_where_they_group_nothing() {
        assert_eq!(value("1,234", true), Some(("1".into(), 1)));
        for (text, end) in [("1,2", 1), ("1, 234", 1), ("1,2345", 1), ("1,234,5678", 1), ("0,123", 1), ("5 12", 1), ("2e", 1), ("2ex", 1)] {
            assert_eq!(value(text, false).map(|v| v.1), Some(end), "`{text}`");
        }
    }

    #[test]
    fn what_is_no_exact_number_is_not_read() {
        for text in ["3.14...", "3.14\\ldots", "1.2.3", "1e99999", "2.5(3)"] {
            assert_eq!(value(text, false), None, "`{text}`");
        }
        assert_eq!(value(&"9".repeat(MAX_DIGITS + 1), false), None);
    }
}
