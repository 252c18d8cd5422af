//! PPO (Schulman et al. 2017, arXiv:1707.06347) on tokens: a critic, generalised advantage estimation, a KL by token in the reward.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Algorithm, Card, Family, Knob, KnobError,
    credit::Gae,
    kl::Estimator,
    knobs::{positive, read, within},
    online::{self, Knobs, Online, Parts, Place},
    ratio::Level,
    value::ValueLoss,
};

pub(super) static CARD: Card = Card {
    name: "ppo",
    family: Family::Online,
    claim: "Proximal policy optimisation with a critic: every token is credited by how much better it went than the critic said.",
    paper: "Schulman et al. 2017, arXiv:1707.06347, eq. 7 and 9; Ziegler et al. 2019, arXiv:1909.08593; GAE arXiv:1506.02438, eq. 16",
    equation: "r_t = [t is last] r - beta (log pi_old - log pi_ref),  delta_t = r_t + gamma V_{t+1} - V_t\n\
               A_t = delta_t + gamma lambda A_{t+1}, whitened over the batch;  R_t = V_t + the same with lambda_critic\n\
               L = 1/tokens sum_bt -min(rho A, clip(rho, 1-e_low, 1+e_high) A)\n\
               L_critic = 1/tokens sum_bt 1/2 max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2)",
    parts: &["kl::k1", "credit::gae", "ratio::token", "clip::surrogate", "reduce::token_mean", "value::ValueLoss"],
    knobs: &[
        &online::clip("0.2", "0.2"),
        &[
            Knob { name: "gamma", help: "What a reward is worth a token later.", default: "1.0" },
            Knob { name: "lambda", help: "How far advantages trust rewards over the critic: 1 is rewards alone.", default: "0.95" },
            Knob { name: "lambda_critic", help: "The same for the returns the critic learns; null takes lambda.", default: "null" },
            Knob { name: "whiten", help: "Whether advantages are centred and scaled over the tokens of the batch.", default: "true" },
            Knob { name: "value_clip", help: "How far a value may move before its gradient stops; null for no clip.", default: "0.2" },
        ],
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    gamma: f64,
    lambda: f64,
    lambda_critic: Option<f64>,
    whiten: bool,
    value_clip: Option<f64>,
}

const OWN: Own = Own { gamma: 1.0, lambda: 0.95, lambda_critic: None, whiten: true, value_clip: Some(0.2) };

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, ..Knobs::default() })?;
    let own = read(&CARD, given, &OWN)?;
    let lambda_critic = own.lambda_critic.unwrap_or(own.lambda);
    for (knob, value) in [("gamma", own.gamma), ("lambda", own.lambda), ("lambda_critic", lambda_critic)] {
        within(&CARD, knob, value, (0.0, 1.0))?;
    }
    positive(&CARD, "value_clip", own.value_clip.unwrap_or(1.0))?;
    let credit = Gae { gamma: own.gamma, lambda: own.lambda, lambda_critic, whiten: own.whiten };
    let parts = Parts { credit: Box::new(credit), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?.with_critic(ValueLoss { clip: own.value_clip })))
}

#[cfg(test)]
mod tests {
    #[test]
    fn advantages_returns_losses_and_gradients_equal_verls() {
        crate::golden_verl::ppo();
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("ppo");
    }
}
