//! Accuracy by part of the data, by turns, and by length difference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Preference, ScoredPair};
use crate::IntervalMethod;

/// Where the groups of length differences begin and end, in tokens: `chosen − rejected`.
pub const LENGTH_EDGES: [f64; 4] = [-64.0, -16.0, 16.0, 64.0];

/// The names of the groups between [`LENGTH_EDGES`].
const LENGTH_NAMES: [&str; 5] = ["shorter by 64 or more", "shorter by 16 to 63", "within 15", "longer by 16 to 63", "longer by 64 or more"];

/// From this number of turns on, pairs are one group.
const MANY_TURNS: u32 = 6;

/// The accuracy of a group of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAccuracy {
    /// The group.
    pub name: String,
    /// The share of pairs in which the preferred answer scores higher, ties as 0.5.
    pub accuracy: f64,
    /// The interval of it.
    pub interval: [f64; 2],
    /// How the interval was made.
    pub interval_method: IntervalMethod,
    /// How many pairs.
    pub n: u64,
    /// How many of them are ties.
    pub ties: u64,
}

impl Preference {
    pub(super) fn by_subset(&self, pairs: &[&ScoredPair]) -> Vec<GroupAccuracy> {
        let groups = self.groups(pairs, |p| p.subset.clone().unwrap_or_else(|| "(none)".into()));
        if groups.len() > 1 { groups } else { Vec::new() }
    }

    pub(super) fn by_turns(&self, pairs: &[&ScoredPair]) -> Vec<GroupAccuracy> {
        self.groups(pairs, |p| if p.turns < MANY_TURNS { p.turns.to_string() } else { format!("{MANY_TURNS} or more") })
    }

    /// In the order of [`LENGTH_NAMES`].
    pub(super) fn by_length(&self, pairs: &[&ScoredPair]) -> Vec<GroupAccuracy> {
        let of = |(at, name): (usize, &&str)| {
            let some: Vec<&ScoredPair> = pairs.iter().copied().filter(|p| length_group(p.longer_by()) == at).collect();
            self.group(name, &some)
        };
        LENGTH_NAMES.iter().enumerate().filter_map(of).collect()
    }

    fn groups(&self, pairs: &[&ScoredPair], name: impl Fn(&ScoredPair) -> String) -> Vec<GroupAccuracy> {
        let mut groups: BTreeMap<String, Vec<&ScoredPair>> = BTreeMap::new();
        for pair in pairs {
            groups.entry(name(pair)).or_default().push(pair);
        }
        groups.iter().filter_map(|(name, pairs)| self.group(name, pairs)).collect()
    }
}

/// An edge belongs to the outer group.
fn length_group(difference: f64) -> usize {
    let [a, b, c, d] = LENGTH_EDGES;
    match difference {
        x if x <= a => 0,
        x if x <= b => 1,
        x if x < c => 2,
        x if x < d => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pairs;
    use super::*;

    #[test]
    fn every_pair_is_in_one_group_of_each_kind() {
        let mut some = pairs(60, |i| if i % 3 == 0 { -1.0 } else { 1.0 });
        for (i, pair) in some.iter_mut().enumerate() {
            pair.turns = 1 + i as u32 % 9;
            pair.chosen_tokens = 5 * i as u64;
            pair.rejected_tokens = 150;
            pair.subset = Some(["harmless", "helpful"][i % 2].into());
        }
        let result = Preference::default().evaluate(&some).unwrap();
        for groups in [&result.by_subset, &result.by_turns, &result.by_length_difference] {
            assert_eq!(groups.iter().map(|g| g.n).sum::<u64>(), 60);
            let right: f64 = groups.iter().map(|g| g.accuracy * g.n as f64).sum();
            assert!((right - result.accuracy * 60.0).abs() < 1e-9);
        }
        assert_eq!(result.by_turns.last().map(|g| g.name.as_str()), Some("6 or more"));
        assert_eq!(result.by_length_difference.len(), 5);
        assert!(Preference::default().evaluate(&pairs(5, |_| 1.0)).unwrap().by_subset.is_empty(), "one part needs no table");
    }

    #[test]
    fn the_edges_of_length_groups_lie_where_their_names_say() {
        let groups = [-64.0, -63.0, -16.0, -15.0, 0.0, 15.0, 16.0, 63.0, 64.0].map(length_group);
        assert_eq!(groups, [0, 1, 1, 2, 2, 2, 3, 3, 4]);
    }
}
