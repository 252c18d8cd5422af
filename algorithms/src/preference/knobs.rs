//! The knobs that losses of preferences share, with what is said of them on cards.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Card, Knob, KnobError,
    knobs::{positive, read, within},
};

/// All shared knobs. A card lists those that its loss has; the others keep the values that the loss sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knobs {
    /// β: how much a score counts.
    pub beta: f64,
    /// ε: how often a label is taken to be wrong.
    pub label_smoothing: f64,
    /// α: the weight of a supervised term.
    pub sft_weight: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { beta: 0.1, label_smoothing: 0.0, sft_weight: 0.0 }
    }
}

/// β with its default.
#[must_use]
pub const fn beta(default: &'static str) -> Knob {
    Knob { name: "beta", help: "How much a score counts; with a reference, the larger the closer to it.", default }
}

/// ε, for losses of the difference of two scores.
pub const SMOOTHING: Knob = Knob { name: "label_smoothing", help: "How often a label is taken to be wrong, below 0.5.", default: "0.0" };

/// α.
pub const SFT_WEIGHT: Knob = Knob {
    name: "sft_weight",
    help: "Weight of the negative log-likelihood of the preferred answers, by token (Pang et al. 2024, arXiv:2404.19733).",
    default: "0.0",
};

impl Knobs {
    /// Reads the shared knobs of a table over a loss's defaults.
    ///
    /// # Errors
    /// When a knob is unknown or out of range.
    pub fn read(card: &'static Card, given: &Value, defaults: &Self) -> Result<Self, KnobError> {
        let knobs: Self = read(card, given, defaults)?;
        positive(card, "beta", knobs.beta)?;
        within(card, "label_smoothing", knobs.label_smoothing, (0.0, 0.499_999))?;
        within(card, "sft_weight", knobs.sft_weight, (0.0, f64::INFINITY))?;
        Ok(knobs)
    }
}
