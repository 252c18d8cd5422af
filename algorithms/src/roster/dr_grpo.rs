//! Dr. GRPO (Liu et al. 2025, arXiv:2503.20783): GRPO without its two biases, the division by length and the division by the deviation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KlTerm, PolicyLoss, Reduction, knobs::within, read};
use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, Denominators, Knob, KnobError, Leaves, LossOutput, Needs,
    clip::Clip,
    credit::{self, Scale},
};

pub(super) static CARD: Card = Card {
    name: "dr_grpo",
    claim: "GRPO done right: divided by a constant length and not by the deviation, so that neither length nor difficulty carries a bias.",
    paper: "Liu et al. 2025, Understanding R1-Zero-Like Training, arXiv:2503.20783, eq. 2",
    equation: "A[p,g] = r[p,g] - mean_h r[p,h]\n\
               L = 1/(B max_new_tokens) sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::fixed_length"],
    knobs: &[
        Knob { name: "epsilon_low", help: "How far the ratio may fall below 1 before the gradient stops.", default: "0.2" },
        Knob { name: "epsilon_high", help: "How far the ratio may rise above 1 before the gradient stops.", default: "0.2" },
        Knob { name: "delta", help: "Upper bound of the ratio for negative advantages too; null for none.", default: "null" },
        Knob { name: "beta", help: "Weight of the KL to the reference in the loss; 0 needs no reference.", default: "0.0" },
        Knob { name: "kl_correction", help: "Whether the KL estimate takes the importance ratio.", default: "true" },
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knobs {
    epsilon_low: f64,
    epsilon_high: f64,
    delta: Option<f64>,
    beta: f64,
    kl_correction: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { epsilon_low: 0.2, epsilon_high: 0.2, delta: None, beta: 0.0, kl_correction: true }
    }
}

#[derive(Debug)]
struct DrGrpo(Knobs);

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs: Knobs = read(&CARD, given)?;
    within(&CARD, "epsilon_low", knobs.epsilon_low, (0.0, 1.0))?;
    within(&CARD, "epsilon_high", knobs.epsilon_high, (0.0, f64::INFINITY))?;
    within(&CARD, "beta", knobs.beta, (0.0, f64::INFINITY))?;
    within(&CARD, "delta", knobs.delta.unwrap_or(f64::MAX), (1.0, f64::INFINITY))?;
    Ok(Box::new(DrGrpo(knobs)))
}

impl Algorithm for DrGrpo {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        let reference = self.0.beta > 0.0;
        Needs { reference, credit_only: !reference, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        Ok(credit::per_sequence(credit::centre(&credit::scores("dr_grpo", input)?, Scale::None)))
    }

    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError> {
        let k = self.0;
        let parts = PolicyLoss {
            site: "dr_grpo",
            clip: Clip { low: k.epsilon_low, high: k.epsilon_high, delta: k.delta },
            kl: KlTerm { beta: k.beta, corrected: k.kl_correction },
            entropy: 0.0,
            reduction: Reduction::FixedLength,
        };
        parts.compute(leaves, denominators)
    }
}

#[cfg(test)]
mod tests {
    use crate::golden::{advantages, policy_loss};
    use serde_json::json;

    #[test]
    fn losses_and_gradients_equal_trls() {
        policy_loss("dr_grpo", json!({}), "dr_grpo_beta0");
        policy_loss("dr_grpo", json!({"beta": 0.04}), "dr_grpo_beta0.04");
        policy_loss("dr_grpo", json!({"beta": 0.04, "kl_correction": false}), "dr_grpo_beta0.04_plain_k3");
        policy_loss("dr_grpo", json!({"epsilon_high": 0.28}), "dr_grpo_clip_higher");
        policy_loss("dr_grpo", json!({"delta": 1.5}), "dr_grpo_delta1.5");
        advantages("dr_grpo", json!({}), "adv_grpo_scale_none");
    }
}
