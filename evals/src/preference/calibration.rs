//! What scores say as probabilities: reliability, expected calibration error, Brier score.

use serde::{Deserialize, Serialize};

use super::ScoredPair;

/// How many bins the reliability curve has.
pub const BINS: usize = 10;

/// Pairs of about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Where the bin begins: a confidence, 0.5 to 1.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// How many pairs are in it.
    pub n: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them in which the scorer was right.
    pub accuracy: f64,
}

/// Scores as probabilities under the Bradley-Terry model: `p = σ(chosen − rejected)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Expected calibration error: `Σ (n_b / n) |accuracy_b − confidence_b|` over the bins (Naeini, Cooper and Hauskrecht 2015, AAAI;
    /// Guo et al. 2017, arXiv:1706.04599, eq. 3).
    pub ece: f64,
    /// Mean of `(label − p)²` (Brier 1950): 0.25 for a scorer that always says one half.
    pub brier: f64,
    /// Mean of `−label·ln p − (1 − label)·ln(1 − p)`, in nats: ln 2 = 0.693 for a scorer that always says one half.
    pub log_loss: f64,
    /// Bins of equal width over the confidence `max(p, 1 − p)`; empty ones are left out.
    pub bins: Vec<ReliabilityBin>,
}

impl Calibration {
    pub(super) fn of(pairs: &[&ScoredPair]) -> Self {
        let n = pairs.len() as f64;
        let mut sums = [(0_u64, 0.0, 0.0); BINS];
        let (mut brier, mut log_loss) = (0.0, 0.0);
        for pair in pairs {
            let (p, margin) = (sigmoid(pair.margin()), pair.margin());
            brier += (pair.label - p).powi(2);
            // −ln σ(m) = ln(1 + e⁻ᵐ): p itself may round to 0.
            log_loss += pair.label * softplus(-margin) + (1.0 - pair.label) * softplus(margin);
            let confidence = p.max(1.0 - p);
            // A scorer that prefers the other answer is right where people do: with probability 1 − label.
            let right = pair.outcome() * pair.label + (1.0 - pair.outcome()) * (1.0 - pair.label);
            let (count, sum, rights) = &mut sums[bin(confidence)];
            *count += 1;
            *sum += confidence;
            *rights += right;
        }
        let bins: Vec<ReliabilityBin> =
            sums.iter().enumerate().filter_map(|(at, (count, sum, rights))| one(at, *count, *sum, *rights)).collect();
        let ece = bins.iter().map(|b| b.n as f64 / n * (b.accuracy - b.confidence).abs()).sum();
        Self { ece, brier: brier / n, log_loss: log_loss / n, bins }
    }
}

fn one(at: usize, n: u64, confidences: f64, rights: f64) -> Option<ReliabilityBin> {
    let edge = |i: usize| 0.5 + 0.5 * i as f64 / BINS as f64;
    let count = n as f64;
    (n > 0).then(|| ReliabilityBin { low: edge(at), high: edge(at + 1), n, confidence: confidences / count, accuracy: rights / count })
}

fn bin(confidence: f64) -> usize {
    (((confidence - 0.5) * 2.0 * BINS as f64) as usize).min(BINS - 1)
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + eˣ)`, without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::super::tests::pairs;
    use super::*;
    use collimate_types::Seed;

    fn of(pairs: &[ScoredPair]) -> Calibration {
        Calibration::of(&pairs.iter().collect::<Vec<_>>())
    }

    #[test]
    fn hand_worked_pairs_give_hand_worked_numbers() {
        // p = 0.8 and 0.8 right, 0.8 wrong: confidence 0.8, accuracy 2/3.
        let margin = 4.0_f64.ln();
        let result = of(&pairs(3, |i| if i == 2 { -margin } else { margin }));
        assert!((result.ece - (0.8 - 2.0 / 3.0)).abs() < 1e-12);
        assert!((result.brier - (0.04 + 0.04 + 0.64) / 3.0).abs() < 1e-12);
        assert!((result.log_loss - -(2.0 * 0.8_f64.ln() + 0.2_f64.ln()) / 3.0).abs() < 1e-12);
        assert_eq!(result.bins.len(), 1);
        assert_eq!((result.bins[0].n, result.bins[0].low, result.bins[0].high), (3, 0.8, 0.85));
    }

    #[test]
    fn a_scorer_that_knows_its_own_doubt_is_calibrated_and_an_overconfident_one_is_not() {
        let doubt = |i: u64| 4.0 * Seed(1).uniform(i) - 1.0;
        let drawn = |i: u64, scale: f64| {
            let margin = doubt(i).abs();
            if Seed(2).uniform(i) < sigmoid(margin) { scale * margin } else { -scale * margin }
        };
        let honest = of(&pairs(20_000, |i| drawn(i, 1.0)));
        let loud = of(&pairs(20_000, |i| drawn(i, 5.0)));
        assert!(honest.ece < 0.015, "{}", honest.ece);
        assert!(loud.ece > 0.1 && loud.log_loss > honest.log_loss && loud.brier > honest.brier, "{loud:?}");
    }

    #[test]
    fn one_half_scores_one_quarter_and_ln_two_and_ties_of_people_are_its_truth() {
        let mut some = pairs(10, |_| 0.0);
        some.iter_mut().for_each(|p| p.label = 0.5);
        let result = of(&some);
        assert!((result.ece).abs() < 1e-15 && (result.log_loss - 2.0_f64.ln()).abs() < 1e-15);
        assert!((of(&pairs(10, |_| 0.0)).brier - 0.25).abs() < 1e-15);
    }

    #[test]
    fn huge_margins_have_a_finite_loss() {
        let result = of(&pairs(2, |i| if i == 0 { 2000.0 } else { -2000.0 }));
        assert!((result.log_loss - 1000.0).abs() < 1e-9 && (result.brier - 0.5).abs() < 1e-12);
    }
}
