//! What a run writes while it goes: metrics, TensorBoard events, samples.

use std::time::{SystemTime, UNIX_EPOCH};

use collimate_store::{EventFile, MetricsFile, RunDir};
use collimate_types::{Metrics, ScoredGroup, Verdict};
use serde_json::json;

use super::{Evaluated, Job};
use crate::exit::{Exit, OrExit};

/// The open files of a run.
pub(crate) struct Logs {
    run: std::path::PathBuf,
    metrics: MetricsFile,
    events: Option<EventFile>,
    samples: usize,
}

/// Seconds since the epoch: for display in TensorBoard only.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

impl Logs {
    /// Opens the files of a run; of one that goes on after `step`, TensorBoard drops what an earlier process wrote beyond it.
    pub(crate) fn at(run: &RunDir, job: &Job, step: Option<u64>) -> Result<Self, Exit> {
        let events = if job.tensorboard { Some(run.events(wall_time(), step.map(|s| s + 1)).or_failed()?) } else { None };
        Ok(Self { run: run.path().to_owned(), metrics: run.metrics().or_failed()?, events, samples: job.log_rollouts })
    }

    /// A step's line, events and samples.
    pub(crate) fn step(&mut self, step: u64, metrics: &Metrics, groups: &[ScoredGroup]) -> Result<(), Exit> {
        self.line(step, metrics)?;
        if self.samples == 0 {
            return Ok(());
        }
        let mut file = collimate_store::RolloutFile::open(&self.run.join("rollouts").join(format!("step_{step}.jsonl"))).or_failed()?;
        let each = groups.iter().flat_map(|g| g.group.rollouts.iter().zip(&g.verdicts).map(move |(r, v)| (g, r, v)));
        for (group, rollout, verdict) in each.take(self.samples) {
            let sample = json!({
                "step": step, "task": group.group.prompt.task.id, "prompt": group.group.prompt.text, "answer": rollout.text,
                "truth": group.group.prompt.task.truth, "finish": rollout.finish, "tokens": rollout.tokens.len(),
                "reward": verdict.score().map(|s| s.total), "parts": verdict.score().map(|s| &s.parts), "fault": fault(verdict),
                "version": rollout.versions.0,
            });
            file.append(&sample).or_failed()?;
        }
        Ok(())
    }

    /// A held-out result.
    pub(crate) fn evaluation(&mut self, step: u64, result: &Evaluated) -> Result<(), Exit> {
        let mut metrics = Metrics::default();
        metrics.set("eval/accuracy", result.task.accuracy);
        metrics.set("eval/n", result.task.n as f64);
        metrics.set("eval/reward", result.reward);
        metrics.set("eval/unscorable", result.task.unscorable as f64);
        self.line(step, &metrics)
    }

    /// A line of numbers.
    pub(crate) fn line(&mut self, step: u64, metrics: &Metrics) -> Result<(), Exit> {
        self.metrics.append(step, metrics).or_failed()?;
        if let Some(events) = &mut self.events {
            events.scalars(step, wall_time(), metrics).or_failed()?;
        }
        Ok(())
    }
}

fn fault(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Score(_) => None,
        Verdict::Unscorable { reason } => Some(reason.clone()),
        Verdict::InfraError { detail, .. } => Some(detail.clone()),
    }
}
