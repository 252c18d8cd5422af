//! Lite PPO (Liu et al. 2025, arXiv:2508.08221): of all the tricks, the two that mattered. Rewards centred by group and divided by the
//! deviation of the batch, and one mean over all tokens.

use serde_json::Value;

use crate::{
    Algorithm, Card, Family, KnobError,
    credit::{Centred, Scale},
    online::{self, Knobs, Online, Parts},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "lite_ppo",
    family: Family::Online,
    claim: "PPO's clip without a critic: centred by group, divided by the deviation of the batch, averaged over all tokens.",
    paper: "Liu et al. 2025, Part I: Tricks or Traps? A Deep Dive into RL for LLM Reasoning, arXiv:2508.08221",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std r + 1e-4)\n\
               L = 1/tokens sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::token_mean"],
    knobs: &[&online::clip("0.2", "0.2"), &online::kl("0.0", "\"loss\"", "\"k3\""), &[online::ENTROPY], &online::CORRECTION],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { scale_rewards: Scale::Batch, ..Knobs::default() })?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    use crate::golden::{advantages, policy_loss};
    use serde_json::json;

    /// Its two halves have goldens under other names: advantages over the batch's deviation, and the mean over tokens.
    #[test]
    fn loss_gradient_and_advantages_equal_trls() {
        policy_loss("lite_ppo", json!({}), "dapo_beta0");
        advantages("lite_ppo", json!({}), "adv_grpo_scale_batch");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("lite_ppo");
    }
}
