//! What a built-in reward is, for the documentation, the command line and the tests.

use collimate_types::Reward;
use serde_json::{Map, Value};

use crate::RewardError;

/// A reward that ships with the program.
pub trait Builtin: Sync {
    /// What it is.
    fn card(&self) -> &'static RewardCard;

    /// Sets it up. Knobs that are not given have their defaults.
    ///
    /// # Errors
    /// Every knob that does not exist, has the wrong type or means nothing.
    fn build(&self, knobs: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>>;
}

impl std::fmt::Debug for dyn Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builtin({})", self.card().name)
    }
}

/// What a reward is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardCard {
    /// Its name in `[[reward]]`.
    pub name: &'static str,
    /// What it rewards, in a sentence.
    pub claim: &'static str,
    /// Its settings.
    pub knobs: &'static [KnobCard],
    /// What it says of some answers. A test holds it to them.
    pub cases: &'static [CardCase],
}

/// An answer and what a reward says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CardCase {
    /// The knobs that are given, as a JSON object.
    pub knobs: &'static str,
    /// The truth, as JSON.
    pub truth: &'static str,
    /// The answer.
    pub answer: &'static str,
    /// The score; `None` if the reward cannot judge the answer.
    pub score: Option<f64>,
}

impl CardCase {
    /// A case of the default knobs.
    #[must_use]
    pub const fn new(truth: &'static str, answer: &'static str, score: f64) -> Self {
        Self { knobs: "{}", truth, answer, score: Some(score) }
    }

    /// The same case with other knobs.
    #[must_use]
    pub const fn with(self, knobs: &'static str) -> Self {
        Self { knobs, ..self }
    }

    /// An answer that cannot be judged.
    #[must_use]
    pub const fn unscorable(truth: &'static str, answer: &'static str) -> Self {
        Self { knobs: "{}", truth, answer, score: None }
    }
}

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnobCard {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Its value when it is not given, as JSON.
    pub default: &'static str,
}
