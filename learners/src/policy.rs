//! The policy's learner: from a credited batch to updated weights.

use collimate_algorithms::{Algorithm, Denominators, Leaves, LossOutput, Stats};
use collimate_models::{AdapterMode, Against, Found, HeadLeaves, HeadPass, LeafGrads, Model, Recording, TensorFile};
use collimate_types::{CreditedBatch, CreditedGroup, StepReport, WeightsVersion};
use tch::{Kind, Tensor};

use crate::readout::VocabPass;
use crate::update::{Passed, Totals, Updater};
use crate::{LearnerConfig, LearnerError, LearnerState, MicroBatch, Optimizer, micro_batches};

/// Updates a policy. Buffers are kept from step to step.
#[derive(Debug)]
pub struct PolicyLearner {
    config: LearnerConfig,
    updater: Updater,
}

impl PolicyLearner {
    /// A learner before its first update.
    #[must_use]
    pub fn new(model: &Model, config: LearnerConfig) -> Self {
        Self { config, updater: Updater::new(model, &config) }
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
    pub fn restore(&mut self, model: &Model, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.updater.restore(model, moments, state)
    }

    /// Makes all updates of a flow step.
    ///
    /// Groups that `recording` holds, sampled by these very weights, start at their backward pass in the first update; all others are run
    /// forward first, on the recording's tape. Both give the same gradient. `reference` is asked for where the algorithm needs the KL over the
    /// vocabulary.
    ///
    /// # Errors
    /// When there is nothing to learn from, the batch does not fit the model, or too many updates in a row were not finite.
    pub fn step(
        &mut self,
        (model, reference): (&Model, Option<&Model>),
        algorithm: &dyn Algorithm,
        batch: &CreditedBatch,
        (step, version): (u64, WeightsVersion),
        recording: &mut Recording,
    ) -> Result<StepReport, LearnerError> {
        let _guard = tch::no_grad_guard();
        if batch.trained_tokens() == 0 {
            return Err(LearnerError::Empty);
        }
        let mut totals = Totals::default();
        let part = batch.groups.len().div_ceil(self.config.minibatches.max(1)).max(1);
        for _ in 0..self.config.epochs.max(1) {
            for groups in batch.groups.chunks(part) {
                // After an update the weights are no longer those that sampled.
                let at = (totals.updates() == 0).then_some(version);
                self.update((model, reference), algorithm, (groups, batch.temperature, at), recording, &mut totals)?;
            }
        }
        let reused = totals.reused();
        let mut report = totals.report(step, version);
        report.metrics.set("learner/rows_reused", reused as f64);
        Ok(report)
    }

    /// One optimizer update; it is skipped, and nothing changes, if loss or gradient is not finite.
    fn update(
        &mut self,
        (model, reference): (&Model, Option<&Model>),
        algorithm: &dyn Algorithm,
        (groups, temperature, sampled_by): (&[CreditedGroup], f64, Option<WeightsVersion>),
        recording: &mut Recording,
        totals: &mut Totals,
    ) -> Result<(), LearnerError> {
        let _span = tracing::trace_span!("update").entered();
        let denominators = denominators(groups, self.config.max_new_tokens);
        if denominators.tokens == 0.0 {
            return Ok(());
        }
        // Exact: the denominators are the whole batch's, and groups without credit add nothing but zeros.
        let live: Vec<CreditedGroup> = groups.iter().filter(|g| !algorithm.needs().credit_only || has_credit(g)).cloned().collect();
        // The sampler draws without dropout: where a training pass has some, no row of it was computed before.
        let mode = model.training_mode(self.updater.attempts());
        let sampled_by = sampled_by.filter(|_| mode == AdapterMode::On);
        let micro = cut(model, &live, self.config.micro_tokens, (sampled_by, temperature), recording)?;
        let reference = reference.filter(|_| algorithm.needs().full_kl);
        let mut pass = Pass { model, reference, algorithm, denominators: &denominators, temperature, recording };
        let run = || if algorithm.needs().whole_batch { pass.whole(&micro) } else { pass.one_by_one(&micro) };
        let (loss, stats) = model.with_adapters(mode, run)?;
        let rows = |of: &mut dyn Iterator<Item = &Cut>| of.map(|(m, _)| m.packed.rows() as u64).sum();
        let reused = rows(&mut micro.iter().filter(|(_, found)| found.is_some()));
        let passed = Passed { loss, stats, rows: rows(&mut micro.iter()), reused };
        self.updater.update(model, &passed, totals)?;
        Ok(())
    }
}

/// Whether a token of the group has credit.
fn has_credit(group: &CreditedGroup) -> bool {
    group.rows.iter().any(|r| r.advantage.iter().zip(&r.trained).any(|(a, trained)| *trained && *a != 0.0))
}

pub(crate) fn denominators(groups: &[CreditedGroup], max_new_tokens: usize) -> Denominators {
    let rows = || groups.iter().flat_map(|g| &g.rows);
    let trained = |r: &&collimate_types::CreditedRow| r.trained.iter().any(|t| *t);
    Denominators {
        tokens: rows().flat_map(|r| &r.trained).filter(|t| **t).count() as f64,
        rows: rows().filter(trained).count() as f64,
        groups: groups.iter().filter(|g| g.rows.iter().any(|r| trained(&r))).count() as f64,
        max_new_tokens: max_new_tokens as f64,
    }
}

/// A micro-batch, and where the sampler's activations of its rows are if they were kept.
type Cut = (MicroBatch, Option<Found>);

/// Cuts groups into micro-batches: those that are recorded first, so that the others may then use their buffers.
fn cut(
    model: &Model,
    groups: &[CreditedGroup],
    budget: usize,
    (sampled_by, temperature): (Option<WeightsVersion>, f64),
    recording: &Recording,
) -> Result<Vec<Cut>, LearnerError> {
    let find = |g: &CreditedGroup| {
        let version = sampled_by.filter(|v| g.rows.iter().all(|r| r.version == *v))?;
        let rows: Vec<&[u32]> = g.rows.iter().map(|r| r.tokens.as_slice()).collect();
        recording.find(version, temperature, &g.prompt.tokens, &rows)
    };
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    for group in groups {
        if find(group).is_some() { kept.push(group.clone()) } else { others.push(group.clone()) }
    }
    let mut all = Vec::new();
    for batch in micro_batches(&kept, budget, model.kind())? {
        let parts: Vec<Found> = batch.groups.iter().filter_map(find).collect();
        let found = Found::join(&parts, batch.packed.root);
        all.push((batch, Some(found)));
    }
    // What is run forward must leave all it needs on the tape, if a single row does.
    let budget = budget.min(recording.room(model)).max(1);
    all.extend(micro_batches(&others, budget, model.kind())?.into_iter().map(|b| (b, None)));
    Ok(all)
}

/// Forward and backward over the micro-batches of one update.
struct Pass<'a> {
    model: &'a Model,
    /// Asked for its whole law at each leaf, if it is there.
    reference: Option<&'a Model>,
    algorithm: &'a dyn Algorithm,
    denominators: &'a Denominators,
    temperature: f64,
    recording: &'a mut Recording,
}

