//! A metric over the steps of a run.

use super::Run;

/// Points of a drawn line at most; more are averaged in runs of equal length.
const MOST_POINTS: usize = 240;

/// The points of a metric in the order of their steps; of a step that was written twice the last line counts. Gaps where a number was not finite.
pub(super) fn of(run: &Run, name: &str) -> Vec<(u64, f64)> {
    let mut points: Vec<(u64, f64)> =
        run.lines.iter().filter_map(|(step, m)| Some((*step, m.get(name)?))).filter(|p| p.1.is_finite()).collect();
    points.sort_by_key(|p| p.0);
    points.reverse();
    points.dedup_by_key(|p| p.0);
    points.reverse();
    points
}

/// The names of a run's metrics, sorted.
pub(super) fn names(runs: &[Run]) -> Vec<String> {
    let all: std::collections::BTreeSet<&String> = runs.iter().flat_map(|r| &r.lines).flat_map(|(_, m)| m.0.keys()).collect();
    all.into_iter().cloned().collect()
}

/// At most [`MOST_POINTS`] points: means of neighbours, at the mean of their steps.
pub(super) fn thin(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let columns = points.len().min(MOST_POINTS);
    let part = |i: usize| &points[i * points.len() / columns..(i + 1) * points.len() / columns];
    let mean = |part: &[(u64, f64)]| {
        let n = part.len() as f64;
        // Divided first: the sum of two large values may not be finite.
        (part.iter().map(|p| p.0 as f64 / n).sum(), part.iter().map(|p| p.1 / n).sum())
    };
    (0..columns).map(|i| mean(part(i))).collect()
}

/// An exponential moving average whose start is not pulled to 0: `s_t = Σ wⁱ x_{t−i} / Σ wⁱ`.
pub(super) fn smooth(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut sum, mut norm) = (0.0, 0.0);
    let next = |(step, value): &(f64, f64)| {
        sum = weight * sum + value;
        norm = weight * norm + 1.0;
        (*step, sum / norm)
    };
    points.iter().map(next).collect()
}

/// The mean of the last tenth of the points, at least one.
pub(super) fn late_mean(points: &[(u64, f64)]) -> Option<f64> {
    let tail = &points[points.len().saturating_sub((points.len() / 10).max(1))..];
    (!tail.is_empty()).then(|| tail.iter().map(|p| p.1).sum::<f64>() / tail.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Metrics;

    #[test]
    fn the_last_line_of_a_step_counts_and_gaps_stay_gaps() {
        let line = |step, value| (step, Metrics([("x".to_owned(), value)].into()));
        let run = Run { lines: vec![line(2, 5.0), line(1, 1.0), line(2, 6.0), line(3, f64::NAN)], ..Run::default() };
        assert_eq!(of(&run, "x"), [(1, 1.0), (2, 6.0)]);
        assert_eq!((names(&[run]), thin(&[]).len()), (vec!["x".to_owned()], 0));
    }

    #[test]
    fn thinning_keeps_the_mean_and_smoothing_keeps_a_constant() {
        let points: Vec<(u64, f64)> = (0..2400).map(|i| (i, f64::from(i as u32 % 10))).collect();
        let thinned = thin(&points);
        assert_eq!(thinned.len(), MOST_POINTS);
        assert!(thinned.iter().all(|p| (p.1 - 4.5).abs() < 1e-9));
        assert!(smooth(&[(0.0, 3.0), (1.0, 3.0), (2.0, 3.0)], 0.9).iter().all(|p| (p.1 - 3.0).abs() < 1e-12));
        let [_, second] = smooth(&[(0.0, 1.0), (1.0, 4.0)], 0.5)[..] else { panic!() };
        assert!((second.1 - 3.0).abs() < 1e-12, "(0.5·1 + 4) / 1.5");
    }
}
