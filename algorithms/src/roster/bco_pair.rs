//! BCO on pairs (Jung et al. 2024, arXiv:2404.04656): a classifier of good and bad answers, with the mean reward so far as its threshold.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, Knob, KnobError, Objective, Pairs,
    knobs::read,
    preference::{self, Knobs, PairRule, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "bco_pair",
    family: Family::Pairs,
    claim: "Binary classifier optimisation: each answer for itself is above or below the mean reward of all answers so far.",
    paper: "Jung et al. 2024, Binary Classifier Optimization, arXiv:2404.04656",
    equation: "r = beta (log pi - log pi_ref),  delta = mean of all r of the run, this batch included\n\
               L = mean [ -log sigmoid(r_chosen - delta) - log sigmoid(-(r_rejected - delta)) ]",
    parts: &["preference::log_ratio", "bco_pair::Threshold"],
    knobs: &[
        &[preference::beta("0.1")],
        &[Knob {
            name: "shift",
            help: "Whether the threshold is the mean reward, as the paper has it, or 0, as TRL has it.",
            default: "true",
        }],
        &[preference::SFT_WEIGHT],
    ],
};

/// `−log σ(r⁺ − δ) − log σ(δ − r⁻)`, with δ the running mean of rewards, or 0.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Threshold {
    beta: f64,
    shift: bool,
}

impl PairRule for Threshold {
    fn name(&self) -> &'static str {
        "bco_pair::Threshold"
    }

    fn couples_pairs(&self) -> bool {
        self.shift
    }

    fn each(&self, state: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let (chosen, rejected) = (chosen * self.beta, rejected * self.beta);
        let mut delta = 0.0;
        if self.shift {
            let seen = state.implicit_rewards.get_or_insert_default();
            seen.add(&Tensor::cat(&[&chosen, &rejected], 0));
            delta = seen.mean;
        }
        -(chosen - delta).log_sigmoid() - (-(rejected - delta)).log_sigmoid()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    shift: bool,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs::default())?;
    let Own { shift } = read(&CARD, given, &Own { shift: true })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatio, rule: Box::new(Threshold { beta, shift }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("bco_pair", json!({"shift": false}), &[("bco_pair", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("bco_pair");
    }
}
