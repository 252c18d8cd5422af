//! The policy's learner: from a credited batch to updated weights.

use collimate_algorithms::{Algorithm, Denominators, Leaves, LossOutput, Stats};
use collimate_models::{HeadLeaves, HeadPass, LeafGrads, Model, Tape, TensorFile};
use collimate_types::{CreditedBatch, CreditedGroup, Metrics, StepReport, WeightsVersion};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{LearnerError, MicroBatch, Optimizer, OptimizerConfig, OptimizerState, Schedule, micro_batches};

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

/// Updates a policy. Buffers are kept from step to step.
#[derive(Debug)]
pub struct PolicyLearner {
    config: LearnerConfig,
    optimizer: Optimizer,
    attempts: u64,
    skipped_in_a_row: u64,
    tape: Tape,
}

/// Sums over the updates of one flow step.
#[derive(Default)]
struct Totals {
    stats: Stats,
    loss: f64,
    grad_norm: f64,
    lr: f64,
    tokens: u64,
    updates: u64,
    skipped: u64,
    optimizer_s: f64,
}

impl PolicyLearner {
    /// A learner before its first update.
    #[must_use]
    pub fn new(model: &Model, config: LearnerConfig) -> Self {
        Self { config, optimizer: Optimizer::new(model, config.optimizer), attempts: 0, skipped_in_a_row: 0, tape: Tape::new() }
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
    pub fn restore(&mut self, model: &Model, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.optimizer.read(model, moments, state.optimizer)?;
        self.attempts = state.attempts;
        self.skipped_in_a_row = state.skipped_in_a_row;
        Ok(())
    }

    /// Makes all updates of a flow step.
    ///
    /// # Errors
    /// When there is nothing to learn from, the batch does not fit the model, or too many updates in a row were not finite.
    pub fn step(
        &mut self,
        model: &Model,
        algorithm: &dyn Algorithm,
        batch: &CreditedBatch,
        (step, version): (u64, WeightsVersion),
    ) -> Result<StepReport, LearnerError> {
        let _guard = tch::no_grad_guard();
        if batch.trained_tokens() == 0 {
            return Err(LearnerError::Empty);
        }
        let mut totals = Totals::default();
        let part = batch.groups.len().div_ceil(self.config.minibatches.max(1)).max(1);
        for _ in 0..self.config.epochs.max(1) {
            for groups in batch.groups.chunks(part) {
                self.update(model, algorithm, (groups, batch.temperature), &mut totals)?;
            }
        }
        let tried = (totals.updates + totals.skipped).max(1) as f64;
        let mut metrics = Metrics::default();
        for (name, value) in totals.stats.means() {
            metrics.set(name, value);
        }
        metrics.set("loss", totals.loss / tried);
        metrics.set("grad_norm", totals.grad_norm / tried);
        metrics.set("learning_rate", totals.lr / tried);
        metrics.set("learner/rows", totals.tokens as f64);
        metrics.set("time/optimizer", totals.optimizer_s);
        metrics.set("learner/skipped", totals.skipped as f64);
        Ok(StepReport { step, version: version + totals.updates, skipped: totals.skipped, updates: totals.updates, metrics })
    }

    /// One optimizer update; it is skipped, and nothing changes, if loss or gradient is not finite.
    fn update(
        &mut self,
        model: &Model,
        algorithm: &dyn Algorithm,
        (groups, temperature): (&[CreditedGroup], f64),
        totals: &mut Totals,
    ) -> Result<(), LearnerError> {
        let denominators = denominators(groups, self.config.max_new_tokens);
        if denominators.tokens == 0.0 {
            return Ok(());
        }
        // Exact: the denominators are the whole batch's, and groups without credit add nothing but zeros.
        let live: Vec<CreditedGroup> = groups.iter().filter(|g| !algorithm.needs().credit_only || has_credit(g)).cloned().collect();
        let micro = micro_batches(&live, self.config.micro_tokens, model.kind())?;
        let mut pass = Pass { model, algorithm, denominators: &denominators, temperature, tape: &mut self.tape };
        let (loss, stats) = if algorithm.needs().whole_batch { pass.whole(&micro)? } else { pass.one_by_one(&micro)? };
        let grad_norm = self.optimizer.grad_norm(model)?;
        let lr = self.config.schedule.at(self.attempts);
        self.attempts += 1;
        if !(loss.is_finite() && grad_norm.is_finite()) {
            self.optimizer.clear(model)?;
            totals.skipped += 1;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= self.config.max_skips.max(1) {
                let what = format!("loss {loss}, gradient norm {grad_norm}");
                return Err(LearnerError::NotFinite { count: self.skipped_in_a_row, what });
            }
            return Ok(());
        }
        let start = std::time::Instant::now();
        self.optimizer.step(model, lr, grad_norm)?;
        totals.optimizer_s += start.elapsed().as_secs_f64();
        self.skipped_in_a_row = 0;
        totals.stats.add(&stats);
        totals.loss += loss;
        totals.grad_norm += grad_norm;
        totals.lr += lr;
        totals.tokens += micro.iter().map(|m| m.packed.rows() as u64).sum::<u64>();
        totals.updates += 1;
        Ok(())
    }
}

/// Whether a token of the group has credit.
fn has_credit(group: &CreditedGroup) -> bool {
    group.rows.iter().any(|r| r.advantage.iter().zip(&r.trained).any(|(a, trained)| *trained && *a != 0.0))
}

fn denominators(groups: &[CreditedGroup], max_new_tokens: usize) -> Denominators {
    let rows = || groups.iter().flat_map(|g| &g.rows);
    let trained = |r: &&collimate_types::CreditedRow| r.trained.iter().any(|t| *t);
    Denominators {
        tokens: rows().flat_map(|r| &r.trained).filter(|t| **t).count() as f64,
        rows: rows().filter(trained).count() as f64,
        groups: groups.iter().filter(|g| g.rows.iter().any(|r| trained(&r))).count() as f64,
        max_new_tokens: max_new_tokens as f64,
    }
}

/// Forward and backward over the micro-batches of one update.
struct Pass<'a> {
    model: &'a Model,
    algorithm: &'a dyn Algorithm,
    denominators: &'a Denominators,
    temperature: f64,
    tape: &'a mut Tape,
}

