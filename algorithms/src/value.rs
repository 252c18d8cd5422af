//! What a critic learns, and how well it explains.

use crate::{AlgorithmError, CriticLeaves, CriticLoss, Denominators, RoleLoss, Stats, reduce};

/// `½·token_mean(max((V − R)², (clip(V, V_old ± c) − R)²))` (Schulman et al. 2017 as in the authors' code; verl's and TRL's form).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueLoss {
    /// c: how far a value may move from the one that credited, before its gradient stops; none for no clip.
    pub clip: Option<f64>,
}

impl CriticLoss for ValueLoss {
    fn loss(&self, leaves: &CriticLeaves<'_>, d: &Denominators) -> Result<RoleLoss, AlgorithmError> {
        leaves.check("value")?;
        let CriticLeaves { values, values_old, returns, trained } = *leaves;
        let mut stats = Stats::default();
        let plain = (values - returns).square();
        let error = match self.clip {
            None => plain,
            Some(c) => {
                let clipped = (values_old + (values - values_old).clamp(-c, c) - returns).square();
                let share = clipped.detach().gt_tensor(&plain.detach()).to_kind(trained.kind());
                stats.masked("critic/clip_ratio", &share, trained);
                plain.maximum(&clipped)
            }
        };
        stats.masked("critic/value_mean", values, trained);
        stats.masked("critic/return_mean", returns, trained);
        Ok(RoleLoss { loss: reduce::token_mean(&error, trained, d) * 0.5, stats })
    }
}

/// `1 − Var(R − V) / Var(R)`: 1 of a critic that knows the returns, 0 of one that knows their mean, below 0 of a worse one. None where all
/// returns are the same.
#[must_use]
pub fn explained_variance(values: &[f64], returns: &[f64]) -> Option<f64> {
    let variance = |x: &mut dyn Iterator<Item = f64>| {
        let x: Vec<f64> = x.collect();
        let mean = x.iter().sum::<f64>() / x.len().max(1) as f64;
        x.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let whole = variance(&mut returns.iter().copied());
    let rest = variance(&mut returns.iter().zip(values).map(|(r, v)| r - v));
    (whole > 0.0).then(|| 1.0 - rest / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explained_variance_is_one_of_the_truth_and_zero_of_the_mean() {
        let returns = [1.0, 2.0, 4.0, 5.0];
        assert_eq!(explained_variance(&returns, &returns), Some(1.0));
        assert_eq!(explained_variance(&[3.0; 4], &returns), Some(0.0));
        assert!(explained_variance(&[5.0, 4.0, 2.0, 1.0], &returns).unwrap() < 0.0);
        assert_eq!(explained_variance(&[0.0, 1.0], &[2.0, 2.0]), None);
    }
}
