//! What forward passes leave for the backward pass: buffers that are kept from step to step under a limit of bytes.

use tch::{Device, Tensor};

use crate::{Head, Model, Saved};

/// Rows of buffers are made in multiples of this, and a quarter more than are asked for, so that lengths that change from step to step find
/// the same buffers. What is never written takes no memory.
const ROWS: usize = 256;

/// The kept activations of trunk rows, segment by segment. Rows are appended; the order is the caller's.
///
/// Where a batch's rows fit the limit, everything a hand-written backward needs is kept; where they do not, only each segment's input,
/// and the segment is run again. Both give the same gradient.
#[derive(Debug, Default)]
pub struct Tape {
    /// Bytes that buffers may take; none = as many as are needed.
    limit: Option<usize>,
    /// For each segment its saved tensors, `[capacity, width]`.
    buffers: Vec<Vec<Tensor>>,
    capacity: usize,
    /// Rows that are filled.
    rows: usize,
    /// Each segment's input, where the batch did not fit.
    inputs: Option<Vec<Tensor>>,
}

impl Tape {
    /// An empty tape without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty tape whose buffers take at most so many bytes.
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self { limit: Some(bytes), ..Self::default() }
    }

    /// A tape that keeps each segment's input alone: the least memory, for a second forward pass.
    #[must_use]
    pub fn inputs_only() -> Self {
        Self::with_limit(0)
    }

    /// Bytes a row takes where everything is kept.
    #[must_use]
    pub fn row_bytes<H: Head>(model: &Model<H>) -> usize {
        let numbers: i64 = model.segments().iter().flat_map(|s| s.saved_widths(model.config.hidden)).sum();
        numbers as usize * model.kind().elt_size_in_bytes()
    }

    /// How many rows can be kept whole.
    #[must_use]
    pub fn room<H: Head>(&self, model: &Model<H>) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit / Self::row_bytes(model).max(1))
    }

    /// Sets another limit.
    pub(crate) fn set_limit(&mut self, bytes: Option<usize>) {
        self.limit = bytes;
    }

    /// Bytes the buffers may take, if there is a limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Bytes the buffers take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffers.iter().flatten().map(|t| t.numel() * t.kind().elt_size_in_bytes()).sum()
    }

    /// Rows that are filled.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows the buffers hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets everything and makes ready for `rows` rows. Buffers that are large enough stay.
    pub fn restart<H: Head>(&mut self, model: &Model<H>, rows: usize) {
        self.rows = 0;
        let room = self.room(model);
        self.inputs = (rows > room).then(Vec::new);
        if rows <= room && (rows > self.capacity || !self.fits(model)) {
            self.buffers.clear(); // the old ones go before the new ones come
            self.capacity = (rows + rows / 4).next_multiple_of(ROWS).min(room);
            let make = |width: i64| Tensor::empty([self.capacity as i64, width], (model.kind(), Device::Cpu));
            let of = |s: &dyn crate::Segment| s.saved_widths(model.config.hidden).into_iter().map(make).collect();
            self.buffers = model.segments().iter().map(|s| of(s.as_ref())).collect();
        }
    }

    /// Whether the buffers are of such a model: a tape may be lent to another one, a critic say.
    fn fits<H: Head>(&self, model: &Model<H>) -> bool {
        let alike = |(segment, buffers): (&dyn crate::Segment, &Vec<Tensor>)| {
            let widths = segment.saved_widths(model.config.hidden);
            widths.len() == buffers.len() && widths.iter().zip(buffers).all(|(w, b)| b.size()[1] == *w && b.kind() == model.kind())
        };
        self.buffers.len() == model.segments().len() && model.segments().iter().map(AsRef::as_ref).zip(&self.buffers).all(alike)
    }

    /// Records the first `count` rows of what a segment saved, behind the rows that are filled.
    ///
    /// # Panics
    /// When there is no room, or the segment saved tensors of other widths than it said.
    pub(crate) fn push(&mut self, segment: usize, saved: &Saved, count: usize) {
        let parts = match saved {
            Saved::Input(x) => std::slice::from_ref(x),
            Saved::Tensors(parts) => parts.as_slice(),
        };
        if let Some(inputs) = &mut self.inputs {
            // By every segment's contract the first tensor is its input.
            inputs.push(parts[0].narrow(0, 0, count as i64));
            return;
        }
        assert!(self.rows + count <= self.capacity, "{count} rows behind {} of {}", self.rows, self.capacity);
        for (buffer, part) in self.buffers[segment].iter().zip(parts) {
            buffer.narrow(0, self.rows as i64, count as i64).copy_(&part.narrow(0, 0, count as i64));
        }
    }

    /// All segments have recorded `count` rows.
    pub(crate) fn advance(&mut self, count: usize) {
        self.rows += count;
    }

    /// What a segment saved, for rows in a given order, or for all in the order they came.
    pub(crate) fn saved(&self, segment: usize, rows: Option<&Tensor>) -> Saved {
        let pick = |t: &Tensor| match rows {
            Some(rows) => t.index_select(0, rows),
            None => t.narrow(0, 0, self.rows as i64),
        };
        match &self.inputs {
            Some(inputs) => Saved::Input(pick(&inputs[segment])),
            None if self.buffers[segment].len() == 1 => Saved::Input(pick(&self.buffers[segment][0])),
            None => Saved::Tensors(self.buffers[segment].iter().map(pick).collect()),
        }
    }

    /// Whether a segment's entry is there.
    pub(crate) fn holds(&self, segments: usize, rows: usize) -> bool {
        let held = self.inputs.as_ref().map_or(self.buffers.len(), Vec::len);
        held == segments && self.rows >= rows
    }

    /// A segment's entry is used up: an input's memory is freed at once.
    pub(crate) fn drop_last_input(&mut self) {
        if let Some(inputs) = &mut self.inputs {
            inputs.pop();
        }
    }
}
