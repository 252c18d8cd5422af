//! A rule that turns the rewards of a batch into credit: one part of an algorithm.

use super::Scores;
use crate::{AlgoState, AlgorithmError, Credit, CreditInput, Needs};

/// The rewards of a batch, shaped: penalties are off the scores already, or stand beside them by token.
#[derive(Debug)]
pub struct Shaped<'a> {
    /// Who asks.
    pub site: &'static str,
    /// `[P][G]` one number a completion.
    pub scores: Scores,
    /// `[P][G][T]` what is taken off at each token, where the rule credits tokens and a KL is in the reward.
    pub charges: Option<Vec<Vec<Vec<f64>>>>,
    /// Lengths, tokens, values.
    pub input: &'a CreditInput<'a>,
}

impl Shaped<'_> {
    /// Which tokens of a member take part.
    #[must_use]
    pub fn trained(&self, p: usize, g: usize) -> Vec<bool> {
        let group = &self.input.groups[p];
        group.tokens.map_or_else(|| vec![true; group.lengths[g]], |t| t[g].trained.to_vec())
    }

    /// `[T]` rewards of a member's tokens: what is charged at each, and the score at the last that takes part. None without a score.
    #[must_use]
    pub fn token_rewards(&self, p: usize, g: usize) -> Option<(Vec<f64>, Vec<bool>)> {
        let score = self.scores[p][g]?;
        let trained = self.trained(p, g);
        let mut rewards = match &self.charges {
            Some(charges) => charges[p][g].iter().zip(&trained).map(|(c, t)| if *t { -c } else { 0.0 }).collect(),
            None => vec![0.0; trained.len()],
        };
        if let Some(last) = trained.iter().rposition(|t| *t) {
            rewards[last] += score;
        }
        Some((rewards, trained))
    }

    /// Places of all members, in order.
    pub fn members(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.scores.iter().enumerate().flat_map(|(p, g)| (0..g.len()).map(move |g| (p, g)))
    }
}

/// From rewards to credit.
pub trait CreditRule: Send + std::fmt::Debug {
    /// Its name on a card.
    fn name(&self) -> &'static str;

    /// Whether it gives every token its own credit. A KL in the reward is then charged by token, else by completion.
    fn per_token(&self) -> bool {
        false
    }

    /// What it needs besides scores.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The credit of a batch.
    ///
    /// # Errors
    /// When something it needs is missing.
    fn credit(&self, state: &mut AlgoState, rewards: &Shaped<'_>) -> Result<Credit, AlgorithmError>;
}
