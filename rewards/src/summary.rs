//! What a step's verdicts look like in the metrics.

use std::collections::BTreeMap;

use collimate_types::{InfraKind, Metrics, ScoredGroup, Verdict};

/// The numbers of a step's groups, under TRL's tags.
///
/// `reward` is the mean total; `reward_std` the mean over groups of the standard deviation within the group (n − 1 in the denominator);
/// `frac_reward_zero_std` the share of groups without spread; the latter two over groups with at least two scores.
/// `rewards/<part>/mean` and `/std` are over all scores that have the part. `faults/<kind>` counts the verdicts without a score, and
/// `reward/unscorable_ratio` is their share. A number that nothing speaks for is left out, never 0.
#[must_use]
pub fn summarise(groups: &[ScoredGroup]) -> Metrics {
    let mut metrics = Metrics::default();
    let totals: Vec<f64> = groups.iter().flat_map(|g| g.scores().map(|(_, s)| s)).collect();
    let deviations: Vec<f64> = groups.iter().filter_map(|g| deviation(&g.scores().map(|(_, s)| s).collect::<Vec<_>>())).collect();
    let flat = groups.iter().filter(|g| g.comparable() && !g.has_spread()).count();
    set(&mut metrics, "reward", mean(&totals));
    set(&mut metrics, "reward_std", mean(&deviations));
    set(&mut metrics, "frac_reward_zero_std", (!deviations.is_empty()).then(|| flat as f64 / deviations.len() as f64));
    for (name, values) in parts(groups) {
        set(&mut metrics, &format!("rewards/{name}/mean"), mean(&values));
        set(&mut metrics, &format!("rewards/{name}/std"), deviation(&values));
    }
    faults(groups, &mut metrics);
    metrics
}

fn faults(groups: &[ScoredGroup], metrics: &mut Metrics) {
    let kinds = [InfraKind::Panic, InfraKind::Death, InfraKind::Deadline, InfraKind::Transport];
    for kind in kinds.iter().map(|k| k.name()).chain(["unscorable"]) {
        metrics.set(format!("faults/{kind}"), 0.0);
    }
    let (mut all, mut without) = (0.0, 0.0);
    for verdict in groups.iter().flat_map(|g| &g.verdicts) {
        all += 1.0;
        if let Some(kind) = verdict.fault() {
            metrics.add(format!("faults/{kind}"), 1.0);
            without += 1.0;
        }
    }
    set(metrics, "reward/unscorable_ratio", (all > 0.0).then(|| without / all));
}

fn parts(groups: &[ScoredGroup]) -> BTreeMap<&str, Vec<f64>> {
    let mut parts: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for score in groups.iter().flat_map(|g| &g.verdicts).filter_map(Verdict::score) {
        for (name, value) in &score.parts {
            parts.entry(name).or_default().push(*value);
        }
    }
    parts
}

fn set(metrics: &mut Metrics, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        metrics.set(name, value);
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// √(Σ(x − x̄)² / (n − 1)), of two values or more.
fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    Some((values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::group;

    fn scored(verdicts: Vec<Verdict>) -> ScoredGroup {
        ScoredGroup { group: group(serde_json::Value::Null, None, &vec!["x"; verdicts.len()]), verdicts }
    }

    #[test]
    fn faults_are_counted_and_never_averaged() {
        let part = |v: f64| Verdict::with_parts(v, BTreeMap::from([("numeric".to_owned(), v)]));
        let lost = Verdict::Unscorable { reason: "x".into() };
        let died = Verdict::InfraError { kind: InfraKind::Panic, retryable: false, detail: "x".into() };
        let groups =
            [scored(vec![part(1.0), part(3.0), lost]), scored(vec![part(2.0), part(2.0)]), scored(vec![part(7.0), died.clone(), died])];
        let metrics = summarise(&groups);
        let wanted = [
            ("reward", 3.0),
            ("reward_std", std::f64::consts::SQRT_2 / 2.0),
            ("frac_reward_zero_std", 0.5),
            ("rewards/numeric/mean", 3.0),
            ("rewards/numeric/std", 5.5_f64.sqrt()),
            ("faults/panic", 2.0),
            ("faults/unscorable", 1.0),
            ("faults/death", 0.0),
            ("reward/unscorable_ratio", 3.0 / 8.0),
        ];
        for (name, value) in wanted {
            assert!(metrics.get(name).is_some_and(|v| (v - value).abs() < 1e-12), "{name}: {:?}", metrics.get(name));
        }
    }

    #[test]
    fn nothing_is_made_up_where_nothing_was_scored() {
        let metrics = summarise(&[]);
        assert_eq!((metrics.get("reward"), metrics.get("faults/death")), (None, Some(0.0)));
    }
}
