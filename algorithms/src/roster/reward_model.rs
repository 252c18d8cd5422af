//! A reward model from comparisons (Ouyang et al. 2022, arXiv:2203.02155): Bradley and Terry's model, with margins, soft labels and ties.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    AlgoState, AlgorithmError, Card, ComparisonLeaves, Comparisons, Family, Knob, KnobError, Needs, Objective, RoleLoss, RowCount, Stats,
    knobs::{read, within},
};

pub(super) static CARD: Card = Card {
    name: "reward_model",
    family: Family::Comparisons,
    claim: "A reward model: the preferred answer scores higher, as sure as the judges were, by as much as the data ask.",
    paper: "Ouyang et al. 2022, arXiv:2203.02155, eq. 1; margin: Touvron et al. 2023, arXiv:2307.09288, eq. 2; ties: Liu et al. 2024, \
            arXiv:2410.05328; centring: Eisenstein et al. 2023, arXiv:2312.09244",
    equation: "d = score_chosen - score_rejected - margin,  p = share of judges for chosen,  t = log theta\n\
               L = mean [ -p log sigmoid(d - t) - (1-p) log sigmoid(-d - t) ] + c mean (score_chosen + score_rejected)^2\n\
               with theta > 1 a tie (p = 1/2) costs -log(theta^2 - 1) - log sigmoid(d - t) - log sigmoid(-d - t)",
    parts: &[],
    knobs: &[&[
        Knob {
            name: "tie_theta",
            help: "How readily judges call a tie: at 1 a tie is a label of one half, above 1 it is an outcome of its own.",
            default: "1.0",
        },
        Knob { name: "centring", help: "Weight of the square of the sum of both scores, which holds scores near 0.", default: "0.0" },
    ]],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RewardModel {
    tie_theta: f64,
    centring: f64,
}

impl RewardModel {
    /// `[N]` losses of the differences `d` under the labels `p`.
    fn each(&self, d: &Tensor, p: Option<&Tensor>) -> Tensor {
        let t = self.tie_theta.ln();
        let (won, lost) = (-(d - t).log_sigmoid(), -(-d - t).log_sigmoid());
        let Some(p) = p else { return won };
        let labelled = &won * p + &lost * (-p + 1.0);
        if self.tie_theta == 1.0 {
            return labelled;
        }
        (won + lost - (self.tie_theta * self.tie_theta - 1.0).ln()).where_self(&p.eq(0.5), &labelled)
    }
}

impl Objective<Comparisons> for RewardModel {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn loss(&self, _: &mut AlgoState, leaves: &ComparisonLeaves, pairs: &RowCount) -> Result<RoleLoss, AlgorithmError> {
        leaves.check("reward_model")?;
        let ComparisonLeaves { chosen, rejected, margin, preferred } = leaves;
        let difference = chosen - rejected;
        let d = margin.as_ref().map_or_else(|| difference.shallow_clone(), |m| &difference - m);
        let mut loss = self.each(&d, preferred.as_ref()).sum(d.kind());
        if self.centring > 0.0 {
            loss += (chosen + rejected).square().sum(d.kind()) * self.centring;
        }
        Ok(RoleLoss { loss: loss / pairs.0.max(1.0), stats: measure(leaves, &difference) })
    }
}

/// Accuracy over pairs that are no ties by label, where equal scores count half; how often scores are equal; scores and margins.
fn measure(leaves: &ComparisonLeaves, difference: &Tensor) -> Stats {
    let d = difference.detach();
    let mut stats = Stats::default();
    match &leaves.preferred {
        None => stats.mean("rewards/accuracies", &(d.sign() * 0.5 + 0.5)),
        Some(p) => stats.masked("rewards/accuracies", &(d.sign() * (p - 0.5).sign() * 0.5 + 0.5), &p.ne(0.5).to_kind(d.kind())),
    }
    stats.mean("rewards/ties", &d.eq(0.0).to_kind(d.kind()));
    stats.mean("rewards/margins", &d);
    stats.mean("rewards/chosen", &leaves.chosen);
    stats.mean("rewards/rejected", &leaves.rejected);
    stats
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Comparisons>>, KnobError> {
    let model = read(&CARD, given, &RewardModel { tie_theta: 1.0, centring: 0.0 })?;
    within(&CARD, "tie_theta", model.tie_theta, (1.0, f64::INFINITY))?;
    within(&CARD, "centring", model.centring, (0.0, f64::INFINITY))?;
    Ok(Box::new(model))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_loss_of_trls_scores_equals_trls() {
        crate::golden_pairs::reward_model();
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::comparisons("reward_model");
    }

    #[test]
    fn equal_scores_count_half_and_ties_by_label_not_at_all() {
        let row = |x: &[f64]| Tensor::from_slice(x);
        let leaves = ComparisonLeaves {
            chosen: row(&[2.0, 1.0, 1.0, 0.0]),
            rejected: row(&[1.0, 1.0, 2.0, 3.0]),
            margin: None,
            preferred: Some(row(&[1.0, 0.9, 0.5, 0.2])),
        };
        let stats = build(&json!({})).unwrap().loss(&mut AlgoState::default(), &leaves, &RowCount(4.0)).unwrap().stats.means();
        assert_eq!(stats["rewards/accuracies"], (1.0 + 0.5 + 1.0) / 3.0);
        assert_eq!(stats["rewards/ties"], 0.25);
    }

    /// The three outcomes of a comparison are all there is: their probabilities add up to 1.
    #[test]
    fn with_ties_the_three_probabilities_add_up() {
        let model = RewardModel { tie_theta: 1.7, centring: 0.0 };
        let d = Tensor::from_slice(&[-3.0_f64, -0.4, 0.0, 2.5]);
        let outcome = |p: f64| (-model.each(&d, Some(&(d.zeros_like() + p)))).exp();
        let all = outcome(1.0) + outcome(0.0) + outcome(0.5);
        assert!((all - 1.0).abs().max().double_value(&[]) < 1e-12);
    }
}
