//! GRPO (Shao et al. 2024, DeepSeekMath, arXiv:2402.03300): group-centred rewards, clipped ratio, KL to a reference in the loss.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KlTerm, PolicyLoss, Reduction, knobs::within, read};
use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, Denominators, Knob, KnobError, Leaves, LossOutput, Needs,
    clip::Clip,
    credit::{self, Scale},
};

pub(super) static CARD: Card = Card {
    name: "grpo",
    claim: "Group-relative policy optimisation: an answer is as good as it beats the other answers to its prompt.",
    paper: "Shao et al. 2024, DeepSeekMath, arXiv:2402.03300, eq. 3",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               L = 1/B sum_b 1/len_b sum_t [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ],  rho = pi/pi_old",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::row_mean_token_mean"],
    knobs: &[
        Knob { name: "epsilon_low", help: "How far the ratio may fall below 1 before the gradient stops.", default: "0.2" },
        Knob { name: "epsilon_high", help: "How far the ratio may rise above 1 before the gradient stops.", default: "0.2" },
        Knob { name: "delta", help: "Upper bound of the ratio for negative advantages too; null for none.", default: "null" },
        Knob { name: "scale_rewards", help: "What centred rewards are divided by: group, batch or none.", default: "\"group\"" },
        Knob { name: "beta", help: "Weight of the KL to the reference in the loss; 0 needs no reference.", default: "0.0" },
        Knob { name: "kl_correction", help: "Whether the KL estimate takes the importance ratio.", default: "true" },
        Knob { name: "entropy", help: "Weight of the entropy bonus.", default: "0.0" },
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knobs {
    epsilon_low: f64,
    epsilon_high: f64,
    delta: Option<f64>,
    scale_rewards: Scale,
    beta: f64,
    kl_correction: bool,
    entropy: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { epsilon_low: 0.2, epsilon_high: 0.2, delta: None, scale_rewards: Scale::Group, beta: 0.0, kl_correction: true, entropy: 0.0 }
    }
}

#[derive(Debug)]
struct Grpo(Knobs);

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs: Knobs = read(&CARD, given)?;
    within(&CARD, "epsilon_low", knobs.epsilon_low, (0.0, 1.0))?;
    within(&CARD, "epsilon_high", knobs.epsilon_high, (0.0, f64::INFINITY))?;
    within(&CARD, "beta", knobs.beta, (0.0, f64::INFINITY))?;
    within(&CARD, "delta", knobs.delta.unwrap_or(f64::MAX), (1.0, f64::INFINITY))?;
    Ok(Box::new(Grpo(knobs)))
}

impl Algorithm for Grpo {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        let (reference, entropy) = (self.0.beta > 0.0, self.0.entropy != 0.0);
        Needs { reference, entropy, credit_only: !reference && !entropy, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        Ok(credit::per_sequence(credit::centre(&credit::scores("grpo", input)?, self.0.scale_rewards)))
    }

    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError> {
        let k = self.0;
        let parts = PolicyLoss {
            site: "grpo",
            clip: Clip { low: k.epsilon_low, high: k.epsilon_high, delta: k.delta },
            kl: KlTerm { beta: k.beta, corrected: k.kl_correction },
            entropy: k.entropy,
            reduction: Reduction::RowMeanTokenMean,
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
        policy_loss("grpo", json!({}), "grpo_beta0");
        policy_loss("grpo", json!({"beta": 0.04}), "grpo_beta0.04");
        policy_loss("grpo", json!({"beta": 0.04, "kl_correction": false}), "grpo_beta0.04_plain_k3");
        policy_loss("grpo", json!({"epsilon_high": 0.28}), "grpo_clip_higher");
        policy_loss("grpo", json!({"delta": 1.5}), "grpo_delta1.5");
    }

    #[test]
    fn advantages_equal_trls() {
        advantages("grpo", json!({}), "adv_grpo_scale_group");
        advantages("grpo", json!({"scale_rewards": "batch"}), "adv_grpo_scale_batch");
        advantages("grpo", json!({"scale_rewards": "none"}), "adv_grpo_scale_none");
    }
}
