//! The hinge loss of preferences (SLiC, arXiv:2305.10425; on log-ratios: RSO, Liu et al. 2023, arXiv:2309.06657).

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, Score, smoothed},
};

pub(super) static CARD: Card = Card {
    name: "hinge",
    family: Family::Pairs,
    claim: "A margin to reach and no more: a pair that is won clearly enough gives no gradient.",
    paper: "Zhao et al. 2023, SLiC-HF, arXiv:2305.10425; Liu et al. 2023, RSO, arXiv:2309.06657",
    equation: "h = log pi - log pi_ref, summed over the answer\nL = mean [ max(0, 1 - beta (h_chosen - h_rejected)) ]",
    parts: &["preference::log_ratio", "hinge::Hinge"],
    knobs: &[&[preference::beta("0.1"), preference::SMOOTHING, preference::SFT_WEIGHT]],
};

/// `max(0, 1 − β·(chosen − rejected))`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hinge {
    beta: f64,
    label_smoothing: f64,
}

impl PairRule for Hinge {
    fn name(&self) -> &'static str {
        "hinge::Hinge"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        smoothed(&((chosen - rejected) * self.beta), self.label_smoothing, |d| (-d + 1.0).relu())
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs::default())?;
    let rule = Box::new(Hinge { beta, label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("hinge", json!({}), &[("hinge", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("hinge");
    }
}
