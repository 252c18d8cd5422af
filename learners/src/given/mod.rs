//! Learning from given data: one learner for demonstrations, pairs, labelled answers and comparisons.
//!
//! ```text
//! rows (prompt, its answers, a label) ── blocks ──► Packed ── Readout ──► [B, T] grid ── Lesson::leaves ──► Objective::loss
//! ```
//!
//! A prompt is computed once for all its answers, nothing is padded, and only trained tokens have a leaf. A kind of data is one file: what
//! its grid means as leaves, and what its loss is divided by.

mod batch;
mod comparisons;
mod demonstrations;
mod labelled;
mod pairs;
mod reference;

pub use batch::Grid;
pub use comparisons::Preferred;
pub use reference::reference;

use collimate_algorithms::{AlgoState, AlgorithmError, Data, Objective, Stats};
use collimate_models::{Block, Model, Suffix, Tape, TensorFile};
use collimate_types::{StepReport, TokenId, WeightsVersion};
use tch::{Kind, Tensor};

use crate::readout::Readout;
use crate::update::{Passed, Totals, Updater};
use crate::{LearnerConfig, LearnerError, LearnerState, Optimizer};
use batch::{Batch, cut, joined};

/// Tokens that continue a prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GivenAnswer {
    /// The tokens, at least one.
    pub tokens: Vec<TokenId>,
    /// Which of them are learnt from, `[T]`.
    pub trained: Vec<bool>,
    /// `Σ log π_ref` over the trained tokens, if the objective needs a reference.
    pub logp_ref: Option<f64>,
}

/// One row of given data as tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenRow<L = ()> {
    /// What stands before the answers; empty for a text that is learnt as a whole, whose first token is then not trained.
    pub prompt: Vec<TokenId>,
    /// [`Lesson::ANSWERS`] answers.
    pub answers: Vec<GivenAnswer>,
    /// What is known of them.
    pub label: L,
}

impl<L> GivenRow<L> {
    /// Trained tokens of answer `n`.
    #[must_use]
    pub fn trained_tokens(&self, n: usize) -> usize {
        self.answers.get(n).map_or(0, |a| a.trained.iter().filter(|t| **t).count())
    }

    /// Trunk rows of the row where its first `answers` answers are computed.
    fn cost(&self, answers: usize) -> usize {
        self.prompt.len() + self.answers.iter().take(answers).map(|a| a.tokens.len()).sum::<usize>()
    }
}

/// A kind of given data as the learner sees it.
pub trait Lesson: Data + Sized {
    /// The head of the model that learns it.
    type Head: Readout;
    /// What is known of a row's answers.
    type Label: Clone + std::fmt::Debug + PartialEq;
    /// How many answers a row has.
    const ANSWERS: usize;
    /// How many of them, the first ones, get a gradient.
    const TRAINED: usize = Self::ANSWERS;

    /// The row as blocks whose suffixes fill the rows `first ..` of the grid, one an answer.
    #[must_use]
    fn blocks(prompt: &[TokenId], answers: &[GivenAnswer], first: usize, _pad: Option<i64>) -> Vec<Block> {
        let suffix = |(i, a): (usize, &GivenAnswer)| Suffix { tokens: a.tokens.clone(), scored: a.trained.clone(), row: first + i };
        vec![Block { prefix: prompt.to_vec(), suffixes: answers.iter().enumerate().map(suffix).collect() }]
    }

    /// What the loss is divided by, counted over the rows of a whole update.
    fn denominators(rows: &[GivenRow<Self::Label>], config: &LearnerConfig) -> Self::Denominators;

    /// The leaves; the graph goes on to the grid's numbers.
    ///
    /// # Errors
    /// When shapes do not fit.
    fn leaves(grid: &Grid<'_, Self::Label>) -> Result<Self::Leaves, AlgorithmError>;
}

/// Updates a model from given data. Buffers are kept from step to step.
#[derive(Debug)]
pub struct GivenLearner {
    config: LearnerConfig,
    updater: Updater,
    tape: Tape,
}

/// What was measured on rows, without learning from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The loss.
    pub loss: f64,
    /// What the objective measured beside it.
    pub stats: Stats,
}

