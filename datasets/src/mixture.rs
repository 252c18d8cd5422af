//! Several sources in fixed shares, block by block: which source a row comes from is a function of its position alone.
//!
//! Of n rows the first source has ⌊n·w₁/W⌋; of what is left the second has its share in the same way, and so on. Each of these numbers
//! only ever grows with n, and it is exact wherever the share is a whole number: every block then has its exact share
//! (70 and 30 of 100). Elsewhere a source is never off by more rows than there are sources, over any number of blocks. Nothing is
//! remembered: a run that resumes at row 10⁹ computes row 10⁹.

use collimate_types::Seed;

use crate::{DataError, Permutation};

/// A source as a mixture sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its weight, in units that all sources share.
    pub weight: u64,
    /// How many rows it has, at least 1.
    pub rows: u64,
}

/// The shares of a mixture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixture {
    block: u64,
    shares: Vec<Share>,
}

/// Weights are kept in units of a billionth.
const UNIT: f64 = 1e9;

impl Mixture {
    /// A mixture of sources with these weights and numbers of rows.
    ///
    /// # Errors
    /// When a weight is not a finite number above 0, a source has no rows, or the block has none.
    pub fn new(block: u64, sources: &[(f64, u64)]) -> Result<Self, DataError> {
        let wrong = |key: String, value: String, wanted: &str| DataError::Setting { key, value, wanted: wanted.into() };
        if block == 0 || block > 1 << 20 {
            return Err(wrong("block".into(), block.to_string(), "from 1 to 1048576"));
        }
        let share = |(i, (weight, rows)): (usize, &(f64, u64))| {
            let units = weight * UNIT;
            if !(1.0..=1e15).contains(&units) {
                return Err(wrong(format!("mixture.{i}.weight"), weight.to_string(), "a number above 0"));
            }
            if *rows == 0 {
                return Err(wrong(format!("mixture.{i}.path"), "no rows".into(), "a source with at least one row"));
            }
            Ok(Share { weight: units.round() as u64, rows: *rows })
        };
        let shares = sources.iter().enumerate().map(share).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { block, shares })
    }

    /// Rows of a block.
    #[must_use]
    pub fn block(&self) -> u64 {
        self.block
    }

    /// The sources.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// How many rows of each source the first `blocks` blocks have.
    fn counts(&self, blocks: u64) -> Vec<u64> {
        let mut rows = u128::from(blocks) * u128::from(self.block);
        let mut weight: u128 = self.shares.iter().map(|s| u128::from(s.weight)).sum();
        let own = |share: &Share| {
            let own = rows * u128::from(share.weight) / weight.max(1);
            (rows, weight) = (rows - own, weight - u128::from(share.weight));
            own as u64
        };
        self.shares.iter().map(own).collect()
    }

    /// The rows of a block in their order: source, and row inside of it.
    #[must_use]
    pub fn rows_of_block(&self, block: u64, seed: Seed, shuffle: bool) -> Vec<(usize, u64)> {
        let mut slots: Vec<(f64, usize, u64)> = Vec::with_capacity(self.block as usize);
        let (before, after) = (self.counts(block), self.counts(block + 1));
        for (source, share) in self.shares.iter().enumerate() {
            let (from, to) = (before[source], after[source]);
            for nth in from..to {
                // Without shuffling the sources alternate as evenly as they can.
                let place = ((nth - from) as f64 + 0.5) / (to - from) as f64;
                slots.push((place, source, self.row(source, *share, nth, seed, shuffle)));
            }
        }
        if shuffle {
            let order = Permutation::new(slots.len() as u64, seed.fork("block", block));
            order.iter().map(|i| (slots[i as usize].1, slots[i as usize].2)).collect()
        } else {
            slots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            slots.into_iter().map(|(_, source, row)| (source, row)).collect()
        }
    }

    /// The `nth` row that a source gives, epoch after epoch, each in its own order.
    fn row(&self, source: usize, share: Share, nth: u64, seed: Seed, shuffle: bool) -> u64 {
        let (epoch, position) = (nth / share.rows, nth % share.rows);
        if !shuffle {
            return position;
        }
        let seed = seed.fork("source", source as u64).fork("epoch", epoch);
        Permutation::new(share.rows, seed).at(position).unwrap_or(position)
    }

    /// What names it: block and weights.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let numbers = std::iter::once(self.block).chain(self.shares.iter().flat_map(|s| [s.weight, s.rows]));
        numbers.flat_map(u64::to_le_bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(rows: &[(usize, u64)], sources: usize) -> Vec<u64> {
        (0..sources).map(|s| rows.iter().filter(|(source, _)| *source == s).count() as u64).collect()
    }

    #[test]
    fn seventy_to_thirty_is_exact_in_every_block_of_ten_thousand_rows() {
        let mixture = Mixture::new(100, &[(0.7, 900), (0.3, 50)]).unwrap();
        for block in 0..100 {
            for shuffle in [true, false] {
                assert_eq!(counts(&mixture.rows_of_block(block, Seed(1), shuffle), 2), [70, 30]);
            }
        }
    }

    #[test]
    fn without_shuffling_the_sources_alternate_and_keep_their_order() {
        let mixture = Mixture::new(4, &[(3.0, 10), (1.0, 10)]).unwrap();
        let two: Vec<_> = (0..2).flat_map(|b| mixture.rows_of_block(b, Seed(1), false)).collect();
        assert_eq!(two, [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (0, 4), (1, 1), (0, 5)]);
    }

    #[test]
    fn impossible_mixtures_are_refused() {
        for (block, sources) in [(0, vec![(1.0, 1)]), (10, vec![(0.0, 1)]), (10, vec![(f64::NAN, 1)]), (10, vec![(1.0, 0)])] {
            assert!(Mixture::new(block, &sources).is_err(), "{block} {sources:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn shares_hold_within_a_row_a_source_and_every_epoch_of_a_source_is_whole(
            weights in prop::collection::vec(1_u32..1000, 1..5), block in 1_u64..60, blocks in 1_u64..30, seed: u64,
        ) {
            let sources: Vec<_> = weights.iter().enumerate().map(|(i, w)| (f64::from(*w) / 1000.0, 3 + i as u64)).collect();
            let mixture = Mixture::new(block, &sources).unwrap();
            let all: Vec<_> = (0..blocks).flat_map(|b| {
                let rows = mixture.rows_of_block(b, Seed(seed), true);
                assert_eq!(rows.len() as u64, block);
                rows
            }).collect();
            let total: f64 = sources.iter().map(|(w, _)| w).sum();
            for (s, (weight, rows)) in sources.iter().enumerate() {
                let exact = (block * blocks) as f64 * weight / total;
                let count = counts(&all, sources.len())[s];
                prop_assert!((count as f64 - exact).abs() <= sources.len() as f64, "{count} of {exact}");
                // In whole epochs every row of the source comes equally often.
                let mut seen = vec![0_u64; *rows as usize];
                all.iter().filter(|(source, _)| *source == s).for_each(|(_, row)| seen[*row as usize] += 1);
                let least = seen.iter().min().unwrap();
                prop_assert!(seen.iter().all(|n| n - least <= 2), "{seen:?}");
            }
        }
    }
}
