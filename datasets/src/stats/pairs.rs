//! Figures of preference pairs: ties, which side is preferred, and how far length alone would tell.

use std::collections::BTreeMap;

use collimate_types::PreferencePair;
use serde::Serialize;

/// Figures of pairs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pairs {
    /// How many pairs there are.
    pub pairs: u64,
    /// Pairs whose label is one half.
    pub ties: u64,
    /// Of the pairs whose sides have an order of their own (A and B): how many prefer the first, of how many.
    pub first_preferred: [u64; 2],
    /// Of the pairs that are no ties: how many prefer the longer answer, the shorter one, or have answers of the same length.
    pub longer_shorter_same: [u64; 3],
    /// The sums of the lengths of preferred and other answers, ties left out.
    pub length_sums: [u64; 2],
    /// Pairs by subset; at most 64 are told apart.
    pub subsets: BTreeMap<String, u64>,
}

/// What one pair adds.
pub(super) struct PairFigures {
    first: Option<bool>,
    tie: bool,
    chosen: u64,
    rejected: u64,
    subset: Option<String>,
}

impl PairFigures {
    pub(super) fn of(pair: &PreferencePair, first: Option<bool>, chosen: u64, rejected: u64) -> Self {
        let subset = Some(&pair.subset).filter(|s| !s.is_empty()).cloned();
        Self { first, tie: pair.label == 0.5, chosen, rejected, subset }
    }
}

impl Pairs {
    pub(super) fn add(&mut self, pair: PairFigures) {
        let PairFigures { first, tie, chosen, rejected, subset } = pair;
        self.pairs += 1;
        if let Some(first) = first {
            self.first_preferred[0] += u64::from(first);
            self.first_preferred[1] += 1;
        }
        if let Some(subset) = subset {
            if let Some(rows) = self.subsets.get_mut(&subset) {
                *rows += 1;
            } else if self.subsets.len() < 64 {
                self.subsets.insert(subset, 1);
            }
        }
        if tie {
            self.ties += 1;
            return;
        }
        let side = match chosen.cmp(&rejected) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Equal => 2,
        };
        self.longer_shorter_same[side] += 1;
        self.length_sums[0] += chosen;
        self.length_sums[1] += rejected;
    }

    /// How often the longer answer is the preferred one, equal lengths counted half; none where all pairs are ties.
    #[must_use]
    pub fn longer_share(&self) -> Option<f64> {
        let [longer, shorter, same] = self.longer_shorter_same;
        let all = longer + shorter + same;
        (all > 0).then(|| (longer as f64 + 0.5 * same as f64) / all as f64)
    }
}

impl std::fmt::Display for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pairs          {}, ties {} ({:.2}%)", self.pairs, self.ties, 100.0 * self.ties as f64 / self.pairs.max(1) as f64)?;
        let [first, of] = self.first_preferred;
        if of > 0 {
            write!(f, "\nbalance        the first side is preferred in {first} of {of} ({:.1}%)", 100.0 * first as f64 / of as f64)?;
        }
        if let Some(share) = self.longer_share() {
            let decided = (self.pairs - self.ties).max(1) as f64;
            let [chosen, rejected] = self.length_sums.map(|sum| sum as f64 / decided);
            write!(
                f,
                "\nlength bias    the longer answer is preferred in {:.1}%; mean length {chosen:.1} preferred, {rejected:.1} other",
                100.0 * share
            )?;
        }
        if !self.subsets.is_empty() {
            let subsets: Vec<_> = self.subsets.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
            write!(f, "\nsubsets        {}", subsets.join(", "))?;
        }
        Ok(())
    }
}
