//! One side of a preference: answers with their log-probabilities.

use tch::{Kind, Tensor};

use crate::{AlgorithmError, shape};

/// Answers, summed: all losses of preferences are functions of whole answers. All tensors are `[N]` of one float kind.
#[derive(Debug)]
pub struct Side {
    /// `Σ_t log π` over the trained tokens. The gradient is taken with respect to this, or to the tokens it was summed from.
    pub logp: Tensor,
    /// Trained tokens.
    pub tokens: Tensor,
    /// `Σ_t log π_ref` over the trained tokens, if [`crate::Needs::reference`].
    pub logp_ref: Option<Tensor>,
}

impl Side {
    /// From log-probabilities by token: the graph goes on to them.
    ///
    /// # Shapes
    /// all `[N, T]`
    ///
    /// # Errors
    /// When shapes differ.
    pub fn of_tokens(logp: &Tensor, logp_ref: Option<&Tensor>, trained: &Tensor) -> Result<Self, AlgorithmError> {
        let mut all = vec![("logp", logp, "NT"), ("trained", trained, "NT")];
        all.extend(logp_ref.map(|t| ("logp_ref", t, "NT")));
        shape::bind("preference", &all)?;
        let sum = |t: &Tensor| (t * trained).sum_dim_intlist(-1, false, t.kind());
        let tokens = trained.sum_dim_intlist(-1, false, logp.kind());
        Ok(Self { logp: sum(logp), tokens, logp_ref: logp_ref.map(sum) })
    }

    /// Checks all shapes.
    ///
    /// # Errors
    /// When they differ.
    pub fn check(&self, site: &'static str) -> Result<(), AlgorithmError> {
        let mut all = vec![("logp", &self.logp, "N"), ("tokens", &self.tokens, "N")];
        all.extend(self.logp_ref.as_ref().map(|t| ("logp_ref", t, "N")));
        shape::bind(site, &all).map(|_| ())
    }

    /// The reference's sums.
    ///
    /// # Errors
    /// When they are not there.
    pub fn reference(&self, site: &'static str) -> Result<&Tensor, AlgorithmError> {
        self.logp_ref.as_ref().ok_or(AlgorithmError::Missing { site, name: "logp_ref" })
    }

    /// `−Σ log π / tokens` over the batch: the negative log-likelihood of these answers, by token.
    pub fn nll(&self, tokens: f64) -> Tensor {
        -self.logp.sum(self.logp.kind()) / tokens.max(1.0)
    }
}

/// What an answer scores before β: with or without a reference, summed or by token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// `log π − log π_ref`.
    LogRatio,
    /// The same by token of the answer.
    LogRatioMean,
    /// `log π`.
    LogProb,
    /// The same by token of the answer.
    LogProbMean,
}

impl Score {
    /// Whether it asks for a reference.
    #[must_use]
    pub fn reference(self) -> bool {
        matches!(self, Self::LogRatio | Self::LogRatioMean)
    }

    /// Its name on a card.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogRatio => "preference::log_ratio",
            Self::LogRatioMean => "preference::log_ratio_mean",
            Self::LogProb => "preference::log_prob",
            Self::LogProbMean => "preference::log_prob_mean",
        }
    }

    /// `[N]` scores of a side.
    ///
    /// # Errors
    /// When the reference is missing.
    pub fn of(self, site: &'static str, side: &Side) -> Result<Tensor, AlgorithmError> {
        let sum = if self.reference() { &side.logp - side.reference(site)? } else { side.logp.shallow_clone() };
        Ok(match self {
            Self::LogRatio | Self::LogProb => sum,
            Self::LogRatioMean | Self::LogProbMean => sum / side.tokens.clamp_min(1.0),
        })
    }
}

/// The mean of everything seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningMean {
    /// The mean.
    pub mean: f64,
    /// How many numbers it is of.
    pub count: f64,
}

impl RunningMean {
    /// Takes numbers in.
    pub fn add(&mut self, values: &Tensor) {
        let n = values.numel() as f64;
        if n > 0.0 {
            let mean = values.detach().to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            self.count += n;
            self.mean += (mean - self.mean) * n / self.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_summed_over_its_trained_tokens_alone() {
        let grid = |x: &[f64; 4]| Tensor::from_slice(x).view([2, 2]);
        let (logp, reference, trained) = (grid(&[-1.0, -2.0, -3.0, -9.0]), grid(&[-2.0, -2.0, -1.0, -7.0]), grid(&[1.0, 1.0, 1.0, 0.0]));
        let side = Side::of_tokens(&logp, Some(&reference), &trained).unwrap();
        let numbers = |t: Tensor| Vec::<f64>::try_from(t).unwrap();
        assert_eq!(numbers(Score::LogProb.of("x", &side).unwrap()), [-3.0, -3.0]);
        assert_eq!(numbers(Score::LogProbMean.of("x", &side).unwrap()), [-1.5, -3.0]);
        assert_eq!(numbers(Score::LogRatio.of("x", &side).unwrap()), [1.0, -2.0]);
        assert_eq!(numbers(Score::LogRatioMean.of("x", &side).unwrap()), [0.5, -2.0]);
        let bare = Side { logp_ref: None, ..side };
        assert_eq!(Score::LogRatio.of("dpo", &bare).unwrap_err().to_string(), "dpo: logp_ref is needed and missing");
    }

    #[test]
    fn a_running_mean_is_the_mean_of_all() {
        let mut mean = RunningMean::default();
        mean.add(&Tensor::from_slice(&[1.0_f64, 2.0, 6.0]));
        mean.add(&Tensor::from_slice(&[7.0_f64]));
        assert_eq!(mean, RunningMean { mean: 4.0, count: 4.0 });
    }
}
