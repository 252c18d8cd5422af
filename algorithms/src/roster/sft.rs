//! Supervised fine-tuning (Ouyang et al. 2022, arXiv:2203.02155): the likelihood of demonstrations, on the answers alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AlgoState, AlgorithmError, Card, DemonstrationLeaves, Demonstrations, Denominators, Family, KnobError, Needs, Objective, RoleLoss,
    Stats, knobs::read, online, reduce::Aggregation,
};

pub(super) static CARD: Card = Card {
    name: "sft",
    family: Family::Demonstrations,
    claim: "Supervised fine-tuning: the likelihood of the demonstrated answers rises.",
    paper: "Ouyang et al. 2022, Training language models to follow instructions with human feedback, arXiv:2203.02155, section 3.5",
    equation: "L = 1/tokens sum_bt -log pi",
    parts: &["reduce::token_mean"],
    knobs: &[&[online::aggregation("\"token_mean\"")]],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sft {
    aggregation: Aggregation,
}

impl Objective<Demonstrations> for Sft {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn loss(&self, _: &mut AlgoState, leaves: &DemonstrationLeaves, d: &Denominators) -> Result<RoleLoss, AlgorithmError> {
        leaves.check("sft")?;
        let each = -&leaves.logp;
        let mut stats = Stats::default();
        stats.masked("nll_loss", &each, &leaves.trained);
        Ok(RoleLoss { loss: self.aggregation.apply(&each, &leaves.trained, d), stats })
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![self.aggregation.name()]
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Objective<Demonstrations>>, KnobError> {
    Ok(Box::new(read(&CARD, given, &Sft { aggregation: Aggregation::TokenMean })?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loss_of_the_chosen_answers_equals_trls() {
        crate::golden_pairs::sft();
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::demonstrations("sft");
    }
}
