//! What every test here needs: the faulty plugin, groups, and ways to count.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use collimate_rewards::plugin::{PluginReward, bare_rollout};
use collimate_rewards::{RewardSet, score_all};
use collimate_types::{Prompt, RolloutGroup, ScoredGroup, Task, Verdict};
use serde_json::{Value, json};

use crate::faulty;

/// Settings of the faulty plugin: a deadline that a busy machine keeps, and `more`.
pub(crate) fn settings(dir: &Path, more: Value) -> Value {
    let mut table = json!({"plugin": faulty::command(false), "name": "faulty", "deadline_s": 10, "config": {"dir": dir}});
    let (Value::Object(table_map), Value::Object(more)) = (&mut table, more) else { panic!("not a table") };
    table_map.extend(more);
    table
}

/// The faulty plugin by itself.
pub(crate) fn start(dir: &Path, more: Value) -> PluginReward {
    let mut table = settings(dir, more);
    table.as_object_mut().unwrap().remove("name");
    PluginReward::start(serde_json::from_value(table).unwrap()).unwrap_or_else(|e| panic!("{e}"))
}

/// The faulty plugin as the reward of a recipe.
pub(crate) fn set(dir: &Path, more: Value) -> RewardSet {
    let spec = serde_json::from_value(settings(dir, more)).unwrap();
    RewardSet::build(&[spec]).unwrap_or_else(|e| panic!("{e:?}"))
}

pub(crate) fn group(id: &str, answers: &[&str]) -> RolloutGroup {
    let task = Task { id: id.into(), text: Some("?".into()), messages: vec![], truth: json!({"answer": 5}), reward: None };
    let prompt = Prompt { task: Arc::new(task), text: "?".into(), tokens: vec![1] };
    RolloutGroup { prompt: Arc::new(prompt), rollouts: answers.iter().map(|a| bare_rollout(a)).collect() }
}

/// Groups of eight: ordinary answers, and at every so many-th place a bad one.
pub(crate) fn groups(count: usize, bad: &str, every: usize) -> Vec<RolloutGroup> {
    let answer = |i: usize| if i % every == every / 2 { bad.to_owned() } else { "x".repeat(i % 50) };
    let one = |g: usize| {
        let answers: Vec<String> = (0..8).map(|i| answer(g * 8 + i)).collect();
        group(&format!("t{g}"), &answers.iter().map(String::as_str).collect::<Vec<_>>())
    };
    (0..count).map(one).collect()
}

/// Judges groups, several at once, and checks what holds whatever happens: each answer has one verdict; an ordinary answer has its right
/// score; a bad one has what `wanted` says (a fault's name, or its score). Returns how many verdicts of each name there are.
#[track_caller]
pub(crate) fn judged(set: &RewardSet, groups: Vec<RolloutGroup>, bad: &str, wanted: Result<f64, &str>) -> BTreeMap<&'static str, usize> {
    let scored = score_all(set, groups, 16);
    let mut counts = BTreeMap::new();
    for (rollout, verdict) in scored.iter().flat_map(|g| g.group.rollouts.iter().zip(&g.verdicts)) {
        *counts.entry(verdict.fault().unwrap_or("score")).or_insert(0) += 1;
        let is_bad = rollout.text == bad;
        let total = verdict.score().map(|s| s.total);
        match wanted {
            Err(fault) if is_bad => assert_eq!(verdict.fault(), Some(fault), "{verdict:?}"),
            Ok(score) if is_bad => assert_eq!(total, Some(score), "{verdict:?}"),
            _ => assert_eq!(total, Some(rollout.text.len() as f64 / 100.0), "{:?}: {verdict:?}", rollout.text),
        }
    }
    assert_eq!(scored.iter().map(|g| g.verdicts.len()).sum::<usize>(), counts.values().sum::<usize>());
    counts
}

/// The detail of the first verdict without a score.
#[track_caller]
pub(crate) fn detail(scored: &ScoredGroup) -> String {
    let told = scored.verdicts.iter().find_map(|v| match v {
        Verdict::Score(_) => None,
        Verdict::Unscorable { reason } => Some(reason.clone()),
        Verdict::InfraError { detail, .. } => Some(detail.clone()),
    });
    told.expect("a verdict without a score")
}

/// Whether a process is gone (or only its entry is left).
pub(crate) fn gone(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn within(seconds: f64, what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed().as_secs_f64() < seconds, "{what} did not come in {seconds} s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
