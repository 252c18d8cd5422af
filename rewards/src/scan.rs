//! Finds numbers in running text, from left to right, looking at each byte a bounded number of times.

use crate::Number;
use crate::number::Decimal;

/// A number, and whether a percent sign follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) number: Number,
    pub(crate) percent: bool,
}

/// A text that is nothing but a number.
pub(crate) fn whole(text: &str) -> Option<Reading> {
    let text = text.trim();
    let (token, end) = Scanner::new(text).next_token()?;
    let tail = text[end..].trim_start();
    let tail = tail.strip_prefix('%').unwrap_or(tail);
    let head = &text[..token.start];
    let count = |wanted: fn(char) -> bool| head.chars().filter(|c| wanted(*c)).count();
    let (signs, money) = (count(is_sign), count(is_money));
    let others = count(|c| !is_sign(c) && !is_money(c) && !c.is_whitespace());
    let clean = matches!(tail, "" | ".") && others == 0 && money <= 1 && signs + usize::from(token.signed) <= 1;
    let reading = token.reading.filter(|_| clean)?;
    let minus = head.contains(['-', '−']);
    Some(if minus { Reading { number: reading.number.negated(), ..reading } } else { reading })
}

/// The last number of a text. A fraction with denominator 0, a date or a number with too many digits is unreadable: `None`.
pub(crate) fn last_in(text: &str) -> Option<Reading> {
    let mut scanner = Scanner::new(text);
    let mut last = None;
    while let Some((token, _)) = scanner.next_token() {
        last = token.reading;
    }
    last
}

/// The first number of a text and where it starts.
pub(crate) fn first_in(text: &str) -> Option<(usize, Reading)> {
    let (token, _) = Scanner::new(text).next_token()?;
    Some((token.start, token.reading?))
}

/// A number as it stands in a text.
struct Token {
    /// Where it starts, its signs included.
    start: usize,
    signed: bool,
    /// `None` if it stands for no number that can be compared.
    reading: Option<Reading>,
}

/// Finds numbers from left to right.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next number and where it ends.
    fn next_token(&mut self) -> Option<(Token, usize)> {
        loop {
            let first = self.find_digits()?;
            if let Some(found) = self.token(first) {
                return Some(found);
            }
        }
    }

    /// Where the next digits start, or the point before them.
    fn find_digits(&self) -> Option<usize> {
        let at = self.at + self.text.as_bytes()[self.at..].iter().position(u8::is_ascii_digit)?;
        // `.5` starts at its point, unless the point ends something.
        let pointed = at > self.at && self.byte(at - 1) == b'.' && !(at > 1 && word_byte(self.byte(at - 2)));
        Some(if pointed { at - 1 } else { at })
    }

    /// Reads a number at its first digit or point; `None` if the digits are part of a word such as `H2O`.
    fn token(&mut self, first: usize) -> Option<(Token, usize)> {
        let in_word = first > 0 && (self.byte(first - 1).is_ascii_alphabetic() || self.byte(first - 1) == b'_');
        let (over, end) = self.decimal(first);
        let (mut value, mut end) = (over, end);
        let mut under = Decimal::new("1", "", 0);
        let mut slashes = 0;
        // The whole chain is read, so that `1/2/2024` is one token and no number.
        while self.byte(end) == b'/' && self.byte(end + 1).is_ascii_digit() {
            let (next, after) = self.decimal(end + 1);
            under = next;
            slashes += 1;
            end = after;
        }
        self.at = end;
        if in_word {
            return None;
        }
        if slashes > 1 {
            value = None;
        }
        let (start, sign) = self.signs_before(first);
        let negative = sign == Some('-');
        let number = value.zip(under).and_then(|(over, under)| Number::ratio(negative, over, under));
        let percent = self.byte(end) == b'%';
        Some((Token { start, signed: sign.is_some(), reading: number.map(|number| Reading { number, percent }) }, end))
    }

    /// Digits with thousands commas, a fraction and an exponent; and where they end.
    fn decimal(&self, first: usize) -> (Option<Decimal>, usize) {
        let whole_end = self.whole(first);
        let mut end = whole_end;
        let mut fraction = "";
        if self.byte(end) == b'.' && self.byte(end + 1).is_ascii_digit() {
            let after = self.digits(end + 1);
            fraction = &self.text[end + 1..after];
            end = after;
        }
        let (exponent, end) = self.exponent(end);
        let decimal = exponent.and_then(|e| Decimal::new(&self.text[first..whole_end], fraction, e));
        (decimal, end)
    }

    /// The end of the whole part: `1,234,567`, where every comma has three digits after it and one to three before the first.
    fn whole(&self, first: usize) -> usize {
        let mut end = self.digits(first);
        if !(1..=3).contains(&(end - first)) {
            return end;
        }
        while self.byte(end) == b',' && self.digits_at_most(end + 1, 4) == end + 4 {
            end += 4;
        }
        end
    }

    /// The exponent after `e` or `E`, if one stands there and no letter follows; `None` if it is too large to be kept.
    fn exponent(&self, at: usize) -> (Option<i64>, usize) {
        let signed = usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
        let from = at + 1 + signed;
        if !matches!(self.byte(at), b'e' | b'E') || !self.byte(from).is_ascii_digit() {
            return (Some(0), at);
        }
        let end = self.digits(from);
        if word_byte(self.byte(end)) {
            return (Some(0), at);
        }
        let size = self.text[from..end].trim_start_matches('0');
        let size = if size.is_empty() { Some(0) } else { size.parse::<i32>().ok().map(i64::from) };
        (size.map(|s| if self.byte(at + 1) == b'-' { -s } else { s }), end)
    }

    fn digits(&self, from: usize) -> usize {
        self.digits_at_most(from, usize::MAX)
    }

    fn digits_at_most(&self, from: usize, most: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        from + rest.iter().take(most).take_while(|b| b.is_ascii_digit()).count()
    }

    /// The sign and the currency sign before a number, in either order, and where they start. A minus after a digit, a letter or a closing
    /// bracket is an operator (`7-5`), not a sign.
    fn signs_before(&self, first: usize) -> (usize, Option<char>) {
        let mut head = &self.text[..first];
        let mut sign = None;
        let mut money = false;
        while let Some(last) = head.chars().next_back() {
            let rest = &head[..head.len() - last.len_utf8()];
            match last {
                c if is_money(c) && !money => money = true,
                c if is_sign(c) && sign.is_none() && !rest.chars().next_back().is_some_and(ends_term) => {
                    sign = Some(if last == '+' { '+' } else { '-' });
                }
                _ => break,
            }
            head = rest;
        }
        (head.len(), sign)
    }
}

