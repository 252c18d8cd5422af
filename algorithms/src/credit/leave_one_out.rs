//! Each answer against the mean of its siblings (RLOO: Ahmadian et al. 2024, arXiv:2402.14740, eq. 8).

use super::Scores;

/// `Â[p,g] = r[p,g] − (Σ_{h≠g} r[p,h]) / (n − 1)` with n scored members; a group of one has no siblings and gets zero.
#[must_use]
pub fn leave_one_out(scores: &Scores) -> Scores {
    let group = |g: &Vec<Option<f64>>| {
        let n = g.iter().flatten().count() as f64;
        let sum: f64 = g.iter().flatten().sum();
        let one = |r: f64| if n < 2.0 { 0.0 } else { r - (sum - r) / (n - 1.0) };
        g.iter().map(|r| r.map(one)).collect()
    };
    scores.iter().map(group).collect()
}
