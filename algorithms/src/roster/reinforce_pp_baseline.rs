//! REINFORCE++ with a group baseline (Hu et al. 2025, arXiv:2501.03262): rewards centred by group, then whitened over the
//! tokens of the batch.

use serde_json::Value;

use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, Family, KnobError, Needs,
    credit::{self, CreditRule, Scale, Shaped},
    kl::Estimator,
    online::{self, Knobs, Online, Parts},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "reinforce_pp_baseline",
    family: Family::Online,
    claim: "REINFORCE++ for several answers a prompt: centred by group, scaled over the batch, with a k2 KL in the loss.",
    paper: "Hu et al. 2025, REINFORCE++, arXiv:2501.03262",
    equation: "a[p,g] = r[p,g] - mean_h r[p,h],  A = (a - mean a) / sqrt(var a + 1e-8) over the trained tokens of the batch\n\
               L = 1/tokens sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k2 ]",
    parts: &["credit::centre_whiten", "ratio::token", "clip::surrogate", "kl::k2", "reduce::token_mean"],
    knobs: &[
        &online::clip("0.2", "0.2"),
        &online::kl("0.0", "\"loss\"", "\"k2\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

/// Centred by group, whitened over the trained tokens of the batch.
#[derive(Debug)]
struct CentredWhitened;

impl CreditRule for CentredWhitened {
    fn name(&self) -> &'static str {
        "credit::centre_whiten"
    }

    fn needs(&self) -> Needs {
        Needs { siblings: true, ..Needs::default() }
    }

    fn credit(&self, _: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError> {
        let mut credit = credit::per_sequence(credit::centre(&rewards.scores, Scale::None));
        credit::whiten_tokens(&mut credit.rows, rewards);
        Ok(credit)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { kl_estimator: Estimator::K2, ..Knobs::default() })?;
    let parts = Parts { credit: Box::new(CentredWhitened), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("reinforce_pp_baseline");
    }
}
