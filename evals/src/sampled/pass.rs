//! pass@k.

/// The probability that at least one of k answers, picked of n without replacement, is right when c of the n are:
/// `1 − C(n − c, k) / C(n, k)`, the unbiased estimate of Chen et al. 2021 (arXiv:2107.03374, eq. 1), as a product of k factors that
/// neither overflows nor cancels. k above n is read as n.
///
/// ```
/// # use collimate_evals::pass_at_k;
/// assert_eq!(pass_at_k(4, 1, 2), 0.5);
/// ```
#[must_use]
pub fn pass_at_k(n: u64, c: u64, k: u64) -> f64 {
    let (c, k) = (c.min(n), k.min(n));
    if c == 0 || k == 0 {
        return 0.0;
    }
    if n - c < k {
        return 1.0;
    }
    // C(n − c, k) / C(n, k) = Π_{i=0}^{k−1} (n − c − i) / (n − i).
    1.0 - (0..k).map(|i| (n - c - i) as f64 / (n - i) as f64).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use num_rational::Ratio;
    use num_traits::ToPrimitive;
    use proptest::prelude::*;

    /// Pascal's triangle, exact.
    fn choose(n: u64, k: u64) -> BigUint {
        let mut row = vec![BigUint::from(1_u32)];
        for _ in 0..n {
            let inner: Vec<BigUint> = row.windows(2).map(|w| &w[0] + &w[1]).collect();
            row = std::iter::once(BigUint::from(1_u32)).chain(inner).chain([BigUint::from(1_u32)]).collect();
        }
        row.get(k as usize).cloned().unwrap_or_default()
    }

    #[test]
    fn every_pick_of_up_to_nine_answers_was_counted() {
        for n in 1..=9_u64 {
            for (c, k) in (0..=n).flat_map(|c| (1..=n).map(move |k| (c, k))) {
                let picks = || (0_u32..1 << n).filter(|p| u64::from(p.count_ones()) == k);
                let hits = picks().filter(|p| p & ((1 << c) - 1) != 0).count();
                let counted = hits as f64 / picks().count() as f64;
                assert!((pass_at_k(n, c, k) - counted).abs() < 1e-14, "n = {n}, c = {c}, k = {k}");
            }
        }
    }

    #[test]
    fn the_mean_over_draws_is_the_truth() {
        // Unbiased: E over c ~ Binomial(n, p) equals 1 − (1 − p)^k exactly.
        let (n, k, p) = (12_u64, 5_u64, 0.23_f64);
        let binomial = |c: u64| choose(n, c).to_f64().unwrap() * p.powi(c as i32) * (1.0 - p).powi((n - c) as i32);
        let mean: f64 = (0..=n).map(|c| binomial(c) * pass_at_k(n, c, k)).sum();
        assert!((mean - (1.0 - (1.0 - p).powi(k as i32))).abs() < 1e-13);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn it_is_the_exact_fraction_of_binomials(n in 1_u64..120, c in 0_u64..120, k in 1_u64..120) {
            let (c, k) = (c.min(n), k.min(n));
            let exact = Ratio::new(choose(n, k) - choose(n - c, k), choose(n, k));
            prop_assert!((pass_at_k(n, c, k) - exact.to_f64().unwrap()).abs() < 1e-13);
        }
    }
}
