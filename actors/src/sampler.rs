//! Drawing one token per row.
//!
//! The law is `p = softmax(z/τ)` over the whole vocabulary. One uniform number a row is turned into a token by inverting the cumulative
//! distribution in two levels: sums of buckets of 256 tokens first, then the tokens of one bucket. No noise over the vocabulary is made,
//! and the log-probability falls out of the same numbers.

use collimate_types::{Sampling, TokenId};
use tch::{Kind, Tensor};

use crate::filter;

const BUCKET: i64 = 256;

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

    fn temperature(&self) -> f64 {
        if self.sampling.greedy() { 1.0 } else { self.sampling.temperature }
    }
}

/// Draws one token per row of `logits [n, V]`, which is used up. `None` where a row is not finite.
pub(crate) fn draw(logits: &Tensor, rows: &[Draw<'_>]) -> Vec<Option<Drawn>> {
    let originals = rows.iter().map(|r| !r.plain()).collect::<Vec<_>>();
    // Rows with filters need their logits as they are; they are few, so they are copied out.
    let kept: Vec<Option<Vec<f32>>> = (0_i64..).zip(&originals).map(|(i, o)| o.then(|| row(logits, i))).collect();
    let plain = Plain::new(logits, rows);
    let tokens = plain.invert(rows);
    rows.iter()
        .zip(kept)
        .enumerate()
        .map(|(i, (draw, kept))| match kept {
            Some(z) => filter::draw(&z, draw),
            None => tokens[i],
        })
        .collect()
}

fn row(logits: &Tensor, i: i64) -> Vec<f32> {
    let row = logits.select(0, i).to_kind(Kind::Float).contiguous();
    let mut out = vec![0.0; row.numel()];
    let length = out.len();
    row.copy_data(&mut out, length);
    out
}

/// `exp(z − max)` of all rows, with the sums that both levels need.
struct Plain {
    /// `[n·buckets, 256]`
    weights: Tensor,
    /// `[n]` sum over the whole vocabulary, before anything was suppressed.
    totals: Vec<f64>,
    /// `[n][buckets]`
    sums: Vec<f32>,
    /// `[n][buckets]`, if a row is greedy.
    tops: Option<Vec<f32>>,
    buckets: usize,
}

impl Plain {
    fn new(logits: &Tensor, rows: &[Draw<'_>]) -> Self {
        let (n, vocab) = (logits.size()[0], logits.size()[1]);
        let temperatures: Vec<f64> = rows.iter().map(|r| 1.0 / r.temperature()).collect();
        let mut z = logits.shallow_clone();
        if temperatures.iter().any(|t| (t - 1.0).abs() > f64::EPSILON) {
            let scale = Tensor::from_slice(&temperatures).to_kind(z.kind()).unsqueeze(-1);
            let _ = z.g_mul_(&scale);
        }
        let top = z.amax(-1, true);
        let _ = z.g_sub_(&top);
        let _ = z.exp_();
        let buckets = (vocab + BUCKET - 1) / BUCKET;
        if vocab % BUCKET != 0 {
            z = z.constant_pad_nd([0, buckets * BUCKET - vocab]);
        }
        let weights = z.view([n * buckets, BUCKET]);
        let sum = |w: &Tensor| floats(&w.sum_dim_intlist(-1, false, Kind::Float));
        let mut sums = sum(&weights);
        let totals = sums.chunks(buckets as usize).map(total).collect();
        let zeros: Vec<i64> = (0_i64..)
            .zip(rows)
            .filter(|(_, r)| r.plain())
            .flat_map(|(i, r)| r.suppressed.iter().map(move |t| i * buckets * BUCKET + i64::from(*t)))
            .collect();
        if !zeros.is_empty() {
            let _ = weights.view([-1]).index_fill_(0, &Tensor::from_slice(&zeros), 0.0);
            sums = sum(&weights);
        }
        let tops = rows.iter().any(|r| r.sampling.greedy()).then(|| floats(&weights.amax(-1, false)));
        Self { weights, totals, sums, tops, buckets: buckets as usize }
    }

    fn invert(&self, rows: &[Draw<'_>]) -> Vec<Option<Drawn>> {
        let mut chosen = Vec::with_capacity(rows.len());
        for (i, draw) in rows.iter().enumerate() {
            let of_row = i * self.buckets..(i + 1) * self.buckets;
            chosen.push(match &self.tops {
                Some(tops) if draw.sampling.greedy() => (first_largest(&tops[of_row]), 0.0),
                _ => walk(&self.sums[of_row.clone()], draw.uniform * total(&self.sums[of_row])),
            });
        }
        let places: Vec<i64> = chosen.iter().enumerate().map(|(i, c)| (i * self.buckets + c.0) as i64).collect();
        let picked = floats(&self.weights.index_select(0, &Tensor::from_slice(&places)));
        let one = |i: usize| {
            let ((bucket, rest), draw) = (chosen[i], &rows[i]);
            let weights = &picked[i * BUCKET as usize..(i + 1) * BUCKET as usize];
            let within = if draw.sampling.greedy() { first_largest(weights) } else { walk(weights, rest).0 };
            let weight = f64::from(weights[within]);
            let logp = (weight / self.totals[i]).ln();
            if !logp.is_finite() {
                return None;
            }
            let allowed = total(&self.sums[i * self.buckets..(i + 1) * self.buckets]);
            let behaviour =
                if draw.sampling.greedy() { Some(0.0) } else { (!draw.suppressed.is_empty()).then(|| (weight / allowed).ln() as f32) };
            Some(Drawn { token: (bucket * BUCKET as usize + within) as TokenId, logp: logp as f32, behaviour })
        };
        (0..rows.len()).map(one).collect()
    }
}

/// The first place whose cumulative weight exceeds `target`, and what is left of the target there. Places without weight are never chosen.
fn walk(weights: &[f32], target: f64) -> (usize, f64) {
    let mut rest = target;
    let mut last = (0, 0.0);
    for (i, &w) in weights.iter().enumerate() {
        let w = f64::from(w);
        if w <= 0.0 {
            continue;
        }
        if rest < w {
            return (i, rest);
        }
        rest -= w;
        // Rounding can carry the target past the end: the last place with weight takes it.
        last = (i, w * (1.0 - f64::EPSILON));
    }
    last
}

fn total(weights: &[f32]) -> f64 {
    weights.iter().map(|w| f64::from(*w)).sum()
}

/// The first of the largest weights: ties go to the lowest id.
fn first_largest(weights: &[f32]) -> usize {
    let mut best = 0;
    for (i, w) in weights.iter().enumerate() {
        if *w > weights[best] {
            best = i;
        }
    }
    best
}

fn floats(t: &Tensor) -> Vec<f32> {
    let t = t.to_kind(Kind::Float).contiguous();
    let mut out = vec![0.0; t.numel()];
    let length = out.len();
    t.copy_data(&mut out, length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;

    fn draws(logits: &Tensor, sampling: &Sampling, suppressed: &[TokenId], n: u64) -> Vec<Drawn> {
        let one = |i| {
            let row = Draw { sampling, uniform: Seed(3).uniform(i), suppressed, seen: [&[], &[]] };
            draw(&logits.copy(), &[row])[0].unwrap()
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
    fn rounding_never_leaves_the_support() {
        assert_eq!(walk(&[0.0, 0.5, 0.0], 0.5).0, 1);
        assert_eq!(walk(&[0.5, 0.5, 0.0], 1.0 + 1e-9).0, 1);
        assert_eq!(walk(&[0.0, 0.0, 1.0], 0.0).0, 2);
    }

    #[test]
    fn a_row_of_nan_is_reported() {
        let logits = Tensor::from_slice(&[f32::NAN, 0.0]).view([1, 2]);
        let row = Draw { sampling: &Sampling::default(), uniform: 0.3, suppressed: &[], seen: [&[], &[]] };
        assert_eq!(draw(&logits, &[row]), [None]);
    }
}
