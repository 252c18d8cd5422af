//! The clipped surrogate and what is measured of it.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::Stats;

/// How far the policy may move from the one that sampled before the gradient stops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// ε below: the ratio is cut at `1 − low`.
    pub low: f64,
    /// ε above: the ratio is cut at `1 + high` (clip-higher, DAPO, arXiv:2503.14476, eq. 10).
    pub high: f64,
    /// δ: an upper bound of the unclipped ratio too, which bounds the loss of negative advantages (INTELLECT-2, arXiv:2505.07291).
    pub delta: Option<f64>,
    /// c: the loss of a negative advantage is at most `−c·A` (dual clip, Ye et al. 2020, arXiv:1912.09729).
    pub dual: Option<f64>,
}

/// `L = −min(min(ρ, δ)·A, clip(ρ, 1−low, 1+high)·A)`, to be minimised; where `A < 0`, `min(L, −c·A)`.
///
/// # Shapes
/// `ratio` and `advantage` broadcast to `[B, T]`
pub fn surrogate(ratio: &Tensor, advantage: &Tensor, clip: Clip) -> Tensor {
    let bounded = clip.delta.map_or_else(|| ratio.shallow_clone(), |delta| ratio.clamp_max(delta));
    let clipped = ratio.clamp(1.0 - clip.low, 1.0 + clip.high);
    let loss = -(bounded * advantage).minimum(&(clipped * advantage));
    match clip.dual {
        None => loss,
        Some(c) => loss.where_self(&advantage.ge(0.0), &loss.minimum(&(advantage * -c))),
    }
}

/// Shares of tokens whose gradient the clip stops: `clip_ratio/low_mean` (ratio below, advantage negative), `clip_ratio/high_mean` (ratio
/// above, advantage positive), `clip_ratio/region_mean` (either), TRL's names and definitions; and `clip_ratio/dual_mean`, where a dual clip
/// stops the loss of a negative advantage.
pub fn measure(stats: &mut Stats, ratio: &Tensor, advantage: &Tensor, trained: &Tensor, clip: Clip) {
    let ratio = ratio.detach();
    let low = ratio.lt(1.0 - clip.low).logical_and(&advantage.lt(0.0)).to_kind(trained.kind());
    let high = ratio.gt(1.0 + clip.high).logical_and(&advantage.gt(0.0)).to_kind(trained.kind());
    if let Some(c) = clip.dual {
        let above = ratio.clamp_min(1.0 - clip.low).gt(c).logical_and(&advantage.lt(0.0)).to_kind(trained.kind());
        stats.masked("clip_ratio/dual_mean", &above, trained);
    }
    stats.masked("clip_ratio/low_mean", &low, trained);
    stats.masked("clip_ratio/high_mean", &high, trained);
    stats.masked("clip_ratio/region_mean", &(low + high), trained);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Clip = Clip { low: 0.2, high: 0.2, delta: None, dual: None };

    #[test]
    fn the_gradient_stops_when_the_ratio_has_run_away() {
        let logp = Tensor::from_slice(&[0.5_f64, 0.1]).view([1, 2]).set_requires_grad(true); // ratios 1.6487 and 1.1052
        let ratio = crate::ratio::token(&logp, &logp.detach().zeros_like());
        let loss = surrogate(&ratio, &ratio.detach().ones_like(), PLAIN).sum(tch::Kind::Double);
        let grad = Tensor::run_backward(&[&loss], &[&logp], false, false).swap_remove(0);
        assert!((f64::try_from(loss).unwrap() + 1.2 + 0.1_f64.exp()).abs() < 1e-12);
        assert_eq!(grad.double_value(&[0, 0]), 0.0);
        assert!((grad.double_value(&[0, 1]) + 0.1_f64.exp()).abs() < 1e-12);
    }

    #[test]
    fn the_dual_clip_bounds_the_loss_of_negative_advantages_alone() {
        let ratio = Tensor::from_slice(&[9.0_f64, 9.0]).view([1, 2]);
        let advantage = Tensor::from_slice(&[-1.0_f64, 1.0]).view([1, 2]);
        let loss = |dual| Vec::<f64>::try_from(surrogate(&ratio, &advantage, Clip { dual, ..PLAIN }).view([-1])).unwrap();
        assert_eq!(loss(None), [9.0, -1.2]);
        assert_eq!(loss(Some(3.0)), [3.0, -1.2]);
        let mut stats = Stats::default();
        measure(&mut stats, &ratio, &advantage, &ratio.ones_like(), Clip { dual: Some(3.0), ..PLAIN });
        assert_eq!(stats.means()["clip_ratio/dual_mean"], 0.5);
    }
}
