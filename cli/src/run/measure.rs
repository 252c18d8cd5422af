//! The numbers of a step that come from its rollouts and from judging them. Names follow TRL.

use collimate_rewards::RewardSet;
use collimate_types::{Finish, Metrics, Rollout, ScoredGroup};

/// 0 of no numbers.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / (values.len() as f64).max(1.0)
}

/// What each reward cost and how often it gave no score.
pub(crate) fn work(rewards: &RewardSet) -> Metrics {
    let mut metrics = Metrics::default();
    for work in rewards.take_work() {
        metrics.set(format!("time/reward/{}", work.label), work.time.as_secs_f64());
        metrics.set(format!("rewards/{}/faults", work.label), work.faults as f64);
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
    metrics.set("completions/mean_length", mean(&lengths));
    metrics.set("completions/min_length", lengths.iter().copied().fold(f64::INFINITY, f64::min));
    metrics.set("completions/max_length", lengths.iter().copied().fold(0.0, f64::max));
    metrics.set("completions/clipped_ratio", cut as f64 / rollouts.len().max(1) as f64);
    metrics.set("completions/mean_terminated_length", mean(&ended));
    let prompts: Vec<f64> = groups.iter().map(|g| g.group.prompt.tokens.len() as f64).collect();
    metrics.set("prompts/mean_length", mean(&prompts));
    metrics
}
