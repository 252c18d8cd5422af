//! DPO (Rafailov et al. 2023, arXiv:2305.18290): the policy is its own reward model.

use serde_json::Value;

use crate::{
    Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, Logistic, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "dpo",
    family: Family::Pairs,
    claim: "Direct preference optimisation: the log-ratio to the reference is the reward, and the preferred answer is to win.",
    paper: "Rafailov et al. 2023, Direct Preference Optimization, arXiv:2305.18290, eq. 7",
    equation: "h = log pi - log pi_ref, summed over the answer\nL = mean [ -log sigmoid(beta (h_chosen - h_rejected)) ]",
    parts: &["preference::log_ratio", "preference::logistic"],
    knobs: &[&[preference::beta("0.1"), preference::SMOOTHING, preference::SFT_WEIGHT]],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs::default())?;
    let rule = Box::new(Logistic { beta, margin: 0.0, label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn losses_equal_trls() {
        loss("dpo", json!({}), &[("sigmoid", 1.0)]);
        loss("dpo", json!({"sft_weight": 0.5}), &[("sigmoid", 1.0), ("sft", 0.5)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("dpo");
    }
}
