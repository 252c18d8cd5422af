//! REINFORCE (Williams 1992) on completions, with one baseline for the whole batch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{knobs::within, read};
use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, Denominators, Knob, KnobError, Leaves, LossOutput, Needs, Stats,
    credit, kl, reduce,
};

pub(super) static CARD: Card = Card {
    name: "reinforce",
    claim: "The plain policy gradient with one baseline for the whole batch: no ratio, no clip.",
    paper: "Williams 1992, doi:10.1007/BF00992696; for language models Ahmadian et al. 2024, arXiv:2402.14740, eq. 5",
    equation: "A = r - b,  b = mean of the batch, or an exponential average of earlier batches\nL = 1/tokens sum_bt -A log pi",
    parts: &["credit::batch_mean", "credit::moving_average", "reduce::token_mean"],
    knobs: &[
        Knob {
            name: "baseline",
            help: "What is subtracted from rewards: batch (its mean) or moving (an average of earlier batches).",
            default: "\"batch\"",
        },
        Knob { name: "decay", help: "How much of the moving baseline stays at each batch.", default: "0.9" },
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
struct Knobs {
    baseline: Baseline,
    decay: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { baseline: Baseline::Batch, decay: 0.9 }
    }
}

#[derive(Debug)]
struct Reinforce(Knobs);

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs: Knobs = read(&CARD, given)?;
    within(&CARD, "decay", knobs.decay, (0.0, 1.0))?;
    Ok(Box::new(Reinforce(knobs)))
}

impl Algorithm for Reinforce {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs { credit_only: true, ..Needs::default() }
    }

    fn credit(&self, state: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        let scores = credit::scores("reinforce", input)?;
        Ok(credit::per_sequence(match self.0.baseline {
            Baseline::Batch => credit::batch_mean(&scores),
            Baseline::Moving => credit::moving_average(&scores, &mut state.moving_baseline, self.0.decay),
        }))
    }

    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError> {
        leaves.check("reinforce")?;
        let mut stats = Stats::default();
        stats.masked("policy/approx_kl", &kl::k3(leaves.logp_old, leaves.logp), leaves.trained);
        let each = -(leaves.logp * leaves.advantage);
        Ok(LossOutput { policy: reduce::token_mean(&each, leaves.trained, denominators), stats })
    }
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
}
