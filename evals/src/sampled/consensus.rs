//! consensus@k: the majority vote of k answers.

use std::collections::BTreeMap;

use collimate_types::Seed;

use crate::bootstrap::below;

/// The most ways of picking that are counted one by one; of more, this many are drawn.
pub const MAX_PICKS: usize = 4096;

/// The probability that the most frequent vote among k answers, picked without replacement, is right (Wang et al. 2022, arXiv:2203.11171).
///
/// An answer is its vote and whether it is right; one without a vote abstains. If several votes are the most frequent, one of them is
/// taken at random: the share of right answers among them counts. If all k abstain, it is wrong. Exact up to [`MAX_PICKS`] ways of picking,
/// above that the mean over as many seeded picks. k above the number of answers is read as that number.
#[must_use]
pub fn consensus_at_k(answers: &[(Option<&str>, bool)], k: usize, seed: Seed) -> f64 {
    let k = k.min(answers.len());
    if k == 0 {
        return 0.0;
    }
    if ways(answers.len(), k) <= MAX_PICKS as f64 {
        let (mut sum, mut count) = (0.0, 0_usize);
        let mut pick: Vec<usize> = (0..k).collect();
        loop {
            sum += majority(pick.iter().map(|i| answers[*i]));
            count += 1;
            if !next(&mut pick, answers.len()) {
                return sum / count as f64;
            }
        }
    }
    let mut rng = seed.fork("consensus", k as u64).rng();
    let mut order: Vec<usize> = (0..answers.len()).collect();
    let mut draw = || {
        // The first k places of a Fisher-Yates shuffle.
        for i in 0..k {
            let other = i + below(&mut rng, order.len() - i);
            order.swap(i, other);
        }
        majority(order[..k].iter().map(|i| answers[*i]))
    };
    (0..MAX_PICKS).map(|_| draw()).sum::<f64>() / MAX_PICKS as f64
}

/// C(n, k), rounded.
fn ways(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
}

/// The next pick in lexicographic order; false after the last.
fn next(pick: &mut [usize], n: usize) -> bool {
    let k = pick.len();
    let Some(at) = (0..k).rev().find(|i| pick[*i] < n - k + i) else { return false };
    pick[at] += 1;
    for i in at + 1..k {
        pick[i] = pick[i - 1] + 1;
    }
    true
}

fn majority<'a>(answers: impl Iterator<Item = (Option<&'a str>, bool)>) -> f64 {
    // Answers with the same vote may be judged apart (a proof by its steps): their share counts.
    let mut votes: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (vote, right) in answers {
        if let Some(vote) = vote {
            let (count, rights) = votes.entry(vote).or_default();
            *count += 1;
            *rights += u32::from(right);
        }
    }
    let most = votes.values().map(|(count, _)| *count).max().unwrap_or(0);
    let first: Vec<f64> = votes.values().filter(|(c, _)| *c == most).map(|(c, r)| f64::from(*r) / f64::from(*c)).collect();
    first.iter().sum::<f64>() / first.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_votes_are_counted() {
        let answers = [(Some("7"), true), (Some("7"), true), (Some("3"), false), (None, false)];
        // k = 2: {7,7}: 1; {7,3} twice: a draw, 1/2; {7,none} twice: 1; {3,none}: 0.
        assert!((consensus_at_k(&answers, 2, Seed(0)) - 4.0 / 6.0).abs() < 1e-15);
        assert_eq!([consensus_at_k(&answers, 4, Seed(0)), consensus_at_k(&answers, 1, Seed(0))], [1.0, 0.5]);
        assert_eq!([consensus_at_k(&answers[3..], 1, Seed(0)), consensus_at_k(&[], 3, Seed(0))], [0.0, 0.0]);
    }

    #[test]
    fn drawn_picks_come_close_to_the_count_of_all() {
        let names: Vec<String> = (0..40).map(|i| if i % 5 < 2 { "7".into() } else { format!("wrong {}", i % 7) }).collect();
        let answers: Vec<(Option<&str>, bool)> = names.iter().map(|n| (Some(n.as_str()), n == "7")).collect();
        assert!(ways(40, 20) > MAX_PICKS as f64);
        // 16 of 40 votes agree, the others are spread over 7: the majority of 20 is right almost always.
        assert!(consensus_at_k(&answers, 20, Seed(1)) > 0.95);
        let exact = consensus_at_k(&answers[..12], 3, Seed(1));
        let mut rng = Seed(8).rng();
        let drawn: f64 = (0..20_000)
            .map(|_| {
                let mut order: Vec<usize> = (0..12).collect();
                for i in 0..3 {
                    let other = i + below(&mut rng, 12 - i);
                    order.swap(i, other);
                }
                majority(order[..3].iter().map(|i| answers[*i]))
            })
            .sum::<f64>()
            / 20_000.0;
        assert!((exact - drawn).abs() < 0.015, "{exact} {drawn}");
    }

    #[test]
    fn every_way_of_picking_comes_once() {
        let mut pick = vec![0, 1, 2];
        let mut count = 1;
        while next(&mut pick, 7) {
            count += 1;
        }
        assert_eq!((count, pick), (35, vec![4, 5, 6]));
    }
}
