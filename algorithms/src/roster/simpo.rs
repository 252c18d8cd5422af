//! SimPO (Meng et al. 2024, arXiv:2405.14734): log-likelihood by token as the reward, no reference, and a margin to win by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Card, Family, Knob, KnobError, Objective, Pairs,
    knobs::{read, within},
    preference::{self, Knobs, Logistic, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "simpo",
    family: Family::Pairs,
    claim: "Simple preference optimisation: log-likelihood by token is the reward, the preferred answer wins by a margin, no reference.",
    paper: "Meng et al. 2024, SimPO, arXiv:2405.14734, eq. 6",
    equation: "h = log pi / len, over the answer\nL = mean [ -log sigmoid(beta (h_chosen - h_rejected) - gamma) ]",
    parts: &["preference::log_prob_mean", "preference::logistic"],
    knobs: &[
        &[preference::beta("2.0"), Knob { name: "gamma", help: "By how much the preferred answer must win.", default: "1.0" }],
        &[preference::SMOOTHING, preference::SFT_WEIGHT],
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    gamma: f64,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs { beta: 2.0, ..Knobs::default() })?;
    let Own { gamma } = read(&CARD, given, &Own { gamma: 1.0 })?;
    within(&CARD, "gamma", gamma, (0.0, f64::INFINITY))?;
    let rule = Box::new(Logistic { beta, margin: gamma, label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogProbMean, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("simpo");
    }
}