fn is_sign(c: char) -> bool {
    matches!(c, '-' | '−' | '+')
}

fn is_money(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥')
}

fn word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn ends_term(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ')' | ']' | '}' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_number_of_a_text_is_found() {
        let cases = [
            ("so 7-5 = 2", "2"),
            ("12-5", "5"),
            ("it is -5", "-5"),
            ("(-5)", "-5"),
            ("x=-5.", "-5"),
            ("5 - 3", "3"),
            ("about $1,234.50, I think", "1234.5"),
            ("1, 2, 3", "3"),
            ("1,2,3", "3"),
            ("2,500,000 people", "2500000"),
            ("42km of H2O", "42"),
            ("12 apples.", "12"),
            ("2eggs", "2"),
            ("1e3 m", "1000"),
            ("3/4 cup", "3/4"),
            ("v1.2.3", "3"),
            ("is .5", "1/2"),
            ("end.5", "5"),
            ("答案是42。", "42"),
            ("5–7", "7"),
            ("**42**", "42"),
            ("50% off", "50"),
            ("1,234,5678", "5678"),
            ("€−7", "-7"),
        ];
        for (text, wanted) in cases {
            assert_eq!(last_in(text).map(|r| r.number), Number::parse(wanted), "`{text}`");
        }
        for text in ["", "none", "H2O", "5 or 1/0", "on 1/2/2024"] {
            assert_eq!(last_in(text), None, "`{text}`");
        }
        assert_eq!(first_in("= 3 or 4").map(|(at, r)| (at, r.number)), Number::parse("3").map(|n| (2, n)));
        assert!(last_in("50% off").unwrap().percent && !last_in("50 % 7").unwrap().percent);
    }

    proptest! {
        #[test]
        fn a_number_in_a_sentence_is_read_as_it_stands_alone(a in -1_000_000_i64..1_000_000, cents in 0_u8..100, tail in "[ .!?)]{0,3}") {
            let alone = format!("{a}.{cents:02}");
            prop_assert_eq!(last_in(&format!("Of 3 ways: {alone}{tail}")).map(|r| r.number), Number::parse(&alone));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[-+−$0-9.,/eE %x{}\\\\]{0,40}") {
            let (_, _, _) = (whole(&text), last_in(&text), first_in(&text));
        }
    }
}
