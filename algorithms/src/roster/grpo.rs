//! GRPO (Shao et al. 2024, DeepSeekMath, arXiv:2402.03300): group-centred rewards, clipped ratio, KL to a reference in the loss.

use serde_json::Value;

use crate::{
    Algorithm, Card, Family, KnobError,
    credit::Centred,
    online::{self, Knobs, Online, Parts},
    ratio::Level,
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "grpo",
    family: Family::Online,
    claim: "Group-relative policy optimisation: an answer is as good as it beats the other answers to its prompt.",
    paper: "Shao et al. 2024, DeepSeekMath, arXiv:2402.03300, eq. 3",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               L = 1/B sum_b 1/len_b sum_t [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ],  rho = pi/pi_old",
    parts: &["credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::row_mean_token_mean"],
    knobs: &[
        &online::clip("0.2", "0.2"),
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY, online::aggregation("\"sequence_mean_token_mean\"")],
        &online::CORRECTION,
    ],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { aggregation: Aggregation::SequenceMeanTokenMean, ..Knobs::default() };
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

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("grpo");
    }
}
