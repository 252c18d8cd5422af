//! The plain policy gradient whose baseline is the median of a group: a few wild rewards move nobody else's credit.

use serde_json::Value;

use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, Family, KnobError, Needs,
    credit::{self, CreditRule, Shaped},
    kl::Estimator,
    online::{self, Knobs, Online, Parts, Place, Plain},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "group_median",
    family: Family::Online,
    claim: "The plain policy gradient with the median of the group as its baseline.",
    paper: "An example of this project, after Williams 1992; arXiv:2402.14740 for the setting",
    equation: "A[p,g] = r[p,g] - median_h r[p,h]\nL = 1/tokens sum_bt -A log pi",
    parts: &["credit::group_median", "kl::k1", "online::plain", "reduce::token_mean"],
    knobs: &[&online::kl("0.0", "\"reward\"", "\"k1\""), &[online::ENTROPY], &online::CORRECTION],
};

/// `Â[p,g] = r[p,g] − median_h r[p,h]` over the scored members.
#[derive(Debug)]
struct GroupMedian;

impl CreditRule for GroupMedian {
    fn name(&self) -> &'static str {
        "credit::group_median"
    }

    fn needs(&self) -> Needs {
        Needs { siblings: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let group = |scores: &Vec<Option<f64>>| {
            let mut there: Vec<f64> = scores.iter().copied().flatten().collect();
            there.sort_by(f64::total_cmp);
            let (low, high) = (there.get(there.len().saturating_sub(1) / 2), there.get(there.len() / 2));
            let median = f64::midpoint(low.copied().unwrap_or(0.0), high.copied().unwrap_or(0.0));
            scores.iter().map(|r| r.map(|r| r - median)).collect()
        };
        Ok(credit::per_sequence(rewards.scores.iter().map(group).collect()))
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let parts = Parts { credit: Box::new(GroupMedian), ratio: Level::Token, gate: Box::new(Plain) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}
