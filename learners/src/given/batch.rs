//! Rows cut into micro-batches, and the grid of their numbers.

use collimate_algorithms::{AlgorithmError, preference::Side};
use collimate_models::{Block, Model, Packed};
use tch::{Kind, Tensor};

use super::{GivenRow, Lesson};
use crate::LearnerError;

/// Rows of one forward and backward pass.
#[derive(Debug)]
pub(super) struct Batch<'a, D: Lesson> {
    rows: &'a [GivenRow<D::Label>],
    answers: usize,
    packed: Packed,
    columns: usize,
}

impl<'a, D: Lesson> Batch<'a, D> {
    fn new(model: &Model<D::Head>, rows: &'a [GivenRow<D::Label>], answers: usize) -> Result<Self, LearnerError> {
        let block = |(i, row): (usize, &GivenRow<D::Label>)| {
            D::blocks(&row.prompt, &row.answers[..answers.min(row.answers.len())], i * answers, model.config.pad)
        };
        let blocks: Vec<Block> = rows.iter().enumerate().flat_map(block).collect();
        let packed = Packed::new(&blocks)?;
        let columns = packed.leaves.iter().map(|l| l.column + 1).max().unwrap_or(1);
        Ok(Self { rows, answers, packed, columns })
    }

    pub(super) fn rows(&self) -> &'a [GivenRow<D::Label>] {
        self.rows
    }

    pub(super) fn packed(&self) -> &Packed {
        &self.packed
    }

    /// B.
    pub(super) fn grid_rows(&self) -> i64 {
        (self.rows.len() * self.answers) as i64
    }

    /// T.
    pub(super) fn columns(&self) -> i64 {
        self.columns as i64
    }

    /// Numbers of the leaves `[L]` as `[B, T]`, zeros elsewhere.
    pub(super) fn spread(&self, leaves: &Tensor) -> Tensor {
        self.packed.scatter(leaves, self.rows.len() * self.answers, self.columns)
    }
}

/// Cuts rows into micro-batches of at most `budget` tokens (a single row may be longer). A row stays whole, so that its prompt is computed
/// once.
pub(super) fn cut<'a, D: Lesson>(
    model: &Model<D::Head>,
    rows: &'a [GivenRow<D::Label>],
    answers: usize,
    budget: usize,
) -> Result<Vec<Batch<'a, D>>, LearnerError> {
    let mut batches = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        let cost = row.cost(answers);
        if used > 0 && used + cost > budget {
            batches.push(Batch::new(model, &rows[start..at], answers)?);
            (start, used) = (at, 0);
        }
        used += cost;
    }
    if start < rows.len() {
        batches.push(Batch::new(model, &rows[start..], answers)?);
    }
    Ok(batches)
}

/// Grids one under another, padded to the widest.
pub(super) fn joined(grids: &[Tensor]) -> Tensor {
    let columns = grids.iter().map(|g| g.size()[1]).max().unwrap_or(0);
    let pad = |g: &Tensor| g.constant_pad_nd([0, columns - g.size()[1]]);
    Tensor::cat(&grids.iter().map(pad).collect::<Vec<_>>(), 0)
}

/// The numbers of rows: `[B, T]` with B = rows · answers, the answers of a row one under another.
#[derive(Debug)]
pub struct Grid<'a, L> {
    numbers: &'a Tensor,
    rows: &'a [GivenRow<L>],
    answers: usize,
}

impl<'a, L> Grid<'a, L> {
    /// A grid of rows that have `answers` answers each.
    #[must_use]
    pub fn new(numbers: &'a Tensor, rows: &'a [GivenRow<L>], answers: usize) -> Self {
        Self { numbers, rows, answers }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &'a [GivenRow<L>] {
        self.rows
    }

    /// The numbers of answer `n` of every row, `[N, T]`.
    pub fn answer(&self, n: usize) -> Tensor {
        let columns = self.numbers.size()[1];
        self.numbers.view([-1, self.answers as i64, columns]).select(1, n as i64)
    }

    /// 1 where a token of answer `n` is trained, `[N, T]`.
    pub fn trained(&self, n: usize) -> Tensor {
        let columns = self.numbers.size()[1] as usize;
        let cell = |row: &GivenRow<L>, c: usize| row.answers[n].trained.get(c).is_some_and(|t| *t);
        let cells: Vec<f64> = self.rows.iter().flat_map(|row| (0..columns).map(move |c| f64::from(u8::from(cell(row, c))))).collect();
        Tensor::from_slice(&cells).view([self.rows.len() as i64, columns as i64]).to_kind(self.numbers.kind())
    }

    /// One number a row, `[N]`.
    pub fn column(&self, of: impl Fn(&GivenRow<L>) -> f64) -> Tensor {
        Tensor::from_slice(&self.rows.iter().map(of).collect::<Vec<_>>()).to_kind(self.numbers.kind())
    }

    /// Answer `n` of every row as one side of a preference, with the reference's sums if every row has one.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn side(&self, n: usize) -> Result<Side, AlgorithmError> {
        let side = Side::of_tokens(&self.answer(n), None, &self.trained(n))?;
        let known = self.rows.iter().all(|row| row.answers[n].logp_ref.is_some());
        let logp_ref = known.then(|| self.column(|row| row.answers[n].logp_ref.unwrap_or(f64::NAN)));
        Ok(Side { logp_ref, ..side })
    }

    /// The one number that answer `n` of every row has, `[N]`: all others are 0.
    pub fn score(&self, n: usize) -> Tensor {
        self.answer(n).sum_dim_intlist(-1, false, self.numbers.kind())
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.numbers.kind()
    }
}
