//! The core that all learners share: what one optimizer update does with a gradient, and the sums over the updates of a flow step.

use std::time::Instant;

use collimate_algorithms::Stats;
use collimate_models::{Head, Model, TensorFile};
use collimate_types::{Metrics, StepReport, WeightsVersion};
use serde::{Deserialize, Serialize};

use crate::{LearnerError, Optimizer, OptimizerConfig, OptimizerState, Schedule};

/// How a batch is learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearnerConfig {
    /// Passes over a batch.
    pub epochs: u32,
    /// Optimizer updates a pass: the batch is cut into so many parts, between groups.
    pub minibatches: usize,
    /// Tokens of a forward and backward pass at most.
    pub micro_tokens: usize,
    /// The longest completion, for losses that divide by a fixed length.
    pub max_new_tokens: usize,
    /// Updates in a row that may fail to be finite before the run stops.
    pub max_skips: u64,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate.
    pub schedule: Schedule,
}

/// What a checkpoint keeps besides the moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LearnerState {
    /// The optimizer's numbers.
    pub optimizer: OptimizerState,
    /// Updates tried, skipped ones included: the schedule's clock.
    pub attempts: u64,
    /// Updates skipped in a row.
    pub skipped_in_a_row: u64,
}

/// What the passes over the micro-batches of an update gave; the gradient lies with the parameters.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) loss: f64,
    pub(crate) stats: Stats,
    /// Trunk rows.
    pub(crate) rows: u64,
    /// Of them, those whose forward pass the sampler had made.
    pub(crate) reused: u64,
}

/// Sums over the updates of one flow step.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    stats: Stats,
    loss: f64,
    grad_norm: f64,
    lr: f64,
    rows: u64,
    reused: u64,
    updates: u64,
    skipped: u64,
    optimizer_s: f64,
}

impl Totals {
    /// Updates made so far.
    pub(crate) fn updates(&self) -> u64 {
        self.updates
    }

    /// Trunk rows whose forward pass the sampler had made.
    pub(crate) fn reused(&self) -> u64 {
        self.reused
    }

    /// The means over the updates.
    pub(crate) fn report(self, step: u64, version: WeightsVersion) -> StepReport {
        let tried = (self.updates + self.skipped).max(1) as f64;
        let mut metrics = Metrics::default();
        for (name, value) in self.stats.means() {
            metrics.set(name, value);
        }
        metrics.set("loss", self.loss / tried);
        metrics.set("grad_norm", self.grad_norm / tried);
        metrics.set("learning_rate", self.lr / tried);
        metrics.set("learner/rows", self.rows as f64);
        metrics.set("time/optimizer", self.optimizer_s);
        metrics.set("learner/skipped", self.skipped as f64);
        StepReport { step, version: version + self.updates, skipped: self.skipped, updates: self.updates, metrics }
    }
}

/// Optimizer, schedule and the count of what failed.
#[derive(Debug)]
pub(crate) struct Updater {
    optimizer: Optimizer,
    schedule: Schedule,
    max_skips: u64,
    attempts: u64,
    skipped_in_a_row: u64,
}

impl Updater {
    /// Before the first update.
    pub(crate) fn new<H: Head>(model: &Model<H>, config: &LearnerConfig) -> Self {
        let optimizer = Optimizer::new(model, config.optimizer);
        Self { optimizer, schedule: config.schedule, max_skips: config.max_skips, attempts: 0, skipped_in_a_row: 0 }
    }

    /// Updates tried so far.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    pub(crate) fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    pub(crate) fn state(&self) -> LearnerState {
        LearnerState { optimizer: self.optimizer.state(), attempts: self.attempts, skipped_in_a_row: self.skipped_in_a_row }
    }

    /// Takes the state of a checkpoint back.
    pub(crate) fn restore<H: Head>(&mut self, model: &Model<H>, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.optimizer.read(model, moments, state.optimizer)?;
        self.attempts = state.attempts;
        self.skipped_in_a_row = state.skipped_in_a_row;
        Ok(())
    }

    /// Makes the update of the gradient that was accumulated. If loss or gradient is not finite it is skipped, nothing changes, and `false`
    /// comes back.
    pub(crate) fn update<H: Head>(&mut self, model: &Model<H>, passed: &Passed, totals: &mut Totals) -> Result<bool, LearnerError> {
        let loss = passed.loss;
        let grad_norm = self.optimizer.grad_norm(model)?;
        let lr = self.schedule.at(self.attempts);
        self.attempts += 1;
        if !(loss.is_finite() && grad_norm.is_finite()) {
            self.optimizer.clear(model)?;
            totals.skipped += 1;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= self.max_skips.max(1) {
                let what = format!("loss {loss}, gradient norm {grad_norm}");
                return Err(LearnerError::NotFinite { count: self.skipped_in_a_row, what });
            }
            return Ok(false);
        }
        let start = Instant::now();
        tracing::trace_span!("optimizer").in_scope(|| self.optimizer.step(model, lr, grad_norm))?;
        totals.optimizer_s += start.elapsed().as_secs_f64();
        self.skipped_in_a_row = 0;
        totals.stats.add(&passed.stats);
        totals.loss += loss;
        totals.grad_norm += grad_norm;
        totals.lr += lr;
        totals.rows += passed.rows;
        totals.reused += passed.reused;
        totals.updates += 1;
        Ok(true)
    }
}
