//! A permutation of `0..n` that is computed, not stored: position to row in constant time and memory.
//!
//! A Feistel network over pairs `(l, r)`, `l < a`, `r < b`, with addition modulo a and b (Black and Rogaway, "Ciphers with arbitrary finite
//! domains", CT-RSA 2002); `a·b` is the smallest near-square product that holds n, and a result outside `0..n` is permuted again
//! (cycle walking), which at most doubles the work on average. Resuming at row 10⁹ costs as much as at row 0.

use collimate_types::Seed;

/// Short lists need more rounds until all orders are equally likely; they cost nothing there.
const fn rounds(n: u64) -> u64 {
    if n < 1 << 12 { 32 } else { 10 }
}

/// A permutation of `0..n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutation {
    n: u64,
    a: u64,
    b: u64,
    seed: Seed,
}

impl Permutation {
    /// The permutation of `0..n` at an address.
    #[must_use]
    pub fn new(n: u64, seed: Seed) -> Self {
        let root = n.isqrt();
        let a = if root * root < n { root + 1 } else { root.max(1) };
        Self { n, a, b: n.div_ceil(a).max(1), seed }
    }

    /// What stands at a position; `None` beyond the end.
    #[must_use]
    pub fn at(&self, position: u64) -> Option<u64> {
        if position >= self.n {
            return None;
        }
        let mut x = self.once(position);
        while x >= self.n {
            x = self.once(x);
        }
        Some(x)
    }

    /// All of it, in order.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..self.n).filter_map(move |p| self.at(p))
    }

    fn once(&self, x: u64) -> u64 {
        let (mut l, mut r) = (u128::from(x / self.b), u128::from(x % self.b));
        let (a, b) = (u128::from(self.a), u128::from(self.b));
        for round in 0..rounds(self.n) {
            // u128: the sums pass 2^64 when n does not fit 63 bits.
            if round % 2 == 0 {
                l = (l + u128::from(self.noise(round, r))) % a;
            } else {
                r = (r + u128::from(self.noise(round, l))) % b;
            }
        }
        (l * b + r) as u64
    }

    fn noise(&self, round: u64, half: u128) -> u64 {
        self.seed.fork("permute", (half as u64) ^ (round << 58)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_comes_exactly_once(n in 0_u64..3000, seed: u64) {
            let mut all: Vec<u64> = Permutation::new(n, Seed(seed)).iter().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn all_orders_of_a_short_list_are_equally_likely() {
        for (n, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
            let mut counts = std::collections::BTreeMap::new();
            let draws = orders * 400;
            for seed in 0..draws {
                *counts.entry(Permutation::new(n, Seed(seed)).iter().collect::<Vec<_>>()).or_insert(0_u64) += 1;
            }
            let chi2: f64 = counts.values().map(|c| (*c as f64 - 400.0).powi(2) / 400.0).sum();
            let dof = orders as f64 - 1.0;
            assert_eq!(counts.len() as u64, orders, "n = {n}: some orders never come");
            assert!(chi2 < dof + 5.0 * (2.0 * dof).sqrt(), "n = {n}: chi2 {chi2} at {dof} degrees of freedom");
        }
    }

    #[test]
    fn the_largest_domains_do_not_overflow() {
        for n in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 62) + 12345] {
            let order = Permutation::new(n, Seed(3));
            let drawn: std::collections::BTreeSet<_> = (0..100).map(|p| order.at(p).unwrap()).collect();
            assert!(drawn.len() == 100 && drawn.iter().all(|x| *x < n));
            assert!(order.at(n - 1).is_some() && order.at(n).is_none());
        }
    }
}
