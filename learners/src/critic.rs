//! The critic's learner: another model with a scalar head, its own optimizer and schedule, its own loss.

use std::time::Instant;

use collimate_algorithms::{CriticLeaves, CriticLoss, Denominators, Stats};
use collimate_models::{ScoreModel, Tape, TensorFile};
use collimate_types::{CreditedBatch, CreditedGroup, Metrics};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{LearnerError, LearnerState, MicroBatch, Optimizer, OptimizerConfig, Schedule, micro_batches, policy::denominators};

/// How a critic learns from a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CriticConfig {
    /// Flow steps at the start in which the critic alone learns.
    pub warmup_steps: u64,
    /// Passes over a batch.
    pub epochs: u32,
    /// Optimizer updates a pass: the batch is cut into so many parts, between groups.
    pub minibatches: usize,
    /// Tokens of a forward and backward pass at most.
    pub micro_tokens: usize,
    /// Updates in a row that may fail to be finite before the run stops.
    pub max_skips: u64,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate.
    pub schedule: Schedule,
}

/// Updates a critic.
#[derive(Debug)]
pub struct CriticLearner {
    config: CriticConfig,
    optimizer: Optimizer,
    attempts: u64,
    skipped_in_a_row: u64,
}

/// Sums over the updates of one flow step.
#[derive(Default)]
struct Totals {
    stats: Stats,
    loss: f64,
    grad_norm: f64,
    lr: f64,
    updates: u64,
    skipped: u64,
}

impl CriticLearner {
    /// A learner before its first update.
    #[must_use]
    pub fn new(model: &ScoreModel, config: CriticConfig) -> Self {
        Self { config, optimizer: Optimizer::new(model, config.optimizer), attempts: 0, skipped_in_a_row: 0 }
    }

    /// Whether the policy rests in this flow step (counted from 1), because the critic is not warm yet.
    #[must_use]
    pub fn learns_alone(&self, step: u64) -> bool {
        step <= self.config.warmup_steps
    }

    /// The optimizer, to be saved.
    #[must_use]
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// The numbers to be saved.
    #[must_use]
    pub fn state(&self) -> LearnerState {
        LearnerState { optimizer: self.optimizer.state(), attempts: self.attempts, skipped_in_a_row: self.skipped_in_a_row }
    }

    /// Takes the state of a checkpoint back.
    ///
    /// # Errors
    /// When the stored moments belong to another model.
    pub fn restore(&mut self, model: &ScoreModel, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.optimizer.read(model, moments, state.optimizer)?;
        self.attempts = state.attempts;
        self.skipped_in_a_row = state.skipped_in_a_row;
        Ok(())
    }

    /// Makes all updates of a flow step and tells what they measured, under `critic/`.
    ///
    /// # Errors
    /// When rows carry no returns, the batch does not fit the model, or too many updates in a row were not finite.
    pub fn step(
        &mut self,
        model: &ScoreModel,
        loss: &dyn CriticLoss,
        batch: &CreditedBatch,
        tape: &mut Tape,
    ) -> Result<Metrics, LearnerError> {
        let _guard = tch::no_grad_guard();
        let mut totals = Totals::default();
        let part = batch.groups.len().div_ceil(self.config.minibatches.max(1)).max(1);
        for _ in 0..self.config.epochs.max(1) {
            for groups in batch.groups.chunks(part) {
                self.update(model, loss, groups, tape, &mut totals)?;
            }
        }
        let tried = (totals.updates + totals.skipped).max(1) as f64;
        let mut metrics = Metrics(totals.stats.means());
        metrics.set("critic/loss", totals.loss / tried);
        metrics.set("critic/grad_norm", totals.grad_norm / tried);
        metrics.set("critic/learning_rate", totals.lr / tried);
        metrics.set("critic/skipped", totals.skipped as f64);
        Ok(metrics)
    }

    /// One optimizer update; it is skipped, and nothing changes, if loss or gradient is not finite.
    fn update(
        &mut self,
        model: &ScoreModel,
        loss: &dyn CriticLoss,
        groups: &[CreditedGroup],
        tape: &mut Tape,
        totals: &mut Totals,
    ) -> Result<(), LearnerError> {
        let _span = tracing::trace_span!("critic_update").entered();
        let over = denominators(groups, 0);
        if over.tokens == 0.0 {
            return Ok(());
        }
        let budget = self.config.micro_tokens.min(tape.room(model)).max(1);
        let (mut sum, mut stats) = (0.0, Stats::default());
        for batch in micro_batches(groups, budget, model.kind())? {
            let (share, seen) = pass(model, loss, &batch, &over, tape)?;
            sum += share;
            stats.add(&seen);
        }
        let grad_norm = self.optimizer.grad_norm(model)?;
        let lr = self.config.schedule.at(self.attempts);
        self.attempts += 1;
        if !(sum.is_finite() && grad_norm.is_finite()) {
            self.optimizer.clear(model)?;
            totals.skipped += 1;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= self.config.max_skips.max(1) {
                let what = format!("the critic's loss {sum}, gradient norm {grad_norm}");
                return Err(LearnerError::NotFinite { count: self.skipped_in_a_row, what });
            }
            return Ok(());
        }
        let start = Instant::now();
        self.optimizer.step(model, lr, grad_norm)?;
        tracing::trace!(seconds = start.elapsed().as_secs_f64(), "critic optimizer");
        self.skipped_in_a_row = 0;
        totals.stats.add(&stats);
        totals.loss += sum;
        totals.grad_norm += grad_norm;
        totals.lr += lr;
        totals.updates += 1;
        Ok(())
    }
}

/// Forward and backward of a micro-batch: its share of the loss, and what was measured.
fn pass(
    model: &ScoreModel,
    loss: &dyn CriticLoss,
    batch: &MicroBatch,
    over: &Denominators,
    tape: &mut Tape,
) -> Result<(f64, Stats), LearnerError> {
    let MicroBatch { packed, critic, trained, rows, columns, .. } = batch;
    let Some(critic) = critic else { return Err(LearnerError::NoReturns) };
    let hidden = model.forward(packed, Some(tape))?.index_select(0, &packed.head_row_tensor());
    let leaves = packed.leaves_of_rows(&model.head().forward(&hidden));
    let values = packed.scatter(&leaves, *rows, *columns).detach().set_requires_grad(true);
    let leaves = CriticLeaves { values: &values, values_old: &critic.values, returns: &critic.returns, trained };
    let out = tch::with_grad(|| loss.loss(&leaves, over))?;
    let grad = Tensor::run_backward(&[&out.loss], &[&values], false, false).swap_remove(0);
    let dhidden = model.head().backward(&hidden, &packed.rows_of_leaves(&packed.gather(&grad)))?;
    model.backward(packed, tape, &dhidden)?;
    Ok((f64::try_from(out.loss.detach().to_kind(Kind::Double))?, out.stats))
}
