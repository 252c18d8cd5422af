//! Dr. GRPO (Liu et al. 2025, arXiv:2503.20783): GRPO without its two biases, the division by length and the division by the deviation.

use serde_json::Value;

use crate::{
    Algorithm, Card, Family, KnobError,
    credit::{Centred, Scale},
    online::{self, Knobs, Online, Parts},
    ratio::Level,
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "dr_grpo",
    family: Family::Online,
    claim: "GRPO done right: divided by a constant length and not by the deviation, so that neither length nor difficulty carries a bias.",
    paper: "Liu et al. 2025, Understanding R1-Zero-Like Training, arXiv:2503.20783, eq. 2",
    equation: "A[p,g] = r[p,g] - mean_h r[p,h]\n\
               L = 1/(B max_new_tokens) sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ]",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::fixed_length"],
    knobs: &[&online::clip("0.2", "0.2"), &online::kl("0.0", "\"loss\"", "\"k3\""), &[online::ENTROPY], &online::CORRECTION],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { scale_rewards: Scale::None, aggregation: Aggregation::FixedLength, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
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

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("dr_grpo");
    }
}
