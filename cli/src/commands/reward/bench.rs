//! `collimate reward bench`: calls a second as a run makes them, and the time of one call alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use collimate_rewards::plugin::bare_rollout;
use collimate_rewards::{RewardSet, lanes, score_all};
use collimate_types::{Prompt, RolloutGroup, Task, Verdict};
use serde_json::json;

use super::one::{cases, open};
use crate::args::OneReward;
use crate::exit::{Code, Exit, OrExit, refused};
use crate::session::print;

/// Answers to a prompt.
const GROUP: usize = 8;
/// Calls that are made alone, at most.
const ALONE: usize = 500;

/// Measures.
pub(super) fn bench(reward: &OneReward, calls: usize, bytes: usize, file: Option<&Path>, as_json: bool) -> Result<Code, Exit> {
    if calls == 0 {
        return Err(refused("`--calls` is 1 or more"));
    }
    let groups = match file {
        Some(file) => repeated(&cases(file)?.into_iter().map(|c| c.group).collect::<Vec<_>>(), calls),
        None => made_up(calls, bytes),
    };
    let opened = open(reward)?;
    let single = |g: &RolloutGroup| RolloutGroup { prompt: g.prompt.clone(), rollouts: g.rollouts[..1].to_vec() };
    let mut alone = Vec::new();
    for group in groups.iter().filter(|g| !g.rollouts.is_empty()).take(ALONE).map(single) {
        let start = Instant::now();
        opened.reward.score_group(&group).or_failed()?;
        alone.push(start.elapsed().as_secs_f64());
    }
    alone.sort_by(f64::total_cmp);
    let at = |share: f64| alone.get(((alone.len() as f64 * share) as usize).min(alone.len().saturating_sub(1))).copied().unwrap_or(0.0);
    let lanes = lanes(std::slice::from_ref(&opened.spec));
    let set = RewardSet::build(std::slice::from_ref(&opened.spec)).map_err(|e| refused(e[0].to_string()))?;
    let start = Instant::now();
    let scored = score_all(&set, groups, lanes);
    let seconds = start.elapsed().as_secs_f64();
    let verdicts: Vec<&Verdict> = scored.iter().flat_map(|g| &g.verdicts).collect();
    let faults = verdicts.iter().filter(|v| v.fault().is_some()).count();
    let rate = verdicts.len() as f64 / seconds;
    let (p50, p99) = (at(0.5) * 1e3, at(0.99) * 1e3);
    print(&if as_json {
        let line =
            json!({ "reward": opened.name, "calls": verdicts.len(), "faults": faults, "calls_per_s": rate, "p50_ms": p50, "p99_ms": p99 });
        line.to_string()
    } else {
        let n = verdicts.len();
        format!("{}: {rate:.0} calls/s over {n} calls ({faults} faults); one alone takes {p50:.3} ms (p50), {p99:.3} ms (p99)", opened.name)
    })?;
    Ok(Code::Done)
}

/// The groups of cases in turn, until there are so many answers.
fn repeated(groups: &[RolloutGroup], calls: usize) -> Vec<RolloutGroup> {
    let mut left = calls;
    let mut all = Vec::new();
    for group in groups.iter().filter(|g| !g.rollouts.is_empty()).cycle() {
        all.push(group.clone());
        left = left.saturating_sub(group.rollouts.len());
        if left == 0 {
            break;
        }
    }
    all
}

fn made_up(calls: usize, bytes: usize) -> Vec<RolloutGroup> {
    let text: String = "The answer is 42. ".chars().cycle().take(bytes).collect();
    let group = |first: usize| {
        let task = Task { id: format!("t{first}"), text: None, messages: vec![], truth: json!({"answer": "42"}), reward: None };
        let prompt = Prompt { task: Arc::new(task), text: "What is 6 x 7?".into(), tokens: vec![0] };
        RolloutGroup { prompt: Arc::new(prompt), rollouts: vec![bare_rollout(&text); GROUP.min(calls - first)] }
    };
    (0..calls).step_by(GROUP).map(group).collect()
}