impl GivenLearner {
    /// A learner before its first update, whose kept activations take at most `tape`'s limit.
    #[must_use]
    pub fn new<D: Lesson>(model: &Model<D::Head>, config: LearnerConfig, tape: Tape) -> Self {
        Self { config, updater: Updater::new(model, &config), tape }
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
    pub fn restore<D: Lesson>(&mut self, model: &Model<D::Head>, moments: &TensorFile, state: LearnerState) -> Result<(), LearnerError> {
        self.updater.restore(model, moments, state)
    }

    /// Makes all updates of a flow step. `state` moves only with updates that are made.
    ///
    /// # Errors
    /// When there is nothing to learn from, the rows do not fit the model, or too many updates in a row were not finite.
    pub fn step<D: Lesson>(
        &mut self,
        model: &Model<D::Head>,
        (objective, state): (&dyn Objective<D>, &mut AlgoState),
        rows: &[GivenRow<D::Label>],
        (step, version): (u64, WeightsVersion),
    ) -> Result<StepReport, LearnerError> {
        let _guard = tch::no_grad_guard();
        if rows.is_empty() {
            return Err(LearnerError::Empty);
        }
        let mut totals = Totals::default();
        let part = rows.len().div_ceil(self.config.minibatches.max(1)).max(1);
        for _ in 0..self.config.epochs.max(1) {
            for rows in rows.chunks(part) {
                let _span = tracing::trace_span!("update").entered();
                let before = state.clone();
                let passed = self.pass(model, (objective, state), rows)?;
                let made = self.updater.update(model, &passed, &mut totals);
                if !matches!(made, Ok(true)) {
                    *state = before;
                }
                made?;
            }
        }
        Ok(totals.report(step, version))
    }

    /// Accumulates the gradient of one update over its micro-batches.
    fn pass<D: Lesson>(
        &mut self,
        model: &Model<D::Head>,
        (objective, state): (&dyn Objective<D>, &mut AlgoState),
        rows: &[GivenRow<D::Label>],
    ) -> Result<Passed, LearnerError> {
        // All that the backward pass needs stays on the tape, if a single row does.
        let budget = self.config.micro_tokens.min(self.tape.room(model)).max(1);
        let denominators = D::denominators(rows, &self.config);
        let whole = objective.needs().whole_batch;
        let mut passed = Passed::default();
        if whole {
            let leaves = forward_all::<D>(model, rows, budget)?;
            let (loss, grads) = loss_of(objective, state, &leaves, rows, &denominators, &mut passed.stats)?;
            passed.loss = loss;
            let grads = trained_answers::<D>(&grads);
            let mut first = 0;
            for batch in cut::<D>(model, rows, D::TRAINED, budget)? {
                let part = grads.narrow(0, first, batch.grid_rows()).narrow(1, 0, batch.columns().min(grads.size()[1]));
                first += batch.grid_rows();
                let (_, kept) = D::Head::read(model, batch.packed(), Some(&mut self.tape))?;
                D::Head::learn(model, batch.packed(), &mut self.tape, &kept, &batch.packed().gather(&part))?;
                passed.rows += batch.packed().rows() as u64;
            }
            return Ok(passed);
        }
        for batch in cut::<D>(model, rows, D::ANSWERS, budget)? {
            let (numbers, kept) = D::Head::read(model, batch.packed(), Some(&mut self.tape))?;
            let grid = batch.spread(&numbers);
            let (loss, grads) = loss_of(objective, state, &grid, batch.rows(), &denominators, &mut passed.stats)?;
            passed.loss += loss;
            passed.rows += batch.packed().rows() as u64;
            D::Head::learn(model, batch.packed(), &mut self.tape, &kept, &batch.packed().gather(&grads))?;
        }
        Ok(passed)
    }
}

/// Loss and statistics of rows as if they were one update; nothing is learnt and `state` stays.
///
/// # Errors
/// When the rows do not fit the model.
pub fn measure<D: Lesson>(
    model: &Model<D::Head>,
    (objective, state): (&dyn Objective<D>, &AlgoState),
    rows: &[GivenRow<D::Label>],
    config: &LearnerConfig,
) -> Result<Measured, LearnerError> {
    let _guard = tch::no_grad_guard();
    let numbers = forward_all::<D>(model, rows, config.micro_tokens)?;
    let leaves = D::leaves(&Grid::new(&numbers, rows, D::ANSWERS))?;
    let out = objective.loss(&mut state.clone(), &leaves, &D::denominators(rows, config))?;
    Ok(Measured { loss: f64::try_from(out.loss.to_kind(Kind::Double))?, stats: out.stats })
}

/// The numbers of all rows as one grid, without gradient.
fn forward_all<D: Lesson>(model: &Model<D::Head>, rows: &[GivenRow<D::Label>], budget: usize) -> Result<Tensor, LearnerError> {
    let batches: Vec<Batch<'_, D>> = cut(model, rows, D::ANSWERS, budget)?;
    let grid = |b: &Batch<'_, D>| -> Result<Tensor, LearnerError> { Ok(b.spread(&D::Head::read(model, b.packed(), None)?.0)) };
    Ok(joined(&batches.iter().map(grid).collect::<Result<Vec<_>, _>>()?))
}

/// The share of the loss that these rows have, and its gradient with respect to their grid of numbers.
fn loss_of<D: Lesson>(
    objective: &dyn Objective<D>,
    state: &mut AlgoState,
    numbers: &Tensor,
    rows: &[GivenRow<D::Label>],
    denominators: &D::Denominators,
    stats: &mut Stats,
) -> Result<(f64, Tensor), LearnerError> {
    let numbers = numbers.detach().set_requires_grad(true);
    let out = tch::with_grad(|| {
        let leaves = D::leaves(&Grid::new(&numbers, rows, D::ANSWERS))?;
        objective.loss(state, &leaves, denominators)
    })?;
    let grads = Tensor::run_backward(&[&out.loss], &[&numbers], false, false).swap_remove(0);
    stats.add(&out.stats);
    Ok((f64::try_from(out.loss.detach().to_kind(Kind::Double))?, grads))
}

/// The rows of the answers that get a gradient, `[N·ANSWERS, T]` to `[N·TRAINED, T]`.
fn trained_answers<D: Lesson>(grads: &Tensor) -> Tensor {
    let (answers, trained) = (D::ANSWERS as i64, D::TRAINED as i64);
    let columns = grads.size()[1];
    grads.view([-1, answers, columns]).narrow(1, 0, trained).reshape([-1, columns])
}
