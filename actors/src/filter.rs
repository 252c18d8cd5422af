//! Laws that differ from the policy: greedy, repetition penalty, top-k, top-p, min-p. One row at a time.

use collimate_types::TokenId;

use crate::sampler::{Draw, Drawn};

/// Draws from one row of logits, in transformers' order: penalty, suppression, temperature, top-k, top-p, min-p.
pub(crate) fn draw(logits: &[f32], draw: &Draw<'_>) -> Option<Drawn> {
    let s = draw.sampling;
    let temperature = if s.greedy() { 1.0 } else { s.temperature };
    let policy_lse = lse(logits.iter().map(|z| f64::from(*z) / temperature));
    let mut z: Vec<f64> = logits.iter().map(|z| f64::from(*z)).collect();
    if (s.repetition_penalty - 1.0).abs() > f64::EPSILON {
        penalise(&mut z, draw.seen.iter().flat_map(|part| part.iter().copied()), s.repetition_penalty);
    }
    for t in draw.suppressed {
        if let Some(z) = z.get_mut(*t as usize) {
            *z = f64::NEG_INFINITY;
        }
    }
    for z in &mut z {
        *z /= temperature;
    }
    let kept = if s.greedy() { vec![first_of_the_largest(&z)?] } else { keep(&z, s.top_k, s.top_p, s.min_p) };
    let total = lse(kept.iter().map(|i| z[*i]));
    let mut rest = draw.uniform;
    let mut token = *kept.last()?;
    for &i in &kept {
        let p = (z[i] - total).exp();
        if rest < p {
            token = i;
            break;
        }
        rest -= p;
    }
    let logp = (f64::from(logits[token]) / temperature - policy_lse) as f32;
    let behaviour = if s.greedy() { 0.0 } else { (z[token] - total) as f32 };
    logp.is_finite().then_some(Drawn { token: token as TokenId, logp, behaviour: Some(behaviour) })
}

/// Divides positive and multiplies negative logits of tokens seen (arXiv:1909.05858).
fn penalise(z: &mut [f64], seen: impl Iterator<Item = TokenId>, penalty: f64) {
    let mut done = vec![false; z.len()];
    for t in seen {
        let t = t as usize;
        if t < z.len() && !std::mem::replace(&mut done[t], true) {
            z[t] = if z[t] > 0.0 { z[t] / penalty } else { z[t] * penalty };
        }
    }
}

/// Tokens that all filters keep, most likely first.
fn keep(z: &[f64], top_k: usize, top_p: f64, min_p: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..z.len()).filter(|i| z[*i] > f64::NEG_INFINITY).collect();
    // Equal logits keep the order of their ids, so that the choice does not depend on the sort.
    order.sort_by(|a, b| z[*b].total_cmp(&z[*a]).then(a.cmp(b)));
    if top_k > 0 {
        order.truncate(top_k);
    }
    if top_p < 1.0 {
        let total = lse(order.iter().map(|i| z[*i]));
        let mut sum = 0.0;
        let reached = order.iter().position(|i| {
            sum += (z[*i] - total).exp();
            sum >= top_p
        });
        order.truncate(reached.map_or(order.len(), |r| r + 1));
    }
    if min_p > 0.0
        && let Some(&best) = order.first()
    {
        let floor = z[best] + min_p.ln();
        order.retain(|i| z[*i] >= floor);
    }
    order
}

fn first_of_the_largest(z: &[f64]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (i, v) in z.iter().enumerate() {
        if !v.is_nan() && best.is_none_or(|b| *v > z[b]) {
            best = Some(i);
        }
    }
    best
}

fn lse(z: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = z.clone().fold(f64::NEG_INFINITY, f64::max);
    top + z.map(|z| (z - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Sampling, Seed};

    #[test]
    fn filters_keep_what_they_say() {
        let z = [0.4_f64.ln(), 0.3_f64.ln(), 0.2_f64.ln(), 0.1_f64.ln()];
        assert_eq!(keep(&z, 2, 1.0, 0.0), [0, 1]);
        assert_eq!(keep(&z, 0, 0.65, 0.0), [0, 1]);
        assert_eq!(keep(&z, 0, 0.75, 0.0), [0, 1, 2]);
        assert_eq!(keep(&z, 0, 1.0, 0.6), [0, 1]);
        // top-p acts on what top-k kept, renewed: 0.4/0.7 already reaches one half.
        assert_eq!(keep(&z, 2, 0.5, 0.0), [0]);
    }

    #[test]
    fn a_truncated_draw_reports_both_laws() {
        let logits: Vec<f32> = [0.4_f32, 0.3, 0.2, 0.1].iter().map(|p| p.ln()).collect();
        let sampling = Sampling { top_k: 2, ..Sampling::default() };
        for n in 0..100 {
            let d = draw(&logits, &Draw { sampling: &sampling, uniform: Seed(1).uniform(n), suppressed: &[], seen: [&[], &[]] }).unwrap();
            let p = [0.4_f32, 0.3][d.token as usize];
            assert!((d.logp - p.ln()).abs() < 1e-5 && (d.behaviour.unwrap() - (p / 0.7).ln()).abs() < 1e-5);
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest_and_honours_the_penalty() {
        let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
        let greedy = |s: &Sampling, seen: &[TokenId]| {
            let row = Draw { sampling: s, uniform: 0.9, suppressed: &[], seen: [&seen[..seen.len() / 2], &seen[seen.len() / 2..]] };
            draw(&[1.0, 2.0, 2.0], &row).unwrap().token
        };
        assert_eq!(greedy(&sampling, &[]), 1);
        let penalised = Sampling { repetition_penalty: 4.0, ..sampling };
        assert_eq!(greedy(&penalised, &[1, 2]), 0);
    }
}
