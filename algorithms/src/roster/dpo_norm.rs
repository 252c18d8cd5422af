//! Length-normalised DPO (Tülu 3, Lambert et al. 2024, arXiv:2411.15124): log-ratios by token, so that long answers do not win by length.

use serde_json::Value;

use crate::{
    Card, Family, KnobError, Objective, Pairs,
    preference::{self, Knobs, Logistic, Preference, Score},
};

pub(super) static CARD: Card = Card {
    name: "dpo_norm",
    family: Family::Pairs,
    claim: "DPO on log-ratios by token: length gives no advantage. It takes a larger beta.",
    paper: "Lambert et al. 2024, Tulu 3, arXiv:2411.15124",
    equation: "h = (log pi - log pi_ref) / len, over the answer\nL = mean [ -log sigmoid(beta (h_chosen - h_rejected)) ]",
    parts: &["preference::log_ratio_mean", "preference::logistic"],
    knobs: &[&[preference::beta("5.0"), preference::SMOOTHING, preference::SFT_WEIGHT]],
};

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs { beta: 5.0, ..Knobs::default() })?;
    let rule = Box::new(Logistic { beta, margin: 0.0, label_smoothing });
    Ok(Box::new(Preference { card: &CARD, score: Score::LogRatioMean, rule, beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("dpo_norm", json!({"beta": 0.1}), &[("sigmoid_norm", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("dpo_norm");
    }
}
