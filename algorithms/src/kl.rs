//! Estimates of the KL divergence from the policy to the reference, one number a token.
//!
//! With `d = log π_ref − log π` on a token drawn from π: `k1 = −d`, `k2 = d²/2`, `k3 = e^d − d − 1` (Schulman, "Approximating KL
//! divergence", 2020). k1 and k3 are unbiased; k3 is never negative.

use tch::Tensor;

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

/// `ρ·k3`: the tokens were drawn from the old policy, so the expectation under π takes the importance ratio (DeepSeek-V3.2,
/// arXiv:2512.02556; TRL's `use_bias_correction_kl`). `[B, T]`
pub fn k3_corrected(logp: &Tensor, logp_ref: &Tensor, ratio: &Tensor) -> Tensor {
    k3(logp, logp_ref) * ratio
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn k3_is_never_negative(pairs in proptest::collection::vec((-20.0..0.0_f64, -20.0..0.0_f64), 1..16)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let k = Vec::<f64>::try_from(k3(&Tensor::from_slice(&a), &Tensor::from_slice(&b))).unwrap();
            prop_assert!(k.iter().all(|k| *k >= -1e-12));
        }
    }

    /// Over two categoricals all three estimates have the means that the closed form says: k1 and k3 the KL itself.
    #[test]
    fn means_agree_with_the_closed_form() {
        let (p, q) = ([0.7_f64, 0.2, 0.1], [0.3_f64, 0.3, 0.4]);
        let log = |v: &[f64]| Tensor::from_slice(&v.iter().map(|x| x.ln()).collect::<Vec<_>>());
        let mean = |k: Tensor| f64::try_from((k * Tensor::from_slice(&p)).sum(tch::Kind::Double)).unwrap();
        let exact: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
        assert!((mean(k1(&log(&p), &log(&q))) - exact).abs() < 1e-12);
        assert!((mean(k3(&log(&p), &log(&q))) - exact).abs() < 1e-12);
    }
}
