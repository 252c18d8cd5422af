//! Robust DPO (Chowdhury et al. 2024, arXiv:2403.00409): an unbiased estimate of the loss when labels are flipped at a known rate.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, Knob, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, SMOOTHING, Score},
};

pub(super) static CARD: Card = Card {
    name: "robust",
    family: Family::Pairs,
    claim: "DPO for labels that are flipped at a known rate: its mean over the flips is the loss of the clean labels.",
    paper: "Chowdhury et al. 2024, Provably Robust DPO, arXiv:2403.00409",
    equation: "d = beta (h_chosen - h_rejected),  h = log pi - log pi_ref\n\
               L = mean [ (-(1-e) log sigmoid(d) + e log sigmoid(-d)) / (1 - 2 e) ]",
    parts: &["preference::log_ratio", "robust::Unflipped"],
    knobs: &[&[preference::beta("0.1"), Knob { default: "0.1", ..SMOOTHING }, preference::SFT_WEIGHT]],
};

/// `(−(1 − ε)·log σ(d) + ε·log σ(−d)) / (1 − 2ε)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unflipped {
    beta: f64,
    epsilon: f64,
}

impl PairRule for Unflipped {
    fn name(&self) -> &'static str {
        "robust::Unflipped"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let (d, e) = ((chosen - rejected) * self.beta, self.epsilon);
        ((-&d).log_sigmoid() * e - d.log_sigmoid() * (1.0 - e)) / (1.0 - 2.0 * e)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let defaults = Knobs { label_smoothing: 0.1, ..Knobs::default() };
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &defaults)?;
    let rule = Box::new(Unflipped { beta, epsilon: label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("robust", json!({}), &[("robust", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("robust");
    }
}
