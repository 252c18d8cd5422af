//! REINFORCE (Williams 1992) on completions, with one baseline for the whole batch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Algorithm, Card, Family, Knob, KnobError,
    credit::{BatchMean, CreditRule, MovingAverage},
    kl::Estimator,
    knobs::{read, within},
    online::{self, Knobs, Online, Parts, Place, Plain},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "reinforce",
    family: Family::Online,
    claim: "The plain policy gradient with one baseline for the whole batch: no ratio, no clip.",
    paper: "Williams 1992, doi:10.1007/BF00992696; for language models Ahmadian et al. 2024, arXiv:2402.14740, eq. 5",
    equation: "A = r - b,  b = mean of the batch, or an exponential average of earlier batches\nL = 1/tokens sum_bt -A log pi",
    parts: &["credit::batch_mean", "credit::moving_average", "kl::k1", "online::plain", "reduce::token_mean"],
    knobs: &[
        &[
            Knob {
                name: "baseline",
                help: "What is subtracted from rewards: batch (its mean) or moving (an average of earlier batches).",
                default: "\"batch\"",
            },
            Knob { name: "decay", help: "How much of the moving baseline stays at each batch.", default: "0.9" },
        ],
        &online::kl("0.0", "\"reward\"", "\"k1\""),
        &[online::ENTROPY, online::aggregation("\"token_mean\"")],
        &online::CORRECTION,
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Baseline {
    Batch,
    Moving,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    baseline: Baseline,
    decay: f64,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { kl_in: Place::Reward, kl_estimator: Estimator::K1, ..Knobs::default() })?;
    let own = read(&CARD, given, &Own { baseline: Baseline::Batch, decay: 0.9 })?;
    within(&CARD, "decay", own.decay, (0.0, 1.0))?;
    let credit: Box<dyn CreditRule> = match own.baseline {
        Baseline::Batch => Box::new(BatchMean),
        Baseline::Moving => Box::new(MovingAverage { decay: own.decay }),
    };
    Ok(Box::new(Online::new(&CARD, &knobs, Parts { credit, ratio: Level::Token, gate: Box::new(Plain) })?))
}

#[cfg(test)]
mod tests {
    use crate::golden::Case;
    use serde_json::json;

    /// Independent value: plain loops over the stored numbers in float64. The gradient of `−A log π` is `−A / tokens` where trained.
    #[test]
    fn loss_and_gradient_are_the_textbooks() {
        let case = Case::load("new_logps", "old_logps", "advantages");
        let (loss, grad) = case.run("reinforce", json!({}));
        let (logp, advantage, mask) = (case.numbers("new_logps"), case.numbers("advantages"), case.numbers("mask"));
        let tokens: f64 = mask.iter().sum();
        let mut wanted = 0.0;
        for i in 0..mask.len() {
            let a = advantage[i / 24];
            wanted -= a * logp[i] * mask[i] / tokens;
            assert!((grad[i] + a * mask[i] / tokens).abs() < 1e-12);
        }
        assert!((loss - wanted).abs() < 1e-12, "{loss} against {wanted}");
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("reinforce");
    }
}
