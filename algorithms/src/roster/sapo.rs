//! SAPO (Gao et al. 2025, arXiv:2511.20347): a sigmoid in place of the clip, steeper where the advantage is negative.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    Algorithm, Card, Family, Knob, KnobError, Leaves, Stats,
    credit::Centred,
    knobs::{positive, read},
    online::{self, Gate, Knobs, Online, Parts},
    ratio::{Level, Ratio},
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "sapo",
    family: Family::Online,
    claim: "A soft gate in place of the clip: off-policy tokens fade instead of being cut, negative ones faster.",
    paper: "Gao et al. 2025, Soft Adaptive Policy Optimization, arXiv:2511.20347",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               f(rho) = 4/tau sigmoid(tau (rho - 1)),  tau = tau_pos if A > 0, else tau_neg\n\
               L = 1/B sum_b 1/len_b sum_t [ -f(rho) A + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "sapo::SoftGate", "kl::k3", "reduce::row_mean_token_mean"],
    knobs: &[
        &[
            Knob { name: "temperature_pos", help: "tau of positive advantages: larger fades faster.", default: "1.0" },
            Knob { name: "temperature_neg", help: "tau of the other advantages.", default: "1.05" },
        ],
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY, online::aggregation("\"sequence_mean_token_mean\"")],
        &online::CORRECTION,
    ],
};

/// `−(4/τ)·σ(τ(ρ − 1))·A`: at ρ = 1 its gradient is that of ρ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SoftGate {
    temperature_pos: f64,
    temperature_neg: f64,
}

impl Gate for SoftGate {
    fn name(&self) -> &'static str {
        "sapo::SoftGate"
    }

    fn each(&self, _: &Leaves<'_>, at: &Ratio, _: &mut Stats) -> Tensor {
        let gate = |tau: f64| ((&at.ratio - 1.0) * tau).sigmoid() * (4.0 / tau);
        -(gate(self.temperature_pos).where_self(&at.advantage.gt(0.0), &gate(self.temperature_neg)) * &at.advantage)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { aggregation: Aggregation::SequenceMeanTokenMean, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let gate = read(&CARD, given, &SoftGate { temperature_pos: 1.0, temperature_neg: 1.05 })?;
    positive(&CARD, "temperature_pos", gate.temperature_pos)?;
    positive(&CARD, "temperature_neg", gate.temperature_neg)?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(gate) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    #[test]
    fn loss_and_gradient_equal_trls() {
        policy_loss("sapo", json!({}), "sapo");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("sapo");
    }
}
