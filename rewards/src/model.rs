//! A reward model as a reward: what a `[[reward]]` table with `model` says. The model itself needs LibTorch, so whoever builds a
//! [`RewardSet`](crate::RewardSet) of such tables brings what loads it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{KnobCard, RewardCard};

/// The card of rewards that are models.
pub static MODEL_CARD: RewardCard = RewardCard {
    name: "model",
    claim: "A reward model scores the answers: a run of `reward_model`, or any classifier directory of one label.",
    knobs: &[
        KnobCard { name: "model", help: "Its directory, its run or its checkpoint.", default: "\"\"" },
        KnobCard { name: "micro_tokens", help: "Tokens of a forward pass at most; one answer may be longer.", default: "4096" },
    ],
    // What it says depends on the model.
    cases: &[],
};

/// The knobs of a reward that is a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Its directory, its run or its checkpoint.
    pub model: PathBuf,
    /// Tokens of a forward pass at most; one answer may be longer.
    pub micro_tokens: usize,
}

impl ModelSettings {
    /// Refuses what means nothing.
    ///
    /// # Errors
    /// The first fault, with what is possible.
    pub fn check(&self) -> Result<(), String> {
        if self.model.as_os_str().is_empty() {
            return Err("`model` = \"\" is not possible: the directory of a reward model".into());
        }
        if self.micro_tokens == 0 {
            return Err("`micro_tokens` = 0 is not possible: 1 or more".into());
        }
        Ok(())
    }

    /// What a recipe calls it if it gives no name: the last part of its path.
    #[must_use]
    pub fn name_of(path: &str) -> Option<String> {
        Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned())
    }
}
