//! ReMax (Li et al. 2023, arXiv:2310.10505): REINFORCE whose baseline is the reward of the greedy answer.

use serde_json::Value;

use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, Family, KnobError, Needs,
    credit::{self, CreditRule, Shaped},
    kl::Estimator,
    online::{self, Knobs, Online, Parts, Place, Plain},
    ratio::Level,
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "remax",
    family: Family::Online,
    claim: "REINFORCE against the greedy answer: one drawn and one greedy answer a prompt, no critic.",
    paper: "Li et al. 2023, ReMax, arXiv:2310.10505, algorithm 1",
    equation: "A[p,g] = r[p,g] - r(greedy answer to p)\nL = 1/B sum_b sum_t -A log pi",
    parts: &["credit::greedy", "kl::k1", "online::plain", "reduce::row_mean_token_sum"],
    knobs: &[
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY, online::aggregation("\"sequence_mean_token_sum\"")],
        &online::CORRECTION,
    ],
};

/// `Â[p,g] = r[p,g] − r(greedy answer to p)`.
#[derive(Debug)]
struct Greedy;

impl CreditRule for Greedy {
    fn name(&self) -> &'static str {
        "credit::greedy"
    }

    fn needs(&self) -> Needs {
        Needs { greedy: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let missing = AlgorithmError::Missing { site: rewards.site, name: "the greedy answer's score" };
        let group = |(scores, input): (&Vec<Option<f64>>, &crate::GroupRewards<'_>)| match input.greedy {
            Some(greedy) => Ok(scores.iter().map(|r| r.map(|r| r - greedy)).collect()),
            // Without a score there is nothing to compare.
            None if scores.iter().all(Option::is_none) => Ok(scores.clone()),
            None => Err(missing.clone()),
        };
        Ok(credit::per_sequence(rewards.scores.iter().zip(rewards.input.groups).map(group).collect::<Result<_, _>>()?))
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults =
        Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, aggregation: Aggregation::SequenceMeanTokenSum, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let parts = Parts { credit: Box::new(Greedy), ratio: Level::Token, gate: Box::new(Plain) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("remax");
    }
}