impl Pass<'_> {
    /// The loss is a sum over micro-batches: each is run forward once and backward at once.
    fn one_by_one(&mut self, micro: &[Cut]) -> Result<(f64, Stats), LearnerError> {
        let (mut loss, mut stats) = (0.0, Stats::default());
        for cut in micro {
            let forward = self.forward(cut, true)?;
            let grid = Grid::of(&cut.0, &forward);
            let out = self.loss(&cut.0, &grid)?;
            let grads = gradients(&out, &grid);
            loss += f64::try_from(out.policy.detach().to_kind(Kind::Double))?;
            stats.add(&out.stats);
            self.backward(cut, &forward, &grads)?;
        }
        Ok((loss, stats))
    }

    /// The loss couples micro-batches: leaves of all come first, then each trunk is run again for its gradient.
    fn whole(&mut self, micro: &[Cut]) -> Result<(f64, Stats), LearnerError> {
        if micro.is_empty() {
            return Ok((0.0, Stats::default()));
        }
        let mut grids_of = Vec::with_capacity(micro.len());
        for cut in micro {
            grids_of.push(Grid::of(&cut.0, &self.forward(cut, false)?));
        }
        let joined = Joined::new(micro, &grids_of);
        let out = tch::with_grad(|| self.algorithm.loss(&joined.leaves(), self.denominators))?;
        let grads = gradients(&out, &joined.grid);
        let mut row = 0;
        for cut in micro {
            let forward = self.forward(cut, true)?;
            let of = |t: &Tensor| t.narrow(0, row, cut.0.rows as i64).narrow(1, 0, cut.0.columns as i64);
            let part: Vec<Tensor> = grads.iter().map(of).collect();
            self.backward(cut, &forward, &part)?;
            row += cut.0.rows as i64;
        }
        Ok((f64::try_from(out.policy.detach().to_kind(Kind::Double))?, out.stats))
    }

    fn forward(&mut self, cut: &Cut, keep: bool) -> Result<Forward, LearnerError> {
        let pass = self.policy(cut, keep)?;
        let Some(reference) = self.reference else { return Ok(Forward { pass, reference: None, kl: None }) };
        let packed = &cut.0.packed;
        let hidden = reference.with_adapters(AdapterMode::Start, || reference.forward(packed, None))?;
        let hidden = hidden.index_select(0, &packed.head_row_tensor());
        let kl = self.model.head().divergence(self.model.embedding(), &pass.hidden, &pass.leaves, against(reference, &hidden));
        Ok(Forward { pass, reference: Some(hidden), kl: Some(kl) })
    }

    /// The policy's own forward pass.
    fn policy(&mut self, (batch, found): &Cut, keep: bool) -> Result<VocabPass, LearnerError> {
        let entropy = self.algorithm.needs().entropy;
        if let Some(found) = found {
            let leaves = HeadLeaves::new(&batch.packed, self.temperature);
            let hidden = self.recording.hidden(&Tensor::from_slice(&heads(batch, found)));
            // The sampler's log-probabilities are the first pass, on the same weights.
            let head = if entropy {
                VocabPass::first_pass(self.model, &hidden, &leaves, true)
            } else {
                HeadPass::known(batch.packed.gather(&batch.logp_old))
            };
            return Ok(VocabPass { hidden, leaves, head });
        }
        let tape = if keep { Some(self.recording.tape()) } else { None };
        Ok(VocabPass::forward(self.model, &batch.packed, tape, (self.temperature, entropy))?)
    }

    fn loss(&self, batch: &MicroBatch, grid: &Grid) -> Result<LossOutput, LearnerError> {
        let leaves = Leaves {
            logp: &grid.logp,
            logp_old: &batch.logp_old,
            logp_ref: batch.logp_ref.as_ref(),
            logp_behaviour: Some(&batch.logp_behaviour),
            entropy: grid.entropy.as_ref(),
            full_kl: grid.kl.as_ref(),
            advantage: &batch.advantage,
            trained: &batch.trained,
        };
        Ok(tch::with_grad(|| self.algorithm.loss(&leaves, self.denominators))?)
    }

    fn backward(&mut self, (batch, found): &Cut, forward: &Forward, grads: &[Tensor]) -> Result<(), LearnerError> {
        let (model, packed, pass) = (self.model, &batch.packed, &forward.pass);
        let mut leaves = grads.iter().map(|g| packed.gather(g));
        let logp = leaves.next().unwrap_or_else(|| pass.head.logp.zeros_like());
        let entropy = if pass.head.entropy.is_some() { leaves.next() } else { None };
        let of_kl = match (self.reference, &forward.reference, leaves.next()) {
            (Some(reference), Some(hidden), Some(grads)) => {
                let against = against(reference, hidden);
                Some(model.head().divergence_backward(model.embedding(), &pass.hidden, &pass.leaves, against, &grads))
            }
            _ => None,
        };
        let with_kl = |dhead: Tensor| of_kl.as_ref().map_or_else(|| dhead.shallow_clone(), |kl| &dhead + kl);
        let grads = LeafGrads { logp: &logp, entropy: entropy.as_ref() };
        let Some(found) = found else {
            return Ok(model.backward(packed, self.recording.tape(), &with_kl(pass.head_backward(model, grads)))?);
        };
        let dhead = if entropy.is_none() {
            let VocabPass { hidden, leaves, .. } = pass;
            let kept = (&*self.recording, heads(batch, found));
            tracing::trace_span!("head_backward")
                .in_scope(|| model.head().backward_recorded(model.embedding(), hidden, leaves, (kept.0, &kept.1), &logp))
        } else {
            pass.head_backward(model, grads)
        };
        Ok(model.backward_recorded(packed, self.recording, &found.rows, &with_kl(dhead))?)
    }
}

