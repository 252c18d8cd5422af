//! The verifier of mathematical answers.
//!
//! ```text
//! response ── extract ──► text ── lex ──► tokens ── parse, shape, read ──► Answer ─┐
//! truth ─────────────────────────────── the same ─────────────────────────► Answer ─┴─ compare ──► equal or not
//! ```
//!
//! Values are exact rationals as long as that is possible, else numbers of 512 bits with a bound of their error. Expressions with variables
//! are compared at points that are the same in every run (polynomial identity testing: Schwartz 1980, Zippel 1979). Sets of real numbers
//! have a normal form; tuples, lists and matrices are compared part by part.
//!
//! Two answers are equal only if that is shown: what cannot be read, what is out of reach and what the step budget does not pay for is
//! different. So a decimal equals a fraction only if it is that number: 0.3333 is not 1/3.

mod budget;
mod compare;
mod eval;
mod extract;
mod lex;
mod line;
mod number;
mod numeral;
mod parse;
mod points;
mod read;
mod shape;
mod token;
mod tree;
mod unit;
mod words;

pub use extract::Place;

use budget::Budget;
use tree::Answer;

/// Steps that one comparison may take: some ten milliseconds.
const STEPS: u64 = 200_000;

/// A true answer, read once and compared with many.
#[derive(Debug, Clone)]
pub struct Truth {
    answer: Answer,
}

/// Why a truth cannot be compared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MathError {
    /// It is not of the subset of LaTeX and plain text that is read.
    #[error("the truth `{shown}` is no answer that can be read (docs/math-verifier.md lists what can)")]
    Unread {
        /// Its first characters.
        shown: String,
    },
}

impl Truth {
    /// Reads a truth: a bare answer, or a solution that marks its answer by `\boxed{}` or `####`.
    ///
    /// # Errors
    /// If it cannot be read.
    ///
    /// ```
    /// use collimate_rewards::math::{Place, Truth};
    /// let truth = Truth::read(r"\frac{\sqrt{3}}{3}").unwrap();
    /// assert!(truth.equals(r"So it is \boxed{1/\sqrt{3}}.", Place::Auto));
    /// assert!(!truth.equals(r"So it is \boxed{0.577}.", Place::Auto));
    /// assert!(Truth::read(r"\int_0^1 x\,dx").is_err());
    /// ```
    pub fn read(text: &str) -> Result<Self, MathError> {
        let unread = || MathError::Unread { shown: text.chars().take(60).collect() };
        let answer = read::read(extract::of_truth(text)).map_err(|_| unread())?;
        Ok(Self { answer })
    }

    /// Whether a response gives this answer. Bounded work, whatever the response is.
    #[must_use]
    pub fn equals(&self, response: &str, place: Place) -> bool {
        let Some(answer) = place.find(response) else { return false };
        compare::same(&self.answer, &answer, &mut Budget::new(STEPS)).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
