//! CPO (Xu et al. 2024, arXiv:2401.08417): DPO without a reference, held by a supervised term.

use serde_json::Value;

use crate::{
    Card, Family, Knob, KnobError, Objective, Pairs,
    preference::{self, Knobs, Logistic, Preference, SFT_WEIGHT, Score},
};

pub(super) static CARD: Card = Card {
    name: "cpo",
    family: Family::Pairs,
    claim: "Contrastive preference optimisation: DPO with a uniform reference, held by the likelihood of the preferred answers.",
    paper: "Xu et al. 2024, Contrastive Preference Optimization, arXiv:2401.08417",
    equation: "L = mean [ -log sigmoid(beta (log pi(chosen) - log pi(rejected))) ] + alpha nll(chosen)",
    parts: &["preference::log_prob", "preference::logistic"],
    knobs: &[&[preference::beta("0.1"), preference::SMOOTHING, Knob { default: "1.0", ..SFT_WEIGHT }]],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs { sft_weight: 1.0, ..Knobs::default() })?;
    let rule = Box::new(Logistic { beta, margin: 0.0, label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogProb, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("cpo");
    }
}
