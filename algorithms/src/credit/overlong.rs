//! A soft penalty of long completions (DAPO, arXiv:2503.14476, eq. 13).

use super::Scores;
use crate::CreditInput;

/// From `limit − buffer` tokens on, a completion loses up to `penalty`: `−penalty·clip((len − (limit − buffer)) / buffer, 0, 1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlong {
    /// Tokens at which the whole penalty is due.
    pub limit: f64,
    /// Tokens before it over which the penalty grows.
    pub buffer: f64,
    /// The whole penalty.
    pub penalty: f64,
}

impl Overlong {
    /// Takes the penalty off the scores.
    pub fn charge(&self, scores: &mut Scores, input: &CreditInput<'_>) {
        for (group, rewards) in scores.iter_mut().zip(input.groups) {
            for (score, length) in group.iter_mut().zip(rewards.lengths) {
                let over = (*length as f64 - (self.limit - self.buffer)) / self.buffer;
                *score = score.map(|r| r - self.penalty * over.clamp(0.0, 1.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GroupRewards;

    #[test]
    fn the_penalty_grows_over_the_buffer_and_no_further() {
        let mut scores = vec![vec![Some(1.0), Some(1.0), Some(1.0), None]];
        let groups = [GroupRewards::new(&[Some(1.0), Some(1.0), Some(1.0), None], &[80, 90, 200, 95])];
        Overlong { limit: 100.0, buffer: 20.0, penalty: 1.0 }.charge(&mut scores, &CreditInput { groups: &groups });
        assert_eq!(scores, [[Some(1.0), Some(0.5), Some(0.0), None]]);
    }
}
