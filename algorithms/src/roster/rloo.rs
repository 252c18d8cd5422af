//! RLOO (Ahmadian et al. 2024, arXiv:2402.14740): REINFORCE whose baseline is the mean of the sibling answers, with the KL in the reward.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Algorithm, Card, Family, Knob, KnobError,
    credit::LeaveOneOut,
    kl::Estimator,
    knobs::read,
    online::{self, Knobs, Online, Parts, Place},
    ratio::Level,
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "rloo",
    family: Family::Online,
    claim: "REINFORCE leave-one-out: whole completions as actions, each against the mean reward of its siblings.",
    paper: "Ahmadian et al. 2024, Back to Basics, arXiv:2402.14740, eq. 8",
    equation: "r' = r - beta sum_t (log pi_old - log pi_ref),  A[p,g] = r'[p,g] - mean_{h != g} r'[p,h]\n\
               L = 1/B sum_b -min(rho A, clip(rho, 1-e_low, 1+e_high) A),  rho = exp sum_t (log pi - log pi_old)",
    parts: &["credit::leave_one_out", "kl::k1", "ratio::sequence", "clip::surrogate", "reduce::row_mean_token_mean"],
    knobs: &[
        &online::clip("0.2", "0.2"),
        &[Knob {
            name: "normalize",
            help: "Whether advantages are centred and divided by their deviation over the batch.",
            default: "false",
        }],
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY],
        &online::CORRECTION,
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    normalize: bool,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults =
        Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, aggregation: Aggregation::SequenceMeanTokenMean, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let Own { normalize } = read(&CARD, given, &Own { normalize: false })?;
    let parts = Parts { credit: Box::new(LeaveOneOut { normalize }), ratio: Level::SequenceProduct, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
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

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("rloo");
    }
}
