//! VESPO (arXiv:2602.10693): the plain policy gradient, weighed by a smooth function of the whole completion's ratio.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    Algorithm, Card, Family, Knob, KnobError, Leaves, Stats,
    credit::Centred,
    knobs::{positive, read},
    online::{self, Gate, Knobs, Online, Parts},
    ratio::{Level, Ratio},
};

pub(super) static CARD: Card = Card {
    name: "vespo",
    family: Family::Online,
    claim: "A smooth weight of the completion's ratio, largest near 1, in place of a clip: made for data that are off policy.",
    paper: "2026, VESPO: Variational Sequence-Level Soft Policy Optimization, arXiv:2602.10693",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               W = exp sum_t (log pi - log pi_old),  phi = W^k exp(lambda (1 - W)),  k and lambda by the sign of A\n\
               L = 1/tokens sum_bt [ -stop(phi) A log pi + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "vespo::GammaWeight", "kl::k3", "reduce::token_mean"],
    knobs: &[
        &[
            Knob { name: "k_pos", help: "Power of the ratio where the advantage is not negative.", default: "2.0" },
            Knob { name: "lambda_pos", help: "Decay in the ratio where the advantage is not negative.", default: "3.0" },
            Knob { name: "k_neg", help: "Power of the ratio where the advantage is negative.", default: "3.0" },
            Knob { name: "lambda_neg", help: "Decay in the ratio where the advantage is negative.", default: "2.0" },
        ],
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

/// Log-ratios are cut here before they are summed, and their sum too: TRL's bounds.
const LOG_BOUND: f64 = 20.0;
/// The smallest weight of a completion, `log 1e−8`.
const LOG_FLOOR: f64 = -18.420_680_743_952_367;

/// `−stop(W^k·e^{λ(1 − W)})·A·log π` with W the ratio of the completion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GammaWeight {
    k_pos: f64,
    lambda_pos: f64,
    k_neg: f64,
    lambda_neg: f64,
}

impl Gate for GammaWeight {
    fn name(&self) -> &'static str {
        "vespo::GammaWeight"
    }

    fn each(&self, leaves: &Leaves<'_>, at: &Ratio, stats: &mut Stats) -> Tensor {
        let tokens = (leaves.logp - leaves.logp_old).detach().clamp(-LOG_BOUND, LOG_BOUND) * leaves.trained;
        let log_w = tokens.sum_dim_intlist(-1, true, tokens.kind()).clamp(LOG_FLOOR, LOG_BOUND);
        let phi = |k: f64, lambda: f64| (&log_w * k + (-log_w.exp() + 1.0) * lambda).exp();
        let weight = phi(self.k_pos, self.lambda_pos).where_self(&at.advantage.ge(0.0), &phi(self.k_neg, self.lambda_neg));
        stats.masked("vespo/weight_mean", &weight, &at.there);
        -(weight * &at.advantage * leaves.logp)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs::default())?;
    let gate = read(&CARD, given, &GammaWeight { k_pos: 2.0, lambda_pos: 3.0, k_neg: 3.0, lambda_neg: 2.0 })?;
    for (knob, value) in [("k_pos", gate.k_pos), ("lambda_pos", gate.lambda_pos), ("k_neg", gate.k_neg), ("lambda_neg", gate.lambda_neg)] {
        positive(&CARD, knob, value)?;
    }
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(gate) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    #[test]
    fn loss_and_gradient_equal_trls() {
        policy_loss("vespo", json!({}), "vespo");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("vespo");
    }
}
