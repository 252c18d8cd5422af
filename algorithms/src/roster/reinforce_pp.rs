//! REINFORCE++ (Hu et al. 2025, arXiv:2501.03262): PPO's clip on rewards to go with a KL by token, whitened over the batch; no critic, no
//! groups.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Algorithm, Card, Family, Knob, KnobError,
    credit::RewardToGo,
    kl::Estimator,
    knobs::{read, within},
    online::{self, Knobs, Online, Parts, Place},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "reinforce_pp",
    family: Family::Online,
    claim: "PPO without a critic: rewards to go with a KL by token, centred and scaled over all tokens of the batch. One answer a prompt will do.",
    paper: "Hu et al. 2025, REINFORCE++, arXiv:2501.03262",
    equation: "r_t = [t is last] r - beta (log pi_old - log pi_ref),  R_t = r_t + gamma R_{t+1}\n\
               A = (R - mean R) / sqrt(var R + 1e-8) over the trained tokens of the batch\n\
               L = 1/tokens sum_bt -min(rho A, clip(rho, 1-e_low, 1+e_high) A)",
    parts: &["kl::k1", "credit::reward_to_go", "ratio::token", "clip::surrogate", "reduce::token_mean"],
    knobs: &[
        &online::clip("0.2", "0.2"),
        &[Knob { name: "gamma", help: "What a reward is worth a token later.", default: "1.0" }],
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    gamma: f64,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, ..Knobs::default() })?;
    let Own { gamma } = read(&CARD, given, &Own { gamma: 1.0 })?;
    within(&CARD, "gamma", gamma, (0.0, 1.0))?;
    let parts = Parts { credit: Box::new(RewardToGo { gamma }), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn advantages_equal_verls() {
        crate::golden_verl::reinforce_pp();
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("reinforce_pp");
    }
}