/// The recording's head rows of a micro-batch's head rows.
fn heads(batch: &MicroBatch, found: &Found) -> Vec<i64> {
    batch.packed.head_rows.iter().map(|row| found.heads[*row as usize]).collect()
}

fn against<'a>(reference: &'a Model, hidden: &'a Tensor) -> Against<'a> {
    Against { head: reference.head(), embedding: reference.embedding(), hidden }
}

/// The forward pass of a micro-batch.
struct Forward {
    pass: VocabPass,
    /// The reference's hidden states of the head's rows, and `[L]` the KL to its law.
    reference: Option<Tensor>,
    kl: Option<Tensor>,
}

/// The leaves that carry a gradient, as `[B, T]`.
struct Grid {
    logp: Tensor,
    entropy: Option<Tensor>,
    kl: Option<Tensor>,
}

impl Grid {
    fn of(batch: &MicroBatch, forward: &Forward) -> Self {
        let grid = |t: &Tensor| batch.packed.scatter(t, batch.rows, batch.columns).set_requires_grad(true);
        let head = &forward.pass.head;
        Self { logp: grid(&head.logp), entropy: head.entropy.as_ref().map(grid), kl: forward.kl.as_ref().map(grid) }
    }
}

/// dL/dlogp, and dL/dentropy and dL/dKL if there are such leaves.
fn gradients(out: &LossOutput, grid: &Grid) -> Vec<Tensor> {
    let inputs: Vec<&Tensor> = std::iter::once(&grid.logp).chain(&grid.entropy).chain(&grid.kl).collect();
    // A loss may look at the entropy without a term in it; adding zero times each leaf keeps every gradient defined.
    let scalar = tch::with_grad(|| inputs.iter().fold(out.policy.shallow_clone(), |sum, leaf| sum + (*leaf * 0.0).sum(leaf.kind())));
    Tensor::run_backward(&[scalar], &inputs, false, false)
}

