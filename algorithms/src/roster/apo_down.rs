//! APO-down (D'Oosterlinck et al. 2024, arXiv:2408.06266): both answers fall, the preferred one less.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "apo_down",
    family: Family::Pairs,
    claim: "Anchored preference optimisation for preferred answers that are worse than the policy's own: both fall, the other one further.",
    paper: "D'Oosterlinck et al. 2024, Anchored Preference Optimization, arXiv:2408.06266",
    equation: "r = beta (log pi - log pi_ref)\nL = mean [ sigmoid(r_chosen) + 1 - sigmoid(r_chosen - r_rejected) ]",
    parts: &["preference::log_ratio", "apo_down::Downward"],
    knobs: &[&[preference::beta("0.1"), preference::SFT_WEIGHT]],
};

/// `σ(r⁺) + 1 − σ(r⁺ − r⁻)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Downward {
    beta: f64,
}

impl PairRule for Downward {
    fn name(&self) -> &'static str {
        "apo_down::Downward"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        (chosen * self.beta).sigmoid() - ((chosen - rejected) * self.beta).sigmoid() + 1.0
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs { beta: 0.1, ..Knobs::default() })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule: Box::new(Downward { beta }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("apo_down", json!({"beta": 0.1}), &[("apo_down", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("apo_down");
    }
}
