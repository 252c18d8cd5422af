//! GMPO (Zhao et al. 2025, arXiv:2507.20673): the geometric mean of the clipped ratios of a completion, which outliers move little.

use serde_json::Value;
use tch::Tensor;

use crate::{
    Algorithm, Card, Family, Knob, KnobError, Leaves, Stats,
    clip::Clip,
    credit::Centred,
    online::{self, Gate, Knobs, Online, Parts},
    ratio::{Level, Ratio, row_mean},
    reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "gmpo",
    family: Family::Online,
    claim: "Geometric-mean policy optimisation: GRPO whose mean over a completion's ratios is geometric, with the clip by token.",
    paper: "Zhao et al. 2025, Geometric-Mean Policy Optimization, arXiv:2507.20673",
    equation: "A[p,g] = (r[p,g] - mean_h r[p,h]) / (std_h r[p,h] + 1e-4),  s = sign A,  l = log pi - log pi_old\n\
               L = 1/B sum_b [ -A exp(1/len_b sum_t s min(s l, s clip(l, -e_low, e_high))) + beta 1/len_b sum_t k3 ]",
    parts: &["credit::centre", "ratio::token", "gmpo::GeometricMean", "kl::k3", "reduce::row_mean_token_mean"],
    knobs: &[
        &[
            Knob { name: "epsilon_low", help: "How far the log-ratio may fall below 0 before the gradient stops.", default: "0.4" },
            Knob { name: "epsilon_high", help: "How far the log-ratio may rise above 0 before the gradient stops.", default: "0.4" },
        ],
        &[online::SCALE],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY],
        &online::CORRECTION,
    ],
};

/// The geometric mean of clipped ratios, times the credit.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GeometricMean {
    low: f64,
    high: f64,
}

impl Gate for GeometricMean {
    fn name(&self) -> &'static str {
        "gmpo::GeometricMean"
    }

    fn per_sequence(&self) -> bool {
        true
    }

    fn each(&self, leaves: &Leaves<'_>, at: &Ratio, stats: &mut Stats) -> Tensor {
        let advantage = row_mean(leaves.advantage, leaves.trained);
        let (sign, log_ratio) = (advantage.sign(), leaves.logp - leaves.logp_old);
        let clipped = log_ratio.clamp(-self.low, self.high);
        let kept = (&log_ratio * &sign).minimum(&(clipped * &sign)) * &sign;
        // Where the clip bites, in terms of the ratio itself.
        let bounds = Clip { low: 1.0 - (-self.low).exp(), high: self.high.exp() - 1.0, delta: None, dual: None };
        crate::clip::measure(stats, &at.ratio, &at.advantage, &at.there, bounds);
        -(row_mean(&kept, leaves.trained).exp() * advantage)
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let defaults = Knobs { epsilon_low: 0.4, epsilon_high: 0.4, aggregation: Aggregation::SequenceMeanTokenMean, ..Knobs::default() };
    let knobs = Knobs::read(&CARD, given, &defaults)?;
    let gate = GeometricMean { low: knobs.epsilon_low, high: knobs.epsilon_high };
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(gate) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("gmpo");
    }
}
