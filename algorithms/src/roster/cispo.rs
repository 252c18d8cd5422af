//! CISPO (MiniMax-M1, arXiv:2506.13585): the importance weight is capped and carries no gradient, so that no token is ever cut out.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    Algorithm, Card, Family, Knob, KnobError, Leaves, Stats,
    credit::Centred,
    knobs::{read, within},
    online::{self, Gate, Knobs, Online, Parts},
    ratio::{Level, Ratio},
};

pub(super) static CARD: Card = Card {
    name: "cispo",
    family: Family::Online,
    claim: "The plain policy gradient with a capped importance weight: a token far off policy counts less, and none is cut out.",
    paper: "MiniMax 2025, MiniMax-M1, arXiv:2506.13585, section 3",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               L = 1/tokens sum_bt [ -stop(clip(rho, ratio_min, ratio_max)) A log pi + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "cispo::CappedWeight", "kl::k3", "reduce::token_mean"],
    knobs: &[
        &[
            Knob { name: "ratio_min", help: "Lower bound of the importance weight.", default: "0.0" },
            Knob { name: "ratio_max", help: "Upper bound of the importance weight.", default: "5.0" },
        ],
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

/// `−stop(clip(ρ, min, max))·A·log π`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CappedWeight {
    ratio_min: f64,
    ratio_max: f64,
}

impl Gate for CappedWeight {
    fn name(&self) -> &'static str {
        "cispo::CappedWeight"
    }

    fn each(&self, leaves: &Leaves<'_>, at: &Ratio, stats: &mut Stats) -> Tensor {
        let ratio = at.ratio.detach();
        let capped = ratio.gt(self.ratio_max).logical_and(&at.advantage.gt(0.0)).to_kind(at.there.kind());
        stats.masked("cispo/capped_mean", &capped, &at.there);
        -(ratio.clamp(self.ratio_min, self.ratio_max) * &at.advantage * leaves.logp)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs::default())?;
    let gate = read(&CARD, given, &CappedWeight { ratio_min: 0.0, ratio_max: 5.0 })?;
    within(&CARD, "ratio_min", gate.ratio_min, (0.0, 1.0))?;
    within(&CARD, "ratio_max", gate.ratio_max, (1.0, f64::INFINITY))?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(gate) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    #[test]
    fn loss_and_gradient_equal_trls() {
        policy_loss("cispo", json!({"ratio_max": 1.1}), "cispo");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("cispo");
    }
}
