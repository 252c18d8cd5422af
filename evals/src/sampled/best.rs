//! best-of-k: the answer that a selector likes most.

/// The mean value of the answer with the highest score among k answers, picked without replacement of n, in closed form: the answers sorted
/// by score, those at ranks `l+1 … h` of equal score hold the highest with probability `(C(h, k) − C(l, k)) / C(n, k)`, and one of them is
/// taken at random (Nakano et al. 2021, arXiv:2112.09332, section 3.2 uses the estimate without ties).
///
/// An answer is `(score, value)`; the value is 1 for right and 0 for wrong, or a true reward. k above n is read as n.
#[must_use]
pub fn best_of_k(answers: &[(f64, f64)], k: usize) -> f64 {
    let (n, k) = (answers.len(), k.min(answers.len()));
    if k == 0 {
        return 0.0;
    }
    let mut sorted = answers.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut mean, mut low) = (0.0, 0);
    while low < n {
        let high = low + sorted[low..].iter().take_while(|a| a.0 == sorted[low].0).count().max(1);
        let value = sorted[low..high].iter().map(|a| a.1).sum::<f64>() / (high - low) as f64;
        mean += value * (share(high, k, n) - share(low, k, n));
        low = high;
    }
    mean
}

/// `C(m, k) / C(n, k)`.
fn share(m: usize, k: usize, n: usize) -> f64 {
    if m < k { 0.0 } else { (0..k).map(|i| (m - i) as f64 / (n - i) as f64).product() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All picks, one by one.
    fn counted(answers: &[(f64, f64)], k: usize) -> f64 {
        let picks: Vec<u32> = (0_u32..1 << answers.len()).filter(|p| p.count_ones() as usize == k).collect();
        let value = |pick: &u32| {
            let picked: Vec<_> = answers.iter().enumerate().filter(|(i, _)| pick & (1 << i) != 0).map(|(_, a)| *a).collect();
            let best = picked.iter().map(|a| a.0).fold(f64::MIN, f64::max);
            let firsts: Vec<f64> = picked.iter().filter(|a| a.0 == best).map(|a| a.1).collect();
            firsts.iter().sum::<f64>() / firsts.len() as f64
        };
        picks.iter().map(value).sum::<f64>() / picks.len() as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn it_is_the_mean_over_all_picks(answers in proptest::collection::vec((0_u8..4, 0_u8..2), 1..9), k in 1_usize..9) {
            let answers: Vec<(f64, f64)> = answers.iter().map(|(s, v)| (f64::from(*s), f64::from(*v))).collect();
            let k = k.min(answers.len());
            // Picks with ties: a tie is broken among the picked, which averages to the tied answers of the whole.
            prop_assert!((best_of_k(&answers, k) - counted(&answers, k)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_selector_that_is_wrong_gets_worse_with_k() {
        let answers: Vec<(f64, f64)> = (0..10).map(|i| (f64::from(i), f64::from(u8::from(i < 5)))).collect();
        let curve: Vec<f64> = [1, 2, 4, 8].map(|k| best_of_k(&answers, k)).to_vec();
        assert!(curve.windows(2).all(|w| w[0] > w[1]) && (curve[0] - 0.5).abs() < 1e-12, "{curve:?}");
    }
}
