//! What every kind of run has around its work: the controller, the run directory, the logs, the progress line.

use collimate_algorithms::AlgoState;
use collimate_controller::Controller;
use collimate_datasets::Cursor;
use collimate_rewards::FaultWindow;
use collimate_store::RunDir;
use collimate_text::Tokenizer;
use collimate_types::{Metrics, ScoredGroup};
use serde::{Deserialize, Serialize};

use super::{Board, Job, Signals, Summary, Ui, logs::Logs, timers::Timers};
use crate::exit::Exit;
use crate::machine;

/// What moves before a step's update, as it was at the last boundary (see the controller's head).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    pub(crate) cursor: Cursor,
    pub(crate) algo: AlgoState,
    pub(crate) faults: FaultWindow,
}

/// The part of a driver that does not depend on what is learnt from.
pub(crate) struct Frame<'a> {
    pub(crate) job: &'a Job,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) controller: Controller,
    pub(crate) run: RunDir,
    pub(crate) logs: Logs,
    pub(crate) ui: &'a Ui,
    pub(crate) signals: &'a Signals,
    pub(crate) now: Notes,
    /// `now` at the last boundary.
    pub(crate) boundary: Notes,
    pub(crate) summary: Summary,
    /// The score of the last evaluation and the boundary it was made at.
    pub(crate) last_score: Option<(u64, f64)>,
    /// Whether no step is under way: what moves before an update has moved for good, and what is now is what the boundary is.
    pub(crate) closed: bool,
    pub(crate) timers: Timers,
    pub(crate) board: Board,
}

impl Frame<'_> {
    /// A step begins: what moves before its update is noted.
    pub(crate) fn begin_step(&mut self) {
        self.boundary = self.now.clone();
        self.closed = false;
        let _ = self.timers.take();
    }

    /// Writes what a step measured, and shows it. `tokens` were drawn or learnt from; `phases` are shown with their times.
    ///
    /// # Errors
    /// When the logs cannot be written.
    pub(crate) fn close_step(
        &mut self,
        step: u64,
        mut metrics: Metrics,
        (tokens, groups): (u64, &[ScoredGroup]),
        phases: &[&'static str],
    ) -> Result<(), Exit> {
        self.closed = true;
        self.summary.tokens += tokens;
        self.summary.steps += 1;
        metrics.set("num_tokens", tokens as f64);
        let phases: Vec<String> = phases.iter().map(|p| format!("{p} {:.1}s", self.timers.seconds(p))).collect();
        let times = self.timers.take();
        let seconds = times.get("time/step").unwrap_or(f64::NAN);
        metrics.set("perf/tokens_per_s", tokens as f64 / seconds);
        metrics.set("perf/peak_rss_mb", machine::peak_rss_mb());
        metrics.merge(times);
        self.logs.step(step, &metrics, groups)?;
        let reward = metrics.get("reward");
        self.summary.rewards.extend(reward.map(|r| (step, r)));
        self.board = Board {
            step,
            reward: reward.or(self.board.reward),
            loss: metrics.get("loss").or(self.board.loss),
            tokens_per_s: metrics.get("perf/tokens_per_s"),
            step_s: Some(seconds),
            phases: phases.join(" "),
            ..self.board.clone()
        };
        self.ui.step(self.board.clone());
        Ok(())
    }

    /// Books an evaluation of the boundary `step`; higher scores are better.
    pub(crate) fn evaluated(&mut self, step: u64, score: Option<f64>, said: &str, seconds: f64) {
        self.last_score = score.map(|s| (step, s));
        self.ui.note(format!("held-out after step {step}: {said}"));
        self.summary.eval_s.push(seconds);
    }
}
