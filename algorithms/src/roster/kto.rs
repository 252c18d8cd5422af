//! KTO (Ethayarajh et al. 2024, arXiv:2402.01306): from thumbs up and down, with a sense of loss, and no pairs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Kind;

use crate::{
    AlgoState, AlgorithmError, Card, Family, Knob, KnobError, Labelled, LabelledLeaves, Needs, Objective, RoleLoss, RowCount, Stats,
    knobs::{positive, read, within},
    preference::{self, Score},
    shape,
};

pub(super) static CARD: Card = Card {
    name: "kto",
    family: Family::Labelled,
    claim: "Kahneman-Tversky optimisation: single answers, liked or not, each against the KL the policy has moved so far.",
    paper: "Ethayarajh et al. 2024, KTO, arXiv:2402.01306",
    equation: "h = log pi - log pi_ref, summed over the answer;  z = max(0, mean h of mismatched prompts and answers), without gradient\n\
               L = mean [ w_d (1 - sigmoid(beta (h - z))) if desirable, else w_u (1 - sigmoid(beta (z - h))) ]",
    parts: &["preference::log_ratio"],
    knobs: &[
        &[preference::beta("0.1")],
        &[
            Knob { name: "desirable_weight", help: "w_d: what a desirable answer counts.", default: "1.0" },
            Knob { name: "undesirable_weight", help: "w_u: what another answer counts.", default: "1.0" },
        ],
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kto {
    beta: f64,
    desirable_weight: f64,
    undesirable_weight: f64,
}

impl Objective<Labelled> for Kto {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        // z is of all rows.
        Needs { reference: true, whole_batch: true, ..Needs::default() }
    }

    fn loss(&self, _: &mut AlgoState, leaves: &LabelledLeaves, d: &RowCount) -> Result<RoleLoss, AlgorithmError> {
        let LabelledLeaves { answers, desirable, mismatched } = leaves;
        answers.check("kto")?;
        mismatched.check("kto")?;
        shape::bind("kto", &[("answers", &answers.logp, "N"), ("desirable", desirable, "N")])?;
        let h = Score::LogRatio.of("kto", answers)?;
        let moved = Score::LogRatio.of("kto", mismatched)?.detach();
        let z = if moved.numel() == 0 { 0.0 } else { moved.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]).max(0.0) };
        let other = -desirable + 1.0;
        // 1 − σ(βx) = σ(−βx).
        let liked = ((-&h + z) * self.beta).sigmoid() * desirable * self.desirable_weight;
        let disliked = ((&h - z) * self.beta).sigmoid() * &other * self.undesirable_weight;
        let mut stats = Stats::default();
        let reward = h.detach() * self.beta;
        stats.masked("rewards/chosen", &reward, desirable);
        stats.masked("rewards/rejected", &reward, &other);
        stats.sum("kl", z, 1.0);
        Ok(RoleLoss { loss: (liked + disliked).sum(h.kind()) / d.0.max(1.0), stats })
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Labelled>>, KnobError> {
    let kto = read(&CARD, given, &Kto { beta: 0.1, desirable_weight: 1.0, undesirable_weight: 1.0 })?;
    positive(&CARD, "beta", kto.beta)?;
    within(&CARD, "desirable_weight", kto.desirable_weight, (0.0, f64::INFINITY))?;
    within(&CARD, "undesirable_weight", kto.undesirable_weight, (0.0, f64::INFINITY))?;
    Ok(Box::new(kto))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::labelled("kto");
    }
}
