//! IPO (Azar et al. 2023, arXiv:2310.12036): the difference of log-ratios is pulled to a finite value, so that sure pairs do not run away.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, Card, Family, Knob, KnobError, Objective, Pairs,
    knobs::read,
    preference::{self, Knobs, PairRule, Preference, Score, smoothed},
};

pub(super) static CARD: Card = Card {
    name: "ipo",
    family: Family::Pairs,
    claim: "Identity preference optimisation: the difference of log-ratios is to be 1/(2 beta), neither less nor more.",
    paper: "Azar et al. 2023, A General Theoretical Paradigm to Understand Learning from Human Preferences, arXiv:2310.12036, eq. 17",
    equation: "h = (log pi - log pi_ref) / len, over the answer (summed if average is false)\nL = mean [ (h_chosen - h_rejected - 1/(2 beta))^2 ]",
    parts: &["preference::log_ratio_mean", "ipo::Square"],
    knobs: &[
        &[preference::beta("0.1")],
        &[Knob {
            name: "average",
            help: "Whether log-ratios are by token, as TRL has them, or summed, as the paper has.",
            default: "true",
        }],
        &[preference::SMOOTHING, preference::SFT_WEIGHT],
    ],
};

/// `(chosen − rejected − 1/(2β))²`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Square {
    beta: f64,
    label_smoothing: f64,
}

impl PairRule for Square {
    fn name(&self) -> &'static str {
        "ipo::Square"
    }

    fn each(&self, _: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor {
        smoothed(&(chosen - rejected), self.label_smoothing, |d| (d - 1.0 / (2.0 * self.beta)).square())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    average: bool,
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Pairs>>, KnobError> {
    let Knobs { beta, label_smoothing, sft_weight } = Knobs::read(&CARD, given, &Knobs::default())?;
    let score = if read(&CARD, given, &Own { average: true })?.average { Score::LogRatioMean } else { Score::LogRatio };
    Ok(Box::new(Preference { card: &CARD, score, rule: Box::new(Square { beta, label_smoothing }), beta, sft_weight }))
}

#[cfg(test)]
mod tests {
    use crate::golden_pairs::loss;
    use serde_json::json;

    #[test]
    fn the_loss_equals_trls() {
        loss("ipo", json!({}), &[("ipo", 1.0)]);
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::pairs("ipo");
    }
}
