//! Randomness is an address, not a stream.
//!
//! Every random decision of a run is drawn from a seed that is *computed* from where the decision stands: run, step, prompt, sample.
//! A rollout can then be replayed alone, an actor can redo another's work, and a restart shifts nothing. Mixing is the finaliser of
//! SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); drawing is ChaCha with 8 rounds, whose state is small and whose output is portable.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// An address in the tree of random decisions. Copy it freely: using it twice gives the same numbers twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of a child decision: `label` says what kind, `index` which one.
    ///
    /// ```
    /// use collimate_types::Seed;
    /// let run = Seed(7);
    /// let member = run.fork("rollout", 3).fork("prompt", 14).fork("member", 0);
    /// assert_ne!(member, run.fork("rollout", 3).fork("prompt", 14).fork("member", 1));
    /// ```
    #[must_use]
    pub fn fork(self, label: &str, index: u64) -> Self {
        let mut state = mix(self.0 ^ 0x6a09_e667_f3bc_c908);
        for chunk in label.as_bytes().chunks(8) {
            let mut word = [0_u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = mix(state ^ u64::from_le_bytes(word));
        }
        // The length separates "ab" + padding from "ab\0".
        state = mix(state ^ label.len() as u64);
        Self(mix(state ^ index))
    }

    /// The generator of this address.
    #[must_use]
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }

    /// The `n`-th 64 bits of this address by SplitMix64: for masks and first weights, where there are millions and a nanosecond counts.
    #[must_use]
    pub const fn bits(self, n: u64) -> u64 {
        mix(self.0.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The `n`-th uniform number of this address, in `[0, 1)` with 53 bits, without drawing the ones before it.
    #[must_use]
    pub fn uniform(self, n: u64) -> f64 {
        let mut rng = self.rng();
        rng.set_word_pos(u128::from(n) * 2); // 32-bit words
        let bits = rng.next_u64();
        (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }
}

/// SplitMix64's finaliser: a bijection of 64 bits in which every input bit moves every output bit.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finaliser_is_splitmix64s() {
        // First outputs of SplitMix64 seeded with 0, as published with the reference implementation.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!([0, 1].map(|n| Seed(0).bits(n)), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn addresses_are_frozen() {
        // A change here changes every run ever recorded: it must be a decision, never an accident.
        let seed = Seed(1).fork("rollout", 2).fork("prompt", 3).fork("member", 4);
        let drawn = (seed.0, seed.rng().next_u64(), seed.uniform(5).to_bits());
        assert_eq!(drawn, (12072725313784576572, 17448033243867303394, 4597341305754845528));
    }

    #[test]
    fn labels_do_not_run_together() {
        assert_ne!(Seed(1).fork("ab", 0), Seed(1).fork("ab\0", 0));
        assert_ne!(Seed(1).fork("a", 0).fork("b", 0), Seed(1).fork("ab", 0));
    }

    #[test]
    fn uniforms_fill_the_unit_interval() {
        let mean = (0..10_000).map(|n| Seed(9).uniform(n)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "mean {mean}"); // 7 standard errors
    }
}
