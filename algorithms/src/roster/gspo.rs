//! GSPO (Zheng et al. 2025, arXiv:2507.18071): one ratio a completion, the geometric mean of its tokens' ratios, and the clip on it.

use serde_json::Value;

use crate::{
    Algorithm, Card, Family, KnobError,
    credit::Centred,
    online::{self, Knobs, Online, Parts},
    ratio::Level,
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "gspo",
    family: Family::Online,
    claim: "Group sequence policy optimisation: ratio and clip are of whole completions, as the reward is.",
    paper: "Zheng et al. 2025, Group Sequence Policy Optimization, arXiv:2507.18071, eq. 5 to 7",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4)\n\
               s = exp(1/len sum_t (log pi - log pi_old))\n\
               L = 1/B sum_b [ -min(s A, clip(s, 1-e_low, 1+e_high) A) + beta 1/len_b sum_t k3 ]",
    parts: &["credit::centre", "ratio::sequence_mean", "clip::surrogate", "kl::k3", "reduce::row_mean_token_mean"],
    knobs: &[
        &online::clip("0.0003", "0.0004"),
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY],
        &online::CORRECTION,
    ],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { epsilon_low: 3e-4, epsilon_high: 4e-4, aggregation: Aggregation::SequenceMeanTokenMean, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::SequenceMean, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    #[test]
    fn loss_and_gradient_equal_trls() {
        policy_loss("gspo", json!({}), "gspo_grpo_beta0");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("gspo");
    }
}
