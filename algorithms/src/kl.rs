//! Estimates of the KL divergence from the policy to the reference, one number a token.
//!
//! With `d = log π_ref − log π` on a token drawn from π: `k1 = −d`, `k2 = d²/2`, `k3 = e^d − d − 1` (Schulman, "Approximating KL
//! divergence", 2020). k1 and k3 are unbiased; k3 is never negative; k2 is biased, but the gradient of its mean is the KL's own.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How the KL to the reference is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// [`k1`].
    K1,
    /// [`k2`].
    K2,
    /// [`k3`].
    K3,
    /// [`abs`].
    Abs,
    /// The divergence itself, over the vocabulary: no estimate.
    Full,
}

impl Estimator {
    /// The estimate from a token's `log π − log π_ref`, in float64; `Full` is none of one token, and gives k1.
    #[must_use]
    pub fn of(self, log_ratio: f64) -> f64 {
        match self {
            Self::K1 | Self::Full => log_ratio,
            Self::K2 => log_ratio * log_ratio / 2.0,
            Self::K3 => (-log_ratio).exp() + log_ratio - 1.0,
            Self::Abs => log_ratio.abs(),
        }
    }

    /// The estimate `[B, T]`; for `Full`, which is none of drawn tokens, k1.
    pub fn sampled(self, logp: &Tensor, logp_ref: &Tensor) -> Tensor {
        match self {
            Self::K1 | Self::Full => k1(logp, logp_ref),
            Self::K2 => k2(logp, logp_ref),
            Self::K3 => k3(logp, logp_ref),
            Self::Abs => abs(logp, logp_ref),
        }
    }

    /// Its name on a card.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::K1 => "kl::k1",
            Self::K2 => "kl::k2",
            Self::K3 => "kl::k3",
            Self::Abs => "kl::abs",
            Self::Full => "kl::full",
        }
    }
}

/// `k1 = log π − log π_ref`. `[B, T]`
pub fn k1(logp: &Tensor, logp_ref: &Tensor) -> Tensor {
    logp - logp_ref
}

/// `k2 = (log π − log π_ref)² / 2`. `[B, T]`
pub fn k2(logp: &Tensor, logp_ref: &Tensor) -> Tensor {
    (logp - logp_ref).square() * 0.5
}

/// `k3 = π_ref/π − log(π_ref/π) − 1`. `[B, T]`
pub fn k3(logp: &Tensor, logp_ref: &Tensor) -> Tensor {
    let d = logp_ref - logp;
    d.exp() - d - 1.0
}

/// `|log π − log π_ref|`. `[B, T]`
pub fn abs(logp: &Tensor, logp_ref: &Tensor) -> Tensor {
    (logp - logp_ref).abs()
}

/// `ρ·k3`: the tokens were drawn from the old policy, so the expectation under π takes the importance ratio (DeepSeek-V3.2,
/// arXiv:2512.02556; TRL's `use_bias_correction_kl`). `[B, T]`
pub fn k3_corrected(logp: &Tensor, logp_ref: &Tensor, ratio: &Tensor) -> Tensor {
    k3(logp, logp_ref) * ratio
}

/// The value of `estimate` with the gradient of k2, which is the true gradient of the KL on tokens of the policy itself (straight-through;
/// verl's `+` estimators). `[B, T]`
pub fn straight_through(estimate: &Tensor, logp: &Tensor, logp_ref: &Tensor) -> Tensor {
    let k2 = k2(logp, logp_ref);
    &k2 - k2.detach() + estimate.detach()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tch::Kind;

    /// Logits to log-probabilities.
    fn log_softmax(logits: &[f64]) -> Tensor {
        Tensor::from_slice(logits).log_softmax(-1, Kind::Double)
    }

    fn number(t: &Tensor) -> f64 {
        f64::try_from(t.detach()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn k3_is_never_negative(pairs in proptest::collection::vec((-20.0..0.0_f64, -20.0..0.0_f64), 1..16)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let k = Vec::<f64>::try_from(k3(&Tensor::from_slice(&a), &Tensor::from_slice(&b))).unwrap();
            prop_assert!(k.iter().all(|k| *k >= -1e-12));
        }

        /// Over two categoricals the means of k1 and k3 are the KL, k2's is half the second moment of the log-ratio.
        #[test]
        fn means_agree_with_the_closed_form(logits in proptest::collection::vec((-3.0..3.0_f64, -3.0..3.0_f64), 2..6)) {
            let (a, b): (Vec<f64>, Vec<f64>) = logits.into_iter().unzip();
            let (p, q) = (log_softmax(&a), log_softmax(&b));
            let mean = |k: Tensor| number(&(k * p.exp()).sum(Kind::Double));
            let exact = mean(&p - &q);
            prop_assert!((mean(k1(&p, &q)) - exact).abs() < 1e-12);
            prop_assert!((mean(k3(&p, &q)) - exact).abs() < 1e-12);
            prop_assert!((mean(k2(&p, &q)) - mean((&p - &q).square()) / 2.0).abs() < 1e-12);
        }

        /// Tokens are drawn, so the probabilities that weigh them carry no gradient. With that, the mean gradient of k2 is the KL's; that of
        /// ρ·k1 and ρ·k3 too; that of k1 is 0.
        #[test]
        fn the_gradient_of_k2_is_the_true_one(logits in proptest::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64), 2..6)) {
            let (a, b): (Vec<f64>, Vec<f64>) = logits.into_iter().unzip();
            let theta = Tensor::from_slice(&a).set_requires_grad(true);
            let q = log_softmax(&b);
            let gradient = |f: &dyn Fn(&Tensor) -> Tensor| {
                let loss = f(&theta.log_softmax(-1, Kind::Double)).sum(Kind::Double);
                Tensor::run_backward(&[loss], &[&theta], false, false).swap_remove(0)
            };
            let truth = gradient(&|p| p.exp() * (p - &q));
            let far = |g: Tensor| number(&(g - &truth).abs().max());
            prop_assert!(far(gradient(&|p| p.detach().exp() * k2(p, &q))) < 1e-12);
            prop_assert!(far(gradient(&|p| p.detach().exp() * straight_through(&k1(p, &q), p, &q))) < 1e-12);
            let rho = |p: &Tensor| crate::ratio::token(p, &p.detach());
            prop_assert!(far(gradient(&|p| p.detach().exp() * k3_corrected(p, &q, &rho(p)))) < 1e-12);
            prop_assert!(far(gradient(&|p| p.detach().exp() * rho(p) * k1(p, &q))) < 1e-12);
            prop_assert!(number(&gradient(&|p| p.detach().exp() * k1(p, &q)).abs().max()) < 1e-12);
        }

        #[test]
        fn numbers_and_tensors_tell_the_same(log_ratio in -3.0..3.0_f64) {
            let (p, q) = (Tensor::from_slice(&[log_ratio - 4.0]), Tensor::from_slice(&[-4.0_f64]));
            for kind in [Estimator::K1, Estimator::K2, Estimator::K3, Estimator::Abs] {
                let tensor = kind.sampled(&p, &q).double_value(&[0]);
                prop_assert!((tensor - kind.of(log_ratio)).abs() < 1e-12, "{}", kind.name());
            }
        }
    }
}