/// All micro-batches of an update as one grid.
struct Joined {
    grid: Grid,
    logp_old: Tensor,
    logp_ref: Option<Tensor>,
    logp_behaviour: Tensor,
    advantage: Tensor,
    trained: Tensor,
}

impl Joined {
    fn new(micro: &[Cut], grids: &[Grid]) -> Self {
        let micro = || micro.iter().map(|(m, _)| m);
        let columns = micro().map(|m| m.columns).max().unwrap_or(0) as i64;
        let join = |parts: Vec<&Tensor>| {
            let pad = |t: &&Tensor| t.detach().constant_pad_nd([0, columns - t.size()[1]]);
            Tensor::cat(&parts.iter().map(pad).collect::<Vec<_>>(), 0)
        };
        let optional = |parts: Vec<Option<&Tensor>>| parts.into_iter().collect::<Option<Vec<_>>>().map(join);
        Self {
            grid: Grid {
                logp: join(grids.iter().map(|g| &g.logp).collect()).set_requires_grad(true),
                entropy: optional(grids.iter().map(|g| g.entropy.as_ref()).collect()).map(|e| e.set_requires_grad(true)),
                kl: optional(grids.iter().map(|g| g.kl.as_ref()).collect()).map(|k| k.set_requires_grad(true)),
            },
            logp_old: join(micro().map(|m| &m.logp_old).collect()),
            logp_ref: optional(micro().map(|m| m.logp_ref.as_ref()).collect()),
            logp_behaviour: join(micro().map(|m| &m.logp_behaviour).collect()),
            advantage: join(micro().map(|m| &m.advantage).collect()),
            trained: join(micro().map(|m| &m.trained).collect()),
        }
    }

    fn leaves(&self) -> Leaves<'_> {
        Leaves {
            logp: &self.grid.logp,
            logp_old: &self.logp_old,
            logp_ref: self.logp_ref.as_ref(),
            logp_behaviour: Some(&self.logp_behaviour),
            entropy: self.grid.entropy.as_ref(),
            full_kl: self.grid.kl.as_ref(),
            advantage: &self.advantage,
            trained: &self.trained,
        }
    }
}
