//! RLOO (Ahmadian et al. 2024, arXiv:2402.14740): REINFORCE whose baseline is the mean of the sibling answers, with the KL in the reward.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{knobs::within, read};
use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, Denominators, Knob, KnobError, Leaves, LossOutput, Needs, Stats,
    clip::{self, Clip},
    credit, ratio,
};

pub(super) static CARD: Card = Card {
    name: "rloo",
    claim: "REINFORCE leave-one-out: whole completions as actions, each against the mean reward of its siblings.",
    paper: "Ahmadian et al. 2024, Back to Basics, arXiv:2402.14740, eq. 8",
    equation: "r' = r - beta sum_t (log pi_old - log pi_ref),  A[p,g] = r'[p,g] - mean_{h != g} r'[p,h]\n\
               L = 1/B sum_b -min(rho A, clip(rho, 1-e_low, 1+e_high) A),  rho = exp sum_t (log pi - log pi_old)",
    parts: &["credit::leave_one_out", "ratio::sequence", "clip::surrogate"],
    knobs: &[
        Knob { name: "epsilon_low", help: "How far the ratio may fall below 1 before the gradient stops.", default: "0.2" },
        Knob { name: "epsilon_high", help: "How far the ratio may rise above 1 before the gradient stops.", default: "0.2" },
        Knob { name: "beta", help: "Weight of the KL to the reference in the reward; 0 needs no reference.", default: "0.0" },
        Knob { name: "normalize", help: "Whether advantages are centred and divided by their deviation over the batch.", default: "false" },
    ],
};

/// Added to the deviation before dividing: TRL's value.
const EPS: f64 = 1e-4;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knobs {
    epsilon_low: f64,
    epsilon_high: f64,
    beta: f64,
    normalize: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { epsilon_low: 0.2, epsilon_high: 0.2, beta: 0.0, normalize: false }
    }
}

#[derive(Debug)]
struct Rloo(Knobs);

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs: Knobs = read(&CARD, given)?;
    within(&CARD, "epsilon_low", knobs.epsilon_low, (0.0, 1.0))?;
    within(&CARD, "epsilon_high", knobs.epsilon_high, (0.0, f64::INFINITY))?;
    within(&CARD, "beta", knobs.beta, (0.0, f64::INFINITY))?;
    Ok(Box::new(Rloo(knobs)))
}

impl Algorithm for Rloo {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        // The reference is in the reward, not in the loss.
        Needs { reference: self.0.beta > 0.0, credit_only: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        let mut scores = credit::scores("rloo", input)?;
        if self.0.beta > 0.0 {
            for (group, rewards) in scores.iter_mut().zip(input.groups) {
                let kl = rewards.kl.ok_or(AlgorithmError::Missing { site: "rloo", name: "kl" })?;
                for (score, kl) in group.iter_mut().zip(kl) {
                    *score = score.map(|r| r - self.0.beta * kl);
                }
            }
        }
        let mut advantages = credit::leave_one_out(&scores);
        if self.0.normalize {
            let all = advantages.clone();
            let there = || all.iter().flatten().flatten().copied();
            let (mean, std) = (credit::mean(there()), credit::std(there()));
            for a in advantages.iter_mut().flatten() {
                *a = a.map(|a| (a - mean) / (std + EPS));
            }
        }
        Ok(credit::per_sequence(advantages))
    }

    fn loss(&self, leaves: &Leaves<'_>, d: &Denominators) -> Result<LossOutput, AlgorithmError> {
        leaves.check("rloo")?;
        let clip = Clip { low: self.0.epsilon_low, high: self.0.epsilon_high, delta: None };
        let ratio = ratio::sequence(leaves.logp, leaves.logp_old, leaves.trained);
        // The credit is one number a completion: its mean over the trained tokens is that number.
        let lengths = leaves.trained.sum_dim_intlist(-1, true, leaves.kind());
        let there = lengths.gt(0.0).to_kind(leaves.kind());
        let advantage = (leaves.advantage * leaves.trained).sum_dim_intlist(-1, true, leaves.kind()) / lengths.clamp_min(1.0);
        let each = clip::surrogate(&ratio, &advantage, clip) * &there;
        let mut stats = Stats::default();
        clip::measure(&mut stats, &ratio, &advantage, &there, clip);
        Ok(LossOutput { policy: each.sum(leaves.kind()) / d.rows.max(1.0), stats })
    }
}

#[cfg(test)]
mod tests {
    use crate::golden::{advantages, policy_loss};
    use serde_json::json;

    #[test]
    fn loss_and_gradient_equal_trls() {
        policy_loss("rloo", json!({}), "rloo");
    }

    #[test]
    fn advantages_equal_trls() {
        advantages("rloo", json!({}), "adv_rloo_beta0");
        advantages("rloo", json!({"beta": 0.05}), "adv_rloo_beta0.05");
        advantages("rloo", json!({"normalize": true}), "adv_rloo_beta0_normalized");
    }
}
