//! The critic's learner: another model with a scalar head, its own optimizer and schedule, its own loss.

use collimate_algorithms::{CriticLeaves, CriticLoss, Denominators};
use collimate_models::{ScalarHead, ScoreModel, Tape, TensorFile};
use collimate_types::{CreditedBatch, CreditedGroup, Metrics};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::policy::denominators;
use crate::update::{Passed, Totals, Updater};
use crate::{LearnerConfig, LearnerError, LearnerState, MicroBatch, Optimizer, Readout, micro_batches};

/// How a critic learns from a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CriticConfig {
    /// Flow steps at the start in which the critic alone learns.
    pub warmup_steps: u64,
    /// As of any learner.
    pub learner: LearnerConfig,
}

/// Updates a critic.
#[derive(Debug)]
pub struct CriticLearner {
    config: CriticConfig,
    updater: Updater,
}

/// What a learner measures of itself, and the name that a critic has for it.
const OWN: [(&str, &str); 4] = [
    ("loss", "critic/loss"),
    ("grad_norm", "critic/grad_norm"),
    ("learning_rate", "critic/learning_rate"),
    ("learner/skipped", "critic/skipped"),
];

impl CriticLearner {
    /// A learner before its first update.
    #[must_use]
    pub fn new(model: &ScoreModel, config: CriticConfig) -> Self {
        Self { config, updater: Updater::new(model, &config.learner) }
    }

    /// Whether the policy rests in this flow step (counted from 1), because the critic is not warm yet.
    #[must_use]
    pub fn learns_alone(&self, step: u64) -> bool {
        step <= self.config.warmup_steps
    }

    /// The optimizer, to be saved.
    #[must_use]
    pub fn optimizer(&self) -> &Optimizer {
        self.updater.optimizer()
    }

    /// The numbers to be saved.
    #[must_use]
    pub fn state(&self) -> LearnerState {
        self.updater.state()
    }

    /// Takes the state of a checkpoint back.
    ///
    /// # Errors
    /// When the stored moments belong to another model.
    pub fn restore(&mut self, model: &ScoreModel, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.updater.restore(model, moments, state)
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
        let LearnerConfig { epochs, minibatches, .. } = self.config.learner;
        let mut totals = Totals::default();
        let part = batch.groups.len().div_ceil(minibatches.max(1)).max(1);
        for _ in 0..epochs.max(1) {
            for groups in batch.groups.chunks(part) {
                self.update(model, loss, groups, tape, &mut totals)?;
            }
        }
        let measured = totals.report(0, 0).metrics;
        let mut metrics = Metrics::default();
        for (name, value) in &measured.0 {
            let own = OWN.iter().find(|(own, _)| own == name).map(|(_, critics)| *critics);
            if let Some(name) = own.or_else(|| name.strip_prefix("critic/").map(|_| name.as_str())) {
                metrics.set(name, *value);
            }
        }
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
        let over = denominators(groups, self.config.learner.max_new_tokens);
        if over.tokens == 0.0 {
            return Ok(());
        }
        // What is run forward must leave all it needs on the tape, if a single row does.
        let budget = self.config.learner.micro_tokens.min(tape.room(model)).max(1);
        let mut passed = Passed::default();
        for batch in micro_batches(groups, budget, model.kind())? {
            pass(model, loss, &batch, &over, tape, &mut passed)?;
        }
        self.updater.update(model, &passed, totals)?;
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
    passed: &mut Passed,
) -> Result<(), LearnerError> {
    let MicroBatch { packed, critic, trained, rows, columns, .. } = batch;
    let Some(critic) = critic else { return Err(LearnerError::NoReturns) };
    let (leaves, kept) = ScalarHead::read(model, packed, Some(tape))?;
    let values = packed.scatter(&leaves, *rows, *columns).detach().set_requires_grad(true);
    let leaves = CriticLeaves { values: &values, values_old: &critic.values, returns: &critic.returns, trained };
    let out = tch::with_grad(|| loss.loss(&leaves, over))?;
    let grad = Tensor::run_backward(&[&out.loss], &[&values], false, false).swap_remove(0);
    ScalarHead::learn(model, packed, tape, &kept, &packed.gather(&grad))?;
    passed.loss += f64::try_from(out.loss.detach().to_kind(Kind::Double))?;
    passed.stats.add(&out.stats);
    passed.rows += packed.rows() as u64;
    Ok(())
}
