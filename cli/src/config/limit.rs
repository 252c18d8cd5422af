//! Which values of its type a key may have.

use std::fmt;

/// Which values of its type a key may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// All.
    Any,
    /// This or more.
    AtLeast(f64),
    /// More than this.
    Above(f64),
    /// From the first to the second, both possible.
    Between(f64, f64),
    /// More than the first and at most the second.
    AboveUpTo(f64, f64),
    /// From the first, possible, to the second, not possible.
    FromBelow(f64, f64),
    /// A text that is not empty, or a list of such.
    NotEmpty,
}

impl Limit {
    /// Whether the number is possible.
    #[must_use]
    pub fn admits(self, x: f64) -> bool {
        match self {
            Self::Any | Self::NotEmpty => true,
            Self::AtLeast(low) => x >= low,
            Self::Above(low) => x > low,
            Self::Between(low, high) => x >= low && x <= high,
            Self::AboveUpTo(low, high) => x > low && x <= high,
            Self::FromBelow(low, high) => x >= low && x < high,
        }
    }

    /// Whether the text is possible.
    #[must_use]
    pub fn admits_text(self, text: &str) -> bool {
        self != Self::NotEmpty || !text.is_empty()
    }

    /// Adds the limit to the JSON schema of a number or a text.
    pub(super) fn describe(self, schema: &mut serde_json::Map<String, serde_json::Value>) {
        let mut put = |key: &str, x: f64| {
            schema.insert(key.into(), x.into());
        };
        match self {
            Self::Any => {}
            Self::AtLeast(low) => put("minimum", low),
            Self::Above(low) => put("exclusiveMinimum", low),
            Self::Between(low, high) => {
                put("minimum", low);
                put("maximum", high);
            }
            Self::AboveUpTo(low, high) => {
                put("exclusiveMinimum", low);
                put("maximum", high);
            }
            Self::FromBelow(low, high) => {
                put("minimum", low);
                put("exclusiveMaximum", high);
            }
            Self::NotEmpty => {
                schema.insert("minLength".into(), 1.into());
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => write!(f, "any"),
            Self::AtLeast(low) => write!(f, "{low} or more"),
            Self::Above(low) => write!(f, "more than {low}"),
            Self::Between(low, high) => write!(f, "{low} to {high}"),
            Self::AboveUpTo(low, high) => write!(f, "more than {low} and at most {high}"),
            Self::FromBelow(low, high) => write!(f, "{low} or more and less than {high}"),
            Self::NotEmpty => write!(f, "not empty"),
        }
    }
}
