//! Online algorithms as compositions of parts: what turns rewards into credit, and what turns credit into a loss.
//!
//! A named algorithm picks a [`CreditRule`], a ratio [`Level`] and a [`Gate`]; the rest (KL, entropy, correction, average) comes from the
//! shared [`Knobs`]. Parts that do not go together are refused with the reason.

mod gate;
mod knobs;
mod policy;

pub use gate::{Gate, Plain};
pub use knobs::{CORRECTION, ENTROPY, Knobs, Place, SCALE, aggregation, clip, kl};
pub use policy::{KlTerm, PolicyLoss};

use crate::{
    AlgoState, Algorithm, AlgorithmError, Card, Credit, CreditInput, CriticLoss, Denominators, KnobError, Leaves, LossOutput, Needs, Stats,
    correction::Weighing,
    credit::{self, CreditRule, Overlong, RewardKl, Shaped},
    kl::Estimator,
    ratio::Level,
    reduce::Aggregation,
    value::ValueLoss,
};

/// The parts that make an algorithm.
#[derive(Debug)]
pub struct Parts {
    /// From rewards to credit.
    pub credit: Box<dyn CreditRule>,
    /// What the importance ratio is of.
    pub ratio: Level,
    /// From ratio and credit to a loss.
    pub gate: Box<dyn Gate>,
}

/// An online algorithm made of parts.
#[derive(Debug)]
pub struct Online {
    card: &'static Card,
    credit: Box<dyn CreditRule>,
    overlong: Option<Overlong>,
    reward_kl: Option<RewardKl>,
    loss: PolicyLoss,
    critic: Option<ValueLoss>,
    groups_with_spread: bool,
}

impl Online {
    /// Composes an algorithm.
    ///
    /// # Errors
    /// When parts do not go together.
    pub fn new(card: &'static Card, knobs: &Knobs, parts: Parts) -> Result<Self, KnobError> {
        let Parts { credit, ratio, gate } = parts;
        let clash = |knob, what: &str, with: &str, why| {
            Err(KnobError::Clash { algorithm: card.name, knob, what: format!("= {what}"), with: with.to_owned(), why })
        };
        if ratio != Level::Token || gate.per_sequence() {
            let with = if gate.per_sequence() { gate.name() } else { ratio.name() };
            if credit.per_token() {
                return clash("credit", credit.name(), with, "a ratio of the completion takes one credit a completion, not one a token");
            }
            if knobs.aggregation != Aggregation::SequenceMeanTokenMean {
                let why =
                    "it gives one number a completion, which no other average but sequence_mean_token_mean leaves unweighed by length";
                return clash("aggregation", knobs.aggregation.name(), with, why);
            }
        }
        let loss = PolicyLoss {
            site: card.name,
            ratio,
            gate,
            correction: knobs.correction(),
            kl: knobs.kl_term(),
            entropy: knobs.entropy,
            aggregation: knobs.aggregation,
        };
        Ok(Self { card, credit, overlong: None, reward_kl: knobs.reward_kl(), loss, critic: None, groups_with_spread: false })
    }

    /// With a soft penalty of long completions.
    #[must_use]
    pub fn with_overlong(self, overlong: Option<Overlong>) -> Self {
        Self { overlong, ..self }
    }

    /// With groups without spread drawn anew, or not.
    #[must_use]
    pub fn with_spread(self, groups_with_spread: bool) -> Self {
        Self { groups_with_spread, ..self }
    }

    /// With a critic.
    #[must_use]
    pub fn with_critic(self, critic: ValueLoss) -> Self {
        Self { critic: Some(critic), ..self }
    }
}

impl Algorithm for Online {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn needs(&self) -> Needs {
        let kl = self.loss.kl.beta > 0.0;
        Needs {
            entropy: self.loss.entropy != 0.0,
            full_kl: kl && self.loss.kl.estimator == Estimator::Full,
            reference: kl || self.reward_kl.is_some(),
            behaviour: self.loss.correction.weighing != Weighing::None,
            groups_with_spread: self.groups_with_spread,
            // A KL in the reward is part of the credit.
            credit_only: !kl && self.loss.entropy == 0.0,
            ..self.credit.needs()
        }
    }

    fn credit(&self, state: &mut AlgoState, input: &CreditInput<'_>) -> Result<Credit, AlgorithmError> {
        let site = self.card.name;
        let mut scores = credit::scores(site, input)?;
        if let Some(overlong) = &self.overlong {
            overlong.charge(&mut scores, input);
        }
        let mut stats = Stats::default();
        let charges = match &self.reward_kl {
            Some(kl) => kl.charge(site, (state, &mut stats), &mut scores, input, self.credit.per_token())?,
            None => None,
        };
        let mut credit = self.credit.credit(state, &Shaped { site, scores, charges, input })?;
        credit.stats.add(&stats);
        Ok(credit)
    }

    fn loss(&self, leaves: &Leaves<'_>, denominators: &Denominators) -> Result<LossOutput, AlgorithmError> {
        self.loss.compute(leaves, denominators)
    }

    fn parts(&self) -> Vec<&'static str> {
        let mut parts = vec![self.credit.name()];
        if let Some(kl) = &self.reward_kl {
            parts.push(kl.estimator.name());
        }
        if self.loss.gate.name() != Plain.name() {
            parts.push(self.loss.ratio.name());
        }
        parts.push(self.loss.gate.name());
        if self.loss.kl.beta > 0.0 {
            parts.push(self.loss.kl.estimator.name());
        }
        parts.push(self.loss.aggregation.name());
        if self.critic.is_some() {
            parts.push("value::ValueLoss");
        }
        parts
    }

    fn critic(&self) -> Option<&dyn CriticLoss> {
        self.critic.as_ref().map(|c| c as &dyn CriticLoss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::{Centred, RewardToGo, Scale};

    fn compose(credit: Box<dyn CreditRule>, ratio: Level, aggregation: Aggregation) -> Result<Online, String> {
        let card = crate::find("grpo").unwrap().card;
        let knobs = Knobs { aggregation, ..Knobs::default() };
        Online::new(card, &knobs, Parts { credit, ratio, gate: Box::new(knobs.clip()) }).map_err(|e| e.to_string())
    }

    #[test]
    fn a_ratio_of_the_completion_takes_one_credit_and_one_average() {
        let (tokens, by_row) = (Box::new(RewardToGo { gamma: 1.0 }), Aggregation::SequenceMeanTokenMean);
        let error = compose(tokens, Level::SequenceMean, by_row).unwrap_err();
        assert!(error.contains("credit::reward_to_go") && error.contains("one credit a completion"), "{error}");
        let centred = || Box::new(Centred(Scale::Group));
        let error = compose(centred(), Level::SequenceProduct, Aggregation::TokenSum).unwrap_err();
        assert!(error.contains("reduce::token_sum") && error.contains("unweighed by length"), "{error}");
        let parts = compose(centred(), Level::SequenceMean, by_row).unwrap().parts();
        assert_eq!(parts, ["credit::centre", "ratio::sequence_mean", "clip::surrogate", "reduce::row_mean_token_mean"]);
    }
}
