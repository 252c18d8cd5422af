//! Exact numbers as people and models write them.
//!
//! A number is a decimal or a fraction of two, kept as digits and a power of ten, so that comparing `1e999999` with `5` costs nothing:
//! a/b = c/d is decided as a·d = c·b, a product of at most [`MAX_DIGITS`] digits each.

use num_bigint::BigUint;

use crate::scan;

/// The most significant digits that are read. No verifiable answer is longer, and a longer one must not cost more.
pub(crate) const MAX_DIGITS: usize = 1000;

/// An exact rational number. Equality is that of the values: `0.5`, `.50` and `1/2` are equal.
#[derive(Debug, Clone)]
pub struct Number {
    negative: bool,
    over: Decimal,
    under: Decimal,
}

/// digits · 10^exponent, at least 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Without zeros at either end; empty for 0.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// From digits before and after the point; `None` if there are too many.
    pub(crate) fn new(whole: &str, fraction: &str, exponent: i64) -> Option<Self> {
        let digits: String = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit).map(char::from).collect();
        let fraction = i64::try_from(fraction.len()).ok()?;
        Self::normal(&digits, exponent.checked_sub(fraction)?)
    }

    fn normal(digits: &str, exponent: i64) -> Option<Self> {
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.len() > MAX_DIGITS {
            return None;
        }
        let exponent = if kept.is_empty() { 0 } else { exponent.checked_add(i64::try_from(digits.len() - kept.len()).ok()?)? };
        Some(Self { digits: kept.to_owned(), exponent })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The exact product, as digits without zeros at the end and a power of ten.
    fn times(&self, other: &Self) -> (String, i128) {
        let value = |d: &Self| BigUint::parse_bytes(d.digits.as_bytes(), 10).unwrap_or_default();
        let product = (value(self) * value(other)).to_string();
        let kept = product.trim_end_matches('0');
        let zeros = (product.len() - kept.len()) as i128;
        let exponent = i128::from(self.exponent) + i128::from(other.exponent) + zeros;
        if kept.is_empty() { (String::new(), 0) } else { (kept.to_owned(), exponent) }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        if self.over.is_zero() || other.over.is_zero() {
            return self.over.is_zero() && other.over.is_zero();
        }
        self.negative == other.negative && self.over.times(&other.under) == other.over.times(&self.under)
    }
}

impl Number {
    /// Reads a text that is nothing but a number: a sign (`-`, `+` or `−`), a currency sign, digits with thousands commas, a decimal point,
    /// an exponent, `/` and a denominator, a percent sign, a full stop at the end. White space around it and after the signs is allowed.
    ///
    /// ```
    /// use collimate_rewards::Number;
    /// assert_eq!(Number::parse("$1,000."), Number::parse("1e3"));
    /// assert_eq!(Number::parse("−1/2"), Number::parse("-.50"));
    /// assert_eq!(Number::parse("42 apples"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(scan::whole(text)?.number)
    }

    /// `None` if the denominator is 0.
    pub(crate) fn ratio(negative: bool, over: Decimal, under: Decimal) -> Option<Self> {
        if under.is_zero() { None } else { Some(Self { negative, over, under }) }
    }

    /// The number with the other sign.
    pub(crate) fn negated(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    /// The number divided by 100.
    #[must_use]
    pub fn hundredth(mut self) -> Self {
        if !self.over.is_zero() {
            self.over.exponent = self.over.exponent.saturating_sub(2);
        }
        self
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use proptest::prelude::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("`{text}` was not read"))
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        let same: [&[&str]; 9] = [
            &["0.5", "1/2", ".50", "50/100", "5e-1", "0.5e0", "1.5/3", "+.5"],
            &["1,000", "1000", "1e3", "$1,000.00", "1000.", "$ 1000", "1E+3", "0.1e4"],
            &["-3", "−3", "-3.0", "-6/2", "-$3", "$-3", "- 3"],
            &["0", "-0", "0.000", "0/7", "0e999", "000"],
            &["42", "42.", " 42 ", "042", "42%"],
            &["1,234,567.89", "1234567.890"],
            &["1e999999", "10e999998", "0.01e1000001"],
            &["1/3", "2/6"],
            &["-1/2", "−.5"],
        ];
        for (i, group) in same.iter().enumerate() {
            assert!(group.iter().all(|t| n(t) == n(group[0])), "{group:?}");
            for other in &same[i + 1..] {
                assert_ne!(n(group[0]), n(other[0]));
            }
        }
        assert_ne!(n("0.333333333333333333"), n("1/3"));
        assert_ne!(n("3"), n("-3"));
        assert_eq!(n("50").hundredth(), n("1/2"));
    }

    #[test]
    fn what_is_not_one_number_is_not_read() {
        for text in
            ["", "-", ".", "$", "x", "4 2", "1,00", "1,0000", "1/0", "1/2/2024", "42 km", "x42", "--5", "1e", "1e99999999999", "3-4"]
        {
            assert_eq!(Number::parse(text), None, "`{text}`");
        }
    }

    #[test]
    fn too_many_digits_are_not_read() {
        assert!(Number::parse(&"9".repeat(MAX_DIGITS)).is_some());
        assert_eq!(Number::parse(&"9".repeat(MAX_DIGITS + 1)), None);
        assert_eq!(n(&format!("1{}", "0".repeat(5000))), n("1e5000"));
        assert_eq!(n(&format!("{}7.{}", "0".repeat(5000), "0".repeat(5000))), n("7"));
    }

    proptest! {
        #[test]
        fn fractions_compare_as_rationals_do(a in -500_i64..500, b in 1_i64..60, c in -500_i64..500, d in 1_i64..60) {
            prop_assert_eq!(n(&format!("{a}/{b}")) == n(&format!("{c}/{d}")), a * d == c * b);
        }
    }
}
