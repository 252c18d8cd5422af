//! The numbers of a step that come from its rollouts: rewards, lengths, faults. Names follow TRL.

use std::collections::BTreeMap;

use collimate_types::{Finish, Metrics, Rollout, ScoredGroup, Verdict};

/// Mean and sample standard deviation; of fewer than two numbers the deviation is 0.
fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() })
}

/// Rewards, their parts, spread and faults of scored groups.
pub(crate) fn rewards(groups: &[ScoredGroup]) -> Metrics {
    let mut metrics = Metrics::default();
    let verdicts = || groups.iter().flat_map(|g| &g.verdicts);
    let totals: Vec<f64> = verdicts().filter_map(|v| v.score().map(|s| s.total)).collect();
    let (mean, std) = mean_std(&totals);
    metrics.set("reward", mean);
    metrics.set("reward_std", std);
    let mut parts: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in verdicts().filter_map(Verdict::score).flat_map(|s| &s.parts) {
        parts.entry(name).or_default().push(*value);
    }
    for (name, values) in parts {
        let (mean, std) = mean_std(&values);
        metrics.set(format!("rewards/{name}/mean"), mean);
        metrics.set(format!("rewards/{name}/std"), std);
    }
    let flat = groups.iter().filter(|g| !g.has_spread()).count();
    metrics.set("frac_reward_zero_std", flat as f64 / groups.len().max(1) as f64);
    for fault in verdicts().filter_map(Verdict::fault) {
        metrics.add(format!("faults/{fault}"), 1.0);
    }
    metrics
}

/// Lengths and ends of completions.
pub(crate) fn completions(groups: &[ScoredGroup]) -> Metrics {
    let rollouts: Vec<&Rollout> = groups.iter().flat_map(|g| &g.group.rollouts).collect();
    let lengths: Vec<f64> = rollouts.iter().map(|r| r.tokens.len() as f64).collect();
    let ended: Vec<f64> = rollouts.iter().filter(|r| r.finish.by_policy()).map(|r| r.tokens.len() as f64).collect();
    let cut = rollouts.iter().filter(|r| matches!(r.finish, Finish::Length | Finish::Budget)).count();
    let mut metrics = Metrics::default();
    metrics.set("completions/mean_length", mean_std(&lengths).0);
    metrics.set("completions/min_length", lengths.iter().copied().fold(f64::INFINITY, f64::min));
    metrics.set("completions/max_length", lengths.iter().copied().fold(0.0, f64::max));
    metrics.set("completions/clipped_ratio", cut as f64 / rollouts.len().max(1) as f64);
    metrics.set("completions/mean_terminated_length", mean_std(&ended).0);
    let prompts: Vec<f64> = groups.iter().map(|g| g.group.prompt.tokens.len() as f64).collect();
    metrics.set("prompts/mean_length", mean_std(&prompts).0);
    metrics
}
