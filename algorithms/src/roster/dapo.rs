//! DAPO (Yu et al. 2025, arXiv:2503.14476): clip-higher, every token counts the same, groups without spread are drawn anew.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KlTerm, PolicyLoss, Reduction, knobs::within, read};
use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, Denominators, Knob, KnobError, Leaves, LossOutput, Needs,
    clip::Clip,
    credit::{self, Scale},
};

pub(super) static CARD: Card = Card {
    name: "dapo",
    claim: "GRPO with a higher upper clip, one mean over all tokens of the batch, and groups without spread drawn anew.",
    paper: "Yu et al. 2025, DAPO, arXiv:2503.14476, eq. 8 to 12",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               L = 1/tokens sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::token_mean"],
    knobs: &[
        Knob { name: "epsilon_low", help: "How far the ratio may fall below 1 before the gradient stops.", default: "0.2" },
        Knob { name: "epsilon_high", help: "How far the ratio may rise above 1 before the gradient stops.", default: "0.28" },
        Knob { name: "delta", help: "Upper bound of the ratio for negative advantages too; null for none.", default: "null" },
        Knob { name: "scale_rewards", help: "What centred rewards are divided by: group, batch or none.", default: "\"group\"" },
        Knob { name: "beta", help: "Weight of the KL to the reference in the loss; 0 needs no reference.", default: "0.0" },
        Knob { name: "kl_correction", help: "Whether the KL estimate takes the importance ratio.", default: "true" },
        Knob { name: "dynamic_sampling", help: "Whether groups without spread are dropped and others drawn.", default: "true" },
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
    dynamic_sampling: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            epsilon_low: 0.2,
            epsilon_high: 0.28,
            delta: None,
            scale_rewards: Scale::Group,
            beta: 0.0,
            kl_correction: true,
            dynamic_sampling: true,
        }
    }
}

#[derive(Debug)]
struct Dapo(Knobs);

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs: Knobs = read(&CARD, given)?;
    within(&CARD, "epsilon_low", knobs.epsilon_low, (0.0, 1.0))?;
    within(&CARD, "epsilon_high", knobs.epsilon_high, (0.0, f64::INFINITY))?;
    within(&CARD, "beta", knobs.beta, (0.0, f64::INFINITY))?;
    within(&CARD, "delta", knobs.delta.unwrap_or(f64::MAX), (1.0, f64::INFINITY))?;
    Ok(Box::new(Dapo(knobs)))
}

impl Algorithm for Dapo {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        let reference = self.0.beta > 0.0;
        Needs { reference, groups_with_spread: self.0.dynamic_sampling, credit_only: !reference, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        Ok(credit::per_sequence(credit::centre(&credit::scores("dapo", input)?, self.0.scale_rewards)))
    }

    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError> {
        let k = self.0;
        let parts = PolicyLoss {
            site: "dapo",
            clip: Clip { low: k.epsilon_low, high: k.epsilon_high, delta: k.delta },
            kl: KlTerm { beta: k.beta, corrected: k.kl_correction },
            entropy: 0.0,
            reduction: Reduction::TokenMean,
        };
        parts.compute(leaves, denominators)
    }
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    /// TRL's `dapo` divides by all tokens of the batch, its `bnpo` by those of the micro-batch; with one micro-batch both are this loss.
    #[test]
    fn losses_and_gradients_equal_trls() {
        for family in ["dapo", "bnpo"] {
            let case = |knobs: serde_json::Value, ending: &str| policy_loss("dapo", knobs, &format!("{family}_{ending}"));
            case(json!({"epsilon_high": 0.2}), "beta0");
            case(json!({"epsilon_high": 0.2, "beta": 0.04}), "beta0.04");
            case(json!({"epsilon_high": 0.2, "beta": 0.04, "kl_correction": false}), "beta0.04_plain_k3");
            case(json!({}), "clip_higher");
            case(json!({"epsilon_high": 0.2, "delta": 1.5}), "delta1.5");
        }
    }
}
