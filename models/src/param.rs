//! A trained tensor with its gradient.

use std::cell::RefCell;

use tch::{Kind, Tensor};

/// A part of a parameter that has a name of its own in checkpoints: rows `start .. start + rows` of the fused tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The name in a Hugging Face checkpoint.
    pub name: String,
    /// First row.
    pub start: i64,
    /// How many rows.
    pub rows: i64,
}

/// A parameter: value, accumulated gradient, and the names its parts have in checkpoints.
///
/// The gradient buffer is made at the first accumulation and kept: fresh memory each step costs page faults.
#[derive(Debug)]
pub struct Param {
    value: Tensor,
    grad: RefCell<Option<Tensor>>,
    pieces: Vec<Piece>,
    trainable: bool,
    adapter: bool,
}

impl Param {
    /// A parameter whose first dimension is cut into `pieces`.
    #[must_use]
    pub fn new(value: &Tensor, pieces: Vec<Piece>) -> Self {
        let value = value.set_requires_grad(true);
        Self { value, grad: RefCell::new(None), pieces, trainable: true, adapter: false }
    }

    /// The same as a part of an adapter: it is not written with the model.
    pub(crate) fn of_an_adapter(self) -> Self {
        Self { adapter: true, ..self }
    }

    /// Whether it is a part of an adapter.
    #[must_use]
    pub fn is_adapter(&self) -> bool {
        self.adapter
    }

    /// The value. It requires grad, so that a segment can be rerun under autograd; run everything else under a no-grad guard.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Whether the parameter takes part in training.
    #[must_use]
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Takes the parameter out of training: no gradient is computed or kept.
    pub fn freeze(&mut self) {
        self.trainable = false;
        self.value = self.value.detach();
        *self.grad.borrow_mut() = None;
    }

    /// The parts with names of their own, in order; they cover all rows.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The first name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pieces.first().map_or("", |p| p.name.as_str())
    }

    /// One piece as a view of the value, without grad.
    pub fn piece(&self, piece: &Piece) -> Tensor {
        self.value.detach().narrow(0, piece.start, piece.rows)
    }

    /// The gradient buffer, zeros at first. The handle aliases the buffer.
    pub fn grad(&self) -> Tensor {
        let mut grad = self.grad.borrow_mut();
        grad.get_or_insert_with(|| self.value.detach().zeros_like()).shallow_clone()
    }

    /// Whether a gradient was accumulated since the parameter was made.
    #[must_use]
    pub fn has_grad(&self) -> bool {
        self.grad.borrow().is_some()
    }

    /// The gradient buffer, or one to be thrown away if the parameter is not trained.
    pub fn grad_or_scratch(&self) -> Tensor {
        if self.trainable { self.grad() } else { self.value.zeros_like() }
    }

    /// Adds to the gradient, if the parameter is trained.
    pub fn accumulate(&self, grad: &Tensor) {
        if self.trainable {
            let _ = self.grad().g_add_(grad);
        }
    }

    /// How many numbers.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.value.numel()
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.value.kind()
    }
}