impl Pass<'_> {
    /// The loss is a sum over micro-batches: each is run forward once and backward at once.
    fn one_by_one(&mut self, micro: &[MicroBatch]) -> Result<(f64, Stats), LearnerError> {
        let (mut loss, mut stats) = (0.0, Stats::default());
        for batch in micro {
            let (hidden, leaves, head) = self.forward(batch, true)?;
            let (logp, entropy) = grids(batch, &head);
            let out = self.loss(batch, &logp, entropy.as_ref())?;
            let grads = gradients(&out, &logp, entropy.as_ref());
            loss += f64::try_from(out.policy.detach().to_kind(Kind::Double))?;
            stats.add(&out.stats);
            self.backward(batch, (&hidden, &leaves, &head), &grads)?;
        }
        Ok((loss, stats))
    }

    /// The loss couples micro-batches: leaves of all come first, then each trunk is run again for its gradient.
    fn whole(&mut self, micro: &[MicroBatch]) -> Result<(f64, Stats), LearnerError> {
        if micro.is_empty() {
            return Ok((0.0, Stats::default()));
        }
        let mut grids_of = Vec::with_capacity(micro.len());
        for batch in micro {
            let (_, _, head) = self.forward(batch, false)?;
            grids_of.push(grids(batch, &head));
        }
        let joined = Joined::new(micro, &grids_of);
        let out = tch::with_grad(|| self.algorithm.loss(&joined.leaves(), self.denominators))?;
        let grads = gradients(&out, &joined.logp, joined.entropy.as_ref());
        let mut row = 0;
        for batch in micro {
            let (hidden, leaves, head) = self.forward(batch, true)?;
            let cut = |t: &Tensor| t.narrow(0, row, batch.rows as i64).narrow(1, 0, batch.columns as i64);
            let part: Vec<Tensor> = grads.iter().map(cut).collect();
            self.backward(batch, (&hidden, &leaves, &head), &part)?;
            row += batch.rows as i64;
        }
        Ok((f64::try_from(out.policy.detach().to_kind(Kind::Double))?, out.stats))
    }

    fn forward(&mut self, batch: &MicroBatch, keep: bool) -> Result<(Tensor, HeadLeaves, HeadPass), LearnerError> {
        self.tape.clear();
        let hidden = self.model.forward(&batch.packed, keep.then_some(&mut *self.tape))?;
        let rows = hidden.index_select(0, &batch.packed.head_row_tensor());
        let leaves = HeadLeaves::new(&batch.packed, self.temperature);
        let pass = self.model.head().forward(self.model.embedding(), &rows, &leaves, self.algorithm.needs().entropy);
        Ok((rows, leaves, pass))
    }

    fn loss(&self, batch: &MicroBatch, logp: &Tensor, entropy: Option<&Tensor>) -> Result<LossOutput, LearnerError> {
        let leaves = Leaves {
            logp,
            logp_old: &batch.logp_old,
            logp_ref: batch.logp_ref.as_ref(),
            logp_behaviour: None,
            entropy,
            full_kl: None,
            advantage: &batch.advantage,
            trained: &batch.trained,
        };
        Ok(tch::with_grad(|| self.algorithm.loss(&leaves, self.denominators))?)
    }

    fn backward(&mut self, batch: &MicroBatch, kept: (&Tensor, &HeadLeaves, &HeadPass), grads: &[Tensor]) -> Result<(), LearnerError> {
        let (hidden, leaves, head) = kept;
        let logp = batch.packed.gather(&grads[0]);
        let entropy = grads.get(1).map(|g| batch.packed.gather(g));
        let dhead =
            self.model.head().backward(self.model.embedding(), hidden, leaves, head, LeafGrads { logp: &logp, entropy: entropy.as_ref() });
        Ok(self.model.backward(&batch.packed, self.tape, &dhead)?)
    }
}

