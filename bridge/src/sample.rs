//! Drawing one token a row.

use tch::Tensor;

use crate::{BridgeError, address, ffi::raw};

/// What must be known to draw for one row.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// In `[0, 1)`: what the cumulative distribution is inverted at.
    pub uniform: f64,
    /// Divides the logits.
    pub temperature: f64,
    /// The most likely token instead of a drawn one; ties go to the lowest id.
    pub greedy: bool,
    /// Tokens that cannot be drawn now.
    pub suppressed: &'a [u32],
}

/// A drawn token with the numbers its log-probabilities come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnToken {
    /// The token.
    pub token: u32,
    /// Its weight `exp(z/τ − max)`; not finite or 0 where the row is not finite.
    pub weight: f64,
    /// The sum of the weights of the whole vocabulary.
    pub total: f64,
    /// The sum of the weights of what could be drawn.
    pub allowed: f64,
}

/// Draws one token a row of `softmax(z/τ)`. The logits become the weights `exp(z/τ − max)`, what is suppressed included.
///
/// # Shapes
/// `logits [≥ n, V]`, contiguous, float32 or float64, for n rows
///
/// # Errors
/// When shape or kind do not fit.
pub fn draw_rows(logits: &Tensor, rows: &[Draw<'_>]) -> Result<Vec<DrawnToken>, BridgeError> {
    let mut suppressed = Vec::new();
    let flat = |r: &Draw<'_>| {
        let start = suppressed.len();
        suppressed.extend_from_slice(r.suppressed);
        let (uniform, inverse_temperature) = (r.uniform, 1.0 / r.temperature);
        raw::DrawRow { uniform, inverse_temperature, greedy: r.greedy, suppressed_start: start, suppressed_end: suppressed.len() }
    };
    let asked: Vec<raw::DrawRow> = rows.iter().map(flat).collect();
    let mut out: Vec<raw::DrawnRow> = rows.iter().map(|_| raw::DrawnRow { token: 0, total: 0.0, allowed: 0.0, weight: 0.0 }).collect();
    raw::draw_rows(address(logits), &asked, &suppressed, &mut out)?;
    let drawn = |d: &raw::DrawnRow| DrawnToken { token: d.token as u32, weight: d.weight, total: d.total, allowed: d.allowed };
    Ok(out.iter().map(drawn).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn weights_are_the_softmax_and_the_draw_inverts_its_sum() {
        for (kind, tolerance) in [(Kind::Float, 2e-6), (Kind::Double, 1e-13)] {
            let logits = Tensor::randn([1, 1000], (kind, Device::Cpu)) * 3.0;
            let p = Vec::<f64>::try_from((&logits / 0.7).softmax(-1, Kind::Double).view([-1])).unwrap();
            let mut sum = 0.0;
            for i in 0..1000 {
                // The middle of token i's share of [0, 1).
                let uniform = sum + p[i] / 2.0;
                sum += p[i];
                let z = logits.copy();
                let d = draw_rows(&z, &[Draw { uniform, temperature: 0.7, greedy: false, suppressed: &[] }]).unwrap()[0];
                if p[i] > 1e-4 {
                    assert_eq!(d.token as usize, i);
                }
                assert!((d.weight / d.total - p[d.token as usize]).abs() < tolerance);
            }
        }
    }

    #[test]
    fn what_is_suppressed_is_not_drawn_and_keeps_its_weight() {
        let z = Tensor::from_slice(&[5.0_f64, 0.0, 0.0]).view([1, 3]);
        for i in 0..100 {
            let z = z.copy();
            let rows = [Draw { uniform: f64::from(i) / 100.0, temperature: 1.0, greedy: false, suppressed: &[0, 0, 99] }];
            let d = draw_rows(&z, &rows).unwrap()[0];
            assert_ne!(d.token, 0);
            assert!((d.allowed - 2.0 * (-5.0_f64).exp()).abs() < 1e-15);
            assert_eq!(z.double_value(&[0, 0]), 1.0);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let row = Draw { uniform: 0.0, temperature: 1.0, greedy: false, suppressed: &[] };
        assert!(draw_rows(&Tensor::zeros([1, 3], (Kind::Int64, Device::Cpu)), &[row]).is_err());
        assert!(draw_rows(&Tensor::zeros([1, 3], (Kind::Float, Device::Cpu)), &[row, row]).is_err());
    }
}
