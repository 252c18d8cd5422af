//! Losses of preferences between answers as compositions of parts: what an answer scores, and what is asked of two scores.

mod knobs;
mod logistic;
mod side;

pub use knobs::{Knobs, SFT_WEIGHT, SMOOTHING, beta};
pub use logistic::Logistic;
pub use side::{RunningMean, Score, Side};

use tch::Tensor;

use crate::{AlgoState, AlgorithmError, Card, Needs, Objective, PairDenominators, PairLeaves, Pairs, RoleLoss, Stats};

/// What is asked of the scores of two answers.
pub trait PairRule: Send + std::fmt::Debug {
    /// Its name on a card.
    fn name(&self) -> &'static str;

    /// Whether it needs all pairs of an update at once.
    fn couples_pairs(&self) -> bool {
        false
    }

    /// `[N]` losses from `[N]` scores before β.
    fn each(&self, state: &mut AlgoState, chosen: &Tensor, rejected: &Tensor) -> Tensor;
}

/// A loss of pairs made of parts: `mean(rule(score(chosen), score(rejected))) + α·nll(chosen)`.
#[derive(Debug)]
pub struct Preference {
    /// Its card.
    pub card: &'static Card,
    /// What an answer scores.
    pub score: Score,
    /// What is asked of two scores.
    pub rule: Box<dyn PairRule>,
    /// β, for the implicit rewards in the log.
    pub beta: f64,
    /// α: the weight of a supervised term on the preferred answers.
    pub sft_weight: f64,
}

/// `(1 − ε)·f(d) + ε·f(−d)`: the label is wrong with probability ε (cDPO: Mitchell 2023, "A note on DPO with noisy preferences").
pub fn smoothed(difference: &Tensor, epsilon: f64, f: impl Fn(&Tensor) -> Tensor) -> Tensor {
    if epsilon == 0.0 { f(difference) } else { f(difference) * (1.0 - epsilon) + f(&-difference) * epsilon }
}

impl Objective<Pairs> for Preference {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn needs(&self) -> Needs {
        Needs { reference: self.score.reference(), whole_batch: self.rule.couples_pairs(), ..Needs::default() }
    }

    fn loss(&self, state: &mut AlgoState, leaves: &PairLeaves, d: &PairDenominators) -> Result<RoleLoss, AlgorithmError> {
        let site = self.card.name;
        let PairLeaves { chosen, rejected } = leaves;
        chosen.check(site)?;
        rejected.check(site)?;
        crate::shape::bind(site, &[("chosen", &chosen.logp, "N"), ("rejected", &rejected.logp, "N")])?;
        let (better, worse) = (self.score.of(site, chosen)?, self.score.of(site, rejected)?);
        let each = self.rule.each(state, &better, &worse);
        let mut loss = each.sum(each.kind()) / d.pairs.max(1.0);
        let mut stats = measure(&better, &worse, self.beta);
        stats.mean("logps/chosen", &chosen.logp);
        stats.mean("logps/rejected", &rejected.logp);
        if self.sft_weight > 0.0 {
            loss += chosen.nll(d.chosen_tokens) * self.sft_weight;
            let tokens = chosen.tokens.sum(tch::Kind::Double).double_value(&[]);
            stats.sum("nll_loss", chosen.nll(1.0).detach().to_kind(tch::Kind::Double).double_value(&[]), tokens);
        }
        Ok(RoleLoss { loss, stats })
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![self.score.name(), self.rule.name()]
    }
}

/// TRL's figures of implicit rewards; a tie counts half.
fn measure(chosen: &Tensor, rejected: &Tensor, beta: f64) -> Stats {
    let (chosen, rejected) = (chosen.detach() * beta, rejected.detach() * beta);
    let margin = &chosen - &rejected;
    let mut stats = Stats::default();
    stats.mean("rewards/accuracies", &(margin.sign() * 0.5 + 0.5));
    stats.mean("rewards/margins", &margin);
    stats.mean("rewards/chosen", &chosen);
    stats.mean("rewards/rejected", &rejected);
    stats
}
