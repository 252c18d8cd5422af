//! OPO (Hao et al. 2025, arXiv:2505.23585): exactly on policy, with the baseline of least variance, the mean reward weighed by length.

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
    name: "opo",
    family: Family::Online,
    claim: "The plain policy gradient with the baseline of least variance: a group's rewards averaged by length. One update a batch.",
    paper: "Hao et al. 2025, On-Policy RL with Optimal Reward Baseline, arXiv:2505.23585",
    equation: "A[p,g] = r[p,g] - sum_h len_h r[p,h] / sum_h len_h\nL = 1/B sum_b sum_t -A log pi",
    parts: &["credit::length_weighted", "kl::k1", "online::plain", "reduce::row_mean_token_sum"],
    knobs: &[
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY, online::aggregation("\"sequence_mean_token_sum\"")],
        &online::CORRECTION,
    ],
};

/// `Â[p,g] = r[p,g] − Σ_h len_h·r[p,h] / Σ_h len_h` over the scored members, lengths in trained tokens.
#[derive(Debug)]
struct LengthWeighted;

impl CreditRule for LengthWeighted {
    fn name(&self) -> &'static str {
        "credit::length_weighted"
    }

    fn needs(&self) -> Needs {
        Needs { siblings: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let group = |(p, scores): (usize, &Vec<Option<f64>>)| {
            let length = |g: usize| rewards.trained(p, g).iter().filter(|t| **t).count() as f64;
            let there = || scores.iter().enumerate().filter_map(|(g, r)| r.map(|r| (length(g), r)));
            let tokens: f64 = there().map(|(n, _)| n).sum();
            let baseline = there().map(|(n, r)| n * r).sum::<f64>() / tokens.max(1.0);
            scores.iter().map(|r| r.map(|r| r - baseline)).collect()
        };
        Ok(credit::per_sequence(rewards.scores.iter().enumerate().map(group).collect()))
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults =
        Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, aggregation: Aggregation::SequenceMeanTokenSum, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let parts = Parts { credit: Box::new(LengthWeighted), ratio: Level::Token, gate: Box::new(Plain) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("opo");
    }
}
