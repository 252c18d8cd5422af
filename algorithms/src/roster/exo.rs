//! EXO (Ji et al. 2024, arXiv:2402.00856): the reverse KL between the policy's and the label's distribution over the pair.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, Knob, KnobError, Objective, Pairs,
    knobs::positive,
    preference::{self, Knobs, PairRule, Preference, SMOOTHING, Score},
};

pub(super) static CARD: Card = Card {
    name: "exo",
    family: Family::Pairs,
    claim: "Efficient exact optimisation: the reverse KL to the (smoothed) label over the two answers, where DPO has the forward one.",
    paper: "Ji et al. 2024, Towards Efficient Exact Optimization of Language Model Alignment, arXiv:2402.00856, eq. 16",
    equation: "d = beta (h_chosen - h_rejected),  h = log pi - log pi_ref\n\
               L = mean [ s(d) (log s(d) - log(1-e)) + s(-d) (log s(-d) - log e) ],  s = sigmoid",
    parts: &["preference::log_ratio", "exo::ReverseKl"],
    knobs: &[&[preference::beta("0.1"), Knob { default: "0.001", ..SMOOTHING }, preference::SFT_WEIGHT]],
};

/// `KL(σ(±d) ‖ (1 − ε, ε))`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ReverseKl {
    beta: f64,
    epsilon: f64,
}

impl PairRule for ReverseKl {
    fn name(&self) -> &'static str {
        "exo::ReverseKl"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let d = (chosen - rejected) * self.beta;
        let won = d.sigmoid() * (d.log_sigmoid() - (-self.epsilon).ln_1p());
        let lost = (-&d).sigmoid() * ((-&d).log_sigmoid() - self.epsilon.ln());
        won + lost
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let defaults = Knobs { label_smoothing: 1e-3, ..Knobs::default() };
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &defaults)?;
    // The reverse KL to a label without doubt is infinite.
    positive(&CARD, "label_smoothing", label_smoothing)?;
    let rule = Box::new(ReverseKl { beta, epsilon: label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("exo", json!({"label_smoothing": 0.1}), &[("exo_pair", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("exo");
    }
}
