//! ORPO (Hong et al. 2024, arXiv:2403.07691): supervised tuning with a penalty on the odds of the other answer, in one stage.

use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, Knob, KnobError, Objective, Pairs,
    preference::{self, Knobs, PairRule, Preference, SFT_WEIGHT, Score},
};

pub(super) static CARD: Card = Card {
    name: "orpo",
    family: Family::Pairs,
    claim: "Odds-ratio preference optimisation: supervised tuning and preference in one stage, without a reference.",
    paper: "Hong et al. 2024, ORPO, arXiv:2403.07691, eq. 6 and 7",
    equation: "p = exp(log pi / len), over the answer,  odds = p / (1 - p)\n\
               L = alpha nll(chosen) + mean [ -beta log sigmoid(log odds(chosen) - log odds(rejected)) ]",
    parts: &["preference::log_prob_mean", "orpo::OddsRatio"],
    knobs: &[&[preference::beta("0.1"), Knob { default: "1.0", ..SFT_WEIGHT }]],
};

/// Mean log-probabilities above this are taken as this: the odds of a sure answer are infinite.
const SURE: f64 = -1e-6;

/// `−β·log σ(log odds⁺ − log odds⁻)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OddsRatio {
    beta: f64,
}

impl PairRule for OddsRatio {
    fn name(&self) -> &'static str {
        "orpo::OddsRatio"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        let log_odds = |logp: &Tensor| {
            let logp = logp.clamp_max(SURE);
            &logp - (-logp.expm1()).log()
        };
        (log_odds(chosen) - log_odds(rejected)).log_sigmoid() * -self.beta
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, sft_weight, .. } = Knobs::read(&CARD, given, &Knobs { sft_weight: 1.0, ..Knobs::default() })?;
    Ok(Box::new(Preference { card: &CARD, score: Score::LogProbMean, rule: Box::new(OddsRatio { beta }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("orpo");
    }
}