/// The leaves as `[B, T]`, ready for a gradient.
fn grids(batch: &MicroBatch, head: &HeadPass) -> (Tensor, Option<Tensor>) {
    let grid = |t: &Tensor| batch.packed.scatter(t, batch.rows, batch.columns).set_requires_grad(true);
    (grid(&head.logp), head.entropy.as_ref().map(grid))
}

/// dL/dlogp, and dL/dentropy if there is one.
fn gradients(out: &LossOutput, logp: &Tensor, entropy: Option<&Tensor>) -> Vec<Tensor> {
    let inputs: Vec<&Tensor> = std::iter::once(logp).chain(entropy).collect();
    // A loss may look at the entropy without a term in it; adding zero times each leaf keeps every gradient defined.
    let scalar = tch::with_grad(|| inputs.iter().fold(out.policy.shallow_clone(), |sum, leaf| sum + (*leaf * 0.0).sum(leaf.kind())));
    Tensor::run_backward(&[scalar], &inputs, false, false)
}

/// All micro-batches of an update as one grid.
struct Joined {
    logp: Tensor,
    entropy: Option<Tensor>,
    logp_old: Tensor,
    logp_ref: Option<Tensor>,
    advantage: Tensor,
    trained: Tensor,
}

impl Joined {
    fn new(micro: &[MicroBatch], grids: &[(Tensor, Option<Tensor>)]) -> Self {
        let columns = micro.iter().map(|m| m.columns).max().unwrap_or(0) as i64;
        let join = |parts: Vec<&Tensor>| {
            let pad = |t: &&Tensor| t.detach().constant_pad_nd([0, columns - t.size()[1]]);
            Tensor::cat(&parts.iter().map(pad).collect::<Vec<_>>(), 0)
        };
        let optional = |parts: Vec<Option<&Tensor>>| parts.into_iter().collect::<Option<Vec<_>>>().map(join);
        Self {
            logp: join(grids.iter().map(|g| &g.0).collect()).set_requires_grad(true),
            entropy: optional(grids.iter().map(|g| g.1.as_ref()).collect()).map(|e| e.set_requires_grad(true)),
            logp_old: join(micro.iter().map(|m| &m.logp_old).collect()),
            logp_ref: optional(micro.iter().map(|m| m.logp_ref.as_ref()).collect()),
            advantage: join(micro.iter().map(|m| &m.advantage).collect()),
            trained: join(micro.iter().map(|m| &m.trained).collect()),
        }
    }

    fn leaves(&self) -> Leaves<'_> {
        Leaves {
            logp: &self.logp,
            logp_old: &self.logp_old,
            logp_ref: self.logp_ref.as_ref(),
            logp_behaviour: None,
            entropy: self.entropy.as_ref(),
            full_kl: None,
            advantage: &self.advantage,
            trained: &self.trained,
        }
    }
}
