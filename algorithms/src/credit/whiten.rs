//! Centring and dividing by the deviation over the trained tokens of a batch.

use super::Shaped;
use crate::RowCredit;

/// Added to the variance before the root: verl's value.
const EPS: f64 = 1e-8;

/// `(A − mean) / sqrt(var + 1e−8)` over all trained tokens of the batch, the variance divided by n − 1. A credit of a whole completion counts
/// once a token. With fewer than two tokens nothing changes.
pub fn whiten_tokens(rows: &mut [Vec<RowCredit>], shaped: &Shaped<'_>) {
    let mut all: Vec<(f64, f64)> = Vec::new();
    for (p, g) in shaped.members() {
        let trained = shaped.trained(p, g);
        match &rows[p][g] {
            RowCredit::Sequence(a) => all.push((*a, trained.iter().filter(|t| **t).count() as f64)),
            RowCredit::Tokens(tokens) => all.extend(tokens.iter().zip(&trained).filter(|(_, t)| **t).map(|(a, _)| (*a, 1.0))),
            RowCredit::Untrained => {}
        }
    }
    let count: f64 = all.iter().map(|(_, n)| n).sum();
    if count < 2.0 {
        return;
    }
    let mean = all.iter().map(|(a, n)| a * n).sum::<f64>() / count;
    let variance = all.iter().map(|(a, n)| (a - mean).powi(2) * n).sum::<f64>() / (count - 1.0);
    let scaled = |a: f64| (a - mean) / (variance + EPS).sqrt();
    for (p, g) in shaped.members() {
        let trained = shaped.trained(p, g);
        match &mut rows[p][g] {
            RowCredit::Sequence(a) => *a = scaled(*a),
            RowCredit::Tokens(tokens) => tokens.iter_mut().zip(trained).for_each(|(a, t)| *a = if t { scaled(*a) } else { 0.0 }),
            RowCredit::Untrained => {}
        }
    }
}
