//! Lengths, gathered in constant memory: exact below 4,096, within 1.6% above.

use serde::Serialize;
use serde_json::{Value, json};

const EXACT: usize = 4096;
/// Parts of an octave beyond that.
const PARTS: usize = 64;

/// A distribution of lengths.
#[derive(Debug, Clone)]
pub struct Lengths {
    counts: Vec<u64>,
    rows: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Default for Lengths {
    fn default() -> Self {
        // 2^12 exact counts, and 52 octaves up to 2^64.
        Self { counts: vec![0; EXACT + 52 * PARTS], rows: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl Lengths {
    pub(super) fn add(&mut self, length: u64) {
        self.counts[place(length)] += 1;
        self.rows += 1;
        self.sum = self.sum.saturating_add(length);
        self.min = self.min.min(length);
        self.max = self.max.max(length);
    }

    /// How many lengths there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The mean; 0 of none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.sum as f64 / self.rows as f64 }
    }

    /// The smallest length that at least the share `q` of all do not exceed; 0 of none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        let wanted = (q * self.rows as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return start(i).clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// How many are greater than a limit (exact for limits below 4,096).
    #[must_use]
    pub fn above(&self, limit: u64) -> u64 {
        self.counts.iter().enumerate().filter(|(i, _)| start(*i) > limit).map(|(_, count)| count).sum()
    }

    /// A bar for each range between powers of two that has lengths; `width` is that of the longest.
    #[must_use]
    pub fn bars(&self, width: usize) -> Vec<String> {
        let mut octaves = [0_u64; 65];
        for (i, count) in self.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            octaves[(u64::BITS - start(i).leading_zeros()) as usize] += count;
        }
        let (Some(first), Some(last)) = (octaves.iter().position(|c| *c > 0), octaves.iter().rposition(|c| *c > 0)) else {
            return Vec::new();
        };
        let most = octaves.iter().max().copied().unwrap_or(1).max(1);
        let range =
            |octave: usize| if octave == 0 { "0".to_owned() } else { format!("{}-{}", 1_u64 << (octave - 1), ((1_u128 << octave) - 1)) };
        let label = (first..=last).map(|o| range(o).len()).max().unwrap_or(0);
        let bar = |octave: usize| {
            let eighths = (octaves[octave] as f64 / most as f64 * width as f64 * 8.0).round() as usize;
            let mut drawn = "█".repeat(eighths / 8);
            drawn.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]);
            let share = 100.0 * octaves[octave] as f64 / self.rows as f64;
            format!("{:>label$} {drawn:<width$} {:>9} {share:5.1}%", range(octave), octaves[octave])
        };
        (first..=last).map(bar).collect()
    }
}

fn place(length: u64) -> usize {
    if (length as usize) < EXACT && length < EXACT as u64 {
        return length as usize;
    }
    let octave = 63 - length.leading_zeros() as usize; // at least 12
    let part = ((length >> (octave - 6)) & (PARTS as u64 - 1)) as usize;
    EXACT + (octave - 12) * PARTS + part
}

/// The smallest length of a place.
fn start(place: usize) -> u64 {
    if place < EXACT {
        return place as u64;
    }
    let (octave, part) = ((place - EXACT) / PARTS + 12, (place - EXACT) % PARTS);
    (1 << octave) + ((part as u64) << (octave - 6))
}

impl Serialize for Lengths {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = json!({
            "rows": self.rows, "mean": self.mean(), "min": if self.rows == 0 { 0 } else { self.min }, "p50": self.quantile(0.5),
            "p90": self.quantile(0.9), "p99": self.quantile(0.99), "max": self.max,
        });
        value.serialize(serializer)
    }
}

impl std::fmt::Display for Lengths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let q = |q| self.quantile(q);
        write!(f, "mean {:.1}, median {}, 90% {}, 99% {}, longest {}", self.mean(), q(0.5), q(0.9), q(0.99), self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_exact_below_the_limit_and_close_above(mut lengths in prop::collection::vec(0_u64..200_000, 1..200), q in 0.0_f64..1.0) {
            let mut gathered = Lengths::default();
            lengths.iter().for_each(|l| gathered.add(*l));
            lengths.sort_unstable();
            let exact = lengths[((q * lengths.len() as f64).ceil().max(1.0) as usize) - 1];
            let found = gathered.quantile(q);
            let off = (found as f64 - exact as f64).abs();
            prop_assert!(off <= if exact < 4096 { 0.0 } else { 0.016 * exact as f64 }, "{} for {}", found, exact);
            prop_assert_eq!(gathered.above(1000), lengths.iter().filter(|l| **l > 1000).count() as u64);
        }

        #[test]
        fn every_length_has_a_place_that_begins_at_or_below_it(length: u64) {
            let at = place(length);
            prop_assert!(start(at) <= length && (at + 1 == EXACT + 52 * PARTS || start(at + 1) > length));
        }
    }

    #[test]
    fn bars_show_every_octave_between_the_first_and_the_last() {
        let mut lengths = Lengths::default();
        [0, 3, 3, 3, 3, 17].iter().for_each(|l| lengths.add(*l));
        let bars = lengths.bars(8);
        assert_eq!(bars.len(), 6);
        assert_eq!(bars[2], "  2-3 ████████         4  66.7%");
        assert_eq!(bars[0], "    0 ██               1  16.7%");
        assert!(Lengths::default().bars(8).is_empty());
    }
}
