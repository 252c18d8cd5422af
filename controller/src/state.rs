//! What a checkpoint keeps of the controller, and what a progress line shows of it.

use std::fmt;

use collimate_types::{Seed, WeightsVersion};
use serde::{Deserialize, Serialize};

/// The controller at a boundary: all that a resumed run needs to give the commands of an undisturbed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerState {
    /// The run's seed.
    pub seed: Seed,
    /// How many steps are done.
    pub step: u64,
    /// The version that the actors run.
    pub version: WeightsVersion,
    /// The best held-out score so far.
    pub best: Option<Best>,
    /// How many of the last steps in a row had no group to train on.
    pub starved_in_a_row: u64,
    /// How many of the last steps in a row made no update because nothing was finite.
    pub not_finite_in_a_row: u64,
    /// The versions published before that one, oldest first, as many as the staleness bound reaches back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<WeightsVersion>,
}

impl ControllerState {
    /// The oldest version that may be trained on. Age is counted in published versions, one a flow step; a version itself counts updates, of
    /// which a step makes several.
    #[must_use]
    pub fn oldest(&self, max_staleness: u64) -> WeightsVersion {
        let back = usize::try_from(max_staleness).unwrap_or(usize::MAX).min(self.recent.len());
        self.recent.get(self.recent.len() - back).copied().unwrap_or(self.version)
    }

    /// New weights are published.
    pub(crate) fn publish(&mut self, version: WeightsVersion, max_staleness: u64) {
        if version != self.version {
            self.recent.push(self.version);
            let reach = usize::try_from(max_staleness).unwrap_or(usize::MAX);
            self.recent.drain(..self.recent.len().saturating_sub(reach));
            self.version = version;
        }
    }
}

/// The boundary with the best held-out score. Of equal scores the earlier one stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The boundary.
    pub step: u64,
    /// Its score, finite.
    pub score: f64,
}

/// What the controller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// To be started.
    Idle,
    /// Prompts of the data.
    Tasks,
    /// Completions.
    Generate,
    /// Verdicts.
    Score,
    /// The reference's log-probs.
    Reference,
    /// Credit for every token.
    Credit,
    /// The learner's updates.
    Update,
    /// New weights to be available.
    Publish,
    /// New weights to be in use.
    Adopt,
    /// A held-out score.
    Evaluate,
    /// A complete checkpoint.
    Save,
    /// Nothing: the run is over.
    Finished,
}

/// One word, for a progress line.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::Tasks => "tasks",
            Self::Generate => "generate",
            Self::Score => "score",
            Self::Reference => "reference",
            Self::Credit => "credit",
            Self::Update => "update",
            Self::Publish => "publish",
            Self::Adopt => "adopt",
            Self::Evaluate => "evaluate",
            Self::Save => "save",
            Self::Finished => "finished",
        })
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// What the controller waits for.
    pub phase: Phase,
    /// The step under way, or the steps done where none is.
    pub step: u64,
    /// How many steps the run has.
    pub steps: u64,
    /// The version that the actors run.
    pub version: WeightsVersion,
    /// Which refill of the step is under way.
    pub refill: u32,
    /// The best held-out score so far.
    pub best: Option<Best>,
    /// Whether a stop was asked for.
    pub stopping: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_counted_in_published_versions_and_reaches_back_as_far_as_is_known() {
        let mut state = ControllerState {
            seed: Seed(1),
            step: 0,
            version: 0,
            best: None,
            starved_in_a_row: 0,
            not_finite_in_a_row: 0,
            recent: Vec::new(),
        };
        assert_eq!(state.oldest(5), 0);
        for version in [4, 4, 8, 12, 16] {
            state.publish(version, 3);
        }
        assert_eq!((state.version, &state.recent[..]), (16, &[4, 8, 12][..]));
        assert_eq!([0, 1, 2, 3, 9].map(|back| state.oldest(back)), [16, 12, 8, 4, 4]);
    }
}
