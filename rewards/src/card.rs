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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewardCard {
    /// Its name in `[[reward]]`.
    pub name: &'static str,
    /// What it rewards, in a sentence.
    pub claim: &'static str,
    /// Its settings.
    pub knobs: &'static [KnobCard],
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
