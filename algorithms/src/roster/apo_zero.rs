//! APO-zero (D'Oosterlinck et al. 2024, arXiv:2408.06266): preferred answers rise, the others fall, each for itself.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "apo_zero",
    family: Family::Pairs,
    claim: "Anchored preference optimisation for preferred answers that are better than the policy's own: they rise, the others fall.",
    paper: "D'Oosterlinck et al. 2024, Anchored Preference Optimization, arXiv:2408.06266",
    equation: "r = beta (log pi - log pi_ref)\nL = mean [ 1 - sigmoid(r_chosen) + sigmoid(r_rejected) ]",
    parts: &["preference::log_ratio", "apo_zero::Anchored"],
    knobs: &[&[preference::beta("0.1"), preference::SFT_WEIGHT]],
};

/// `1 − σ(r⁺) + σ(r⁻)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Anchored {
    beta: f64,
}

impl PairRule for Anchored {
    fn name(&self) -> &'static str {
        "apo_zero::Anchored"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        (rejected * self.beta).sigmoid() - (chosen * self.beta).sigmoid() + 1.0
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs { beta: 0.1, ..Knobs::default() })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule: Box::new(Anchored { beta }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("apo_zero", json!({"beta": 0.1}), &[("apo_zero", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("apo_zero");
    }
}
