//! NCA (Chen et al. 2024, arXiv:2402.05369): noise contrastive alignment; the preferred answer's likelihood does not fall.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "nca",
    family: Family::Pairs,
    claim: "Noise contrastive alignment: rewards themselves, and not their difference, are pulled apart from 0, so the preferred answer does not fade.",
    paper: "Chen et al. 2024, Noise Contrastive Alignment of Language Models with Explicit Rewards, arXiv:2402.05369",
    equation: "r = beta (log pi - log pi_ref)\nL = mean [ -log s(r_chosen) - 1/2 log s(-r_chosen) - 1/2 log s(-r_rejected) ],  s = sigmoid",
    parts: &["preference::log_ratio", "nca::Contrast"],
    knobs: &[&[preference::beta("0.1"), preference::SFT_WEIGHT]],
};

/// `−log σ(r⁺) − ½·log σ(−r⁺) − ½·log σ(−r⁻)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Contrast {
    beta: f64,
}

impl PairRule for Contrast {
    fn name(&self) -> &'static str {
        "nca::Contrast"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let (chosen, rejected) = (chosen * self.beta, rejected * self.beta);
        -chosen.log_sigmoid() - (-chosen).log_sigmoid() * 0.5 - (-rejected).log_sigmoid() * 0.5
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs { beta: 0.1, ..Knobs::default() })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule: Box::new(Contrast { beta }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("nca", json!({"beta": 0.1}), &[("nca_pair", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("nca");
    }
}
