//! SPPO (Wu et al. 2024, arXiv:2405.00675): self-play, with the label of the pair as the whole probability of winning.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "sppo",
    family: Family::Pairs,
    claim: "Self-play preference optimisation with hard labels: log-ratios are pulled to +1/(2 beta) and -1/(2 beta).",
    paper: "Wu et al. 2024, Self-Play Preference Optimization, arXiv:2405.00675, eq. 4.7",
    equation: "h = log pi - log pi_ref, summed over the answer\nL = mean [ (h_chosen - 1/(2 beta))^2 + (h_rejected + 1/(2 beta))^2 ]",
    parts: &["preference::log_ratio", "sppo::SelfPlay"],
    knobs: &[&[preference::beta("0.001"), preference::SFT_WEIGHT]],
};

/// `(h⁺ − 1/(2β))² + (h⁻ + 1/(2β))²`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct SelfPlay {
    beta: f64,
}

impl PairRule for SelfPlay {
    fn name(&self) -> &'static str {
        "sppo::SelfPlay"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let goal = 0.5 / self.beta;
        (chosen - goal).square() + (rejected + goal).square()
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs { beta: 0.001, ..Knobs::default() })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule: Box::new(SelfPlay { beta }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("sppo", json!({"beta": 0.1}), &[("sppo_hard", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("sppo");
    }
}
