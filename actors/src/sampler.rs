//! Drawing one token per row.
//!
//! The law is `p = softmax(z/τ)` over the whole vocabulary. One uniform number a row is turned into a token by inverting the cumulative
//! distribution in two levels (`bridge`): no noise over the vocabulary is made, and the log-probability falls out of the same numbers.

use collimate_bridge::{Draw as Plain, DrawnToken, draw_rows};
use collimate_types::{Sampling, TokenId};
use tch::{Kind, Tensor};

use crate::{ActorError, filter};

/// What must be known to draw for one row.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    /// The law.
    pub(crate) sampling: &'a Sampling,
    /// The row's uniform number, in `[0, 1)`.
    pub(crate) uniform: f64,
    /// Tokens that cannot be drawn now (end of sequence before `min_new_tokens`).
    pub(crate) suppressed: &'a [TokenId],
    /// Tokens already seen, for the repetition penalty: prompt and answer.
    pub(crate) seen: [&'a [TokenId]; 2],
}

/// A drawn token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawn {
    /// The token.
    pub(crate) token: TokenId,
    /// Its log-probability under the policy at the sampling temperature, over the whole vocabulary.
    pub(crate) logp: f32,
    /// Its log-probability under the law that drew, if that differs.
    pub(crate) behaviour: Option<f32>,
}

impl Draw<'_> {
    fn plain(&self) -> bool {
        !self.sampling.truncates()
    }

    fn without_filters(&self) -> Plain<'_> {
        Plain {
            uniform: self.uniform,
            temperature: self.sampling.policy_temperature(),
            greedy: self.sampling.greedy(),
            suppressed: if self.plain() { self.suppressed } else { &[] },
        }
    }
}

/// The tokens of a step, and the sum of each row's weights.
#[derive(Debug)]
pub(crate) struct Step {
    /// `None` where a row is not finite.
    pub(crate) drawn: Vec<Option<Drawn>>,
    /// Σ exp(z/τ − max) of each row: what its weights are divided by to be probabilities.
    pub(crate) totals: Vec<f64>,
}

/// Draws one token per row of `logits [n, V]`, which become the policy's weights `exp(z/τ − max)`.
///
/// # Errors
/// When LibTorch refuses.
pub(crate) fn draw(logits: &Tensor, rows: &[Draw<'_>]) -> Result<Step, ActorError> {
    // Rows with filters need their logits as they are; they are few, so they are copied out.
    let kept: Vec<Option<Vec<f32>>> = (0_i64..).zip(rows).map(|(i, r)| (!r.plain()).then(|| row(logits, i))).collect();
    let tokens = draw_rows(logits, &rows.iter().map(Draw::without_filters).collect::<Vec<_>>())?;
    let totals = tokens.iter().map(|t| t.total).collect();
    let one = |((draw, kept), token): ((&Draw<'_>, Option<Vec<f32>>), DrawnToken)| match kept {
        Some(z) => filter::draw(&z, draw),
        None => finish(draw, token),
    };
    Ok(Step { drawn: rows.iter().zip(kept).zip(tokens).map(one).collect(), totals })
}

fn finish(draw: &Draw<'_>, DrawnToken { token, weight, total, allowed }: DrawnToken) -> Option<Drawn> {
    let logp = (weight / total).ln();
    if !logp.is_finite() {
        return None;
    }
    let behaviour = if draw.sampling.greedy() { Some(0.0) } else { (!draw.suppressed.is_empty()).then(|| (weight / allowed).ln() as f32) };
    Some(Drawn { token, logp: logp as f32, behaviour })
}

fn row(logits: &Tensor, i: i64) -> Vec<f32> {
    let row = logits.select(0, i).to_kind(Kind::Float).contiguous();
    let mut out = vec![0.0; row.numel()];
    let length = out.len();
    row.copy_data(&mut out, length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;

    fn draws(logits: &Tensor, sampling: &Sampling, suppressed: &[TokenId], n: u64) -> Vec<Drawn> {
        let one = |i| {
            let row = Draw { sampling, uniform: Seed(3).uniform(i), suppressed, seen: [&[], &[]] };
            draw(&logits.copy(), &[row]).unwrap().drawn[0].unwrap()
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn tokens_come_as_often_as_the_law_says() {
        // 300 tokens, so that both levels and the padded tail are used.
        let z: Vec<f32> = (0..300).map(|i| ((i * 7919) % 13) as f32 * 0.25).collect();
        let (logits, sampling) = (Tensor::from_slice(&z).view([1, 300]), Sampling { temperature: 0.8, ..Sampling::default() });
        let p = Vec::<f32>::try_from((&logits / 0.8).softmax(-1, Kind::Float).view([-1])).unwrap();
        let n = 20_000;
        let drawn = draws(&logits, &sampling, &[], n);
        let mut counts = vec![0_f64; 300];
        for d in &drawn {
            counts[d.token as usize] += 1.0;
            assert!((d.logp - p[d.token as usize].ln()).abs() < 1e-5);
            assert!(d.behaviour.is_none());
        }
        let chi2: f64 = counts.iter().zip(&p).map(|(c, p)| (c - n as f64 * f64::from(*p)).powi(2) / (n as f64 * f64::from(*p))).sum();
        assert!(chi2 < 299.0 + 5.0 * (2.0 * 299.0_f64).sqrt(), "chi-square {chi2}"); // five standard deviations
    }

    #[test]
    fn what_is_suppressed_is_never_drawn_and_logp_stays_the_policys() {
        let logits = Tensor::from_slice(&[5.0_f32, 0.0, 0.0]).view([1, 3]);
        let p = 1.0 / (5.0_f64.exp() + 2.0);
        for d in draws(&logits, &Sampling::default(), &[0], 200) {
            assert_ne!(d.token, 0);
            assert!((f64::from(d.logp) - p.ln()).abs() < 1e-5);
            assert!((f64::from(d.behaviour.unwrap()) - 0.5_f64.ln()).abs() < 1e-6);
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let mut z = vec![0.0_f32; 600];
        (z[301], z[302], z[599]) = (2.0, 2.0, 1.999);
        let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
        let logits = Tensor::from_slice(&z).view([1, 600]);
        assert_eq!(draws(&logits, &sampling, &[], 1)[0].token, 301);
        assert_eq!(draws(&logits, &sampling, &[301, 302], 1)[0].token, 599);
    }

    #[test]
    fn a_row_of_nan_is_reported() {
        let logits = Tensor::from_slice(&[f32::NAN, 0.0]).view([1, 2]);
        let row = Draw { sampling: &Sampling::default(), uniform: 0.3, suppressed: &[], seen: [&[], &[]] };
        assert_eq!(draw(&logits, &[row]).unwrap().drawn, [None]);
    }
}
