//! Forward and backward of a packed micro-batch: from tokens to one number a leaf, and from that number's gradient to the parameters'.

use collimate_models::{Head, HeadLeaves, HeadPass, LeafGrads, Model, ModelError, Packed, ScalarHead, Tape, VocabHead};
use tch::Tensor;

/// A head that gives one number a leaf, and takes its gradient back.
pub trait Readout: Head + Sized {
    /// What the forward pass keeps for the backward pass.
    type Kept: std::fmt::Debug;

    /// The numbers of the leaves, `[L]`; with a tape, [`Readout::learn`] can follow.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    fn read(model: &Model<Self>, packed: &Packed, tape: Option<&mut Tape>) -> Result<(Tensor, Self::Kept), ModelError>;

    /// Accumulates all gradients. `grads [L]` is the loss's gradient with respect to the numbers.
    ///
    /// # Errors
    /// When the tape does not hold the batch's forward pass.
    fn learn(model: &Model<Self>, packed: &Packed, tape: &mut Tape, kept: &Self::Kept, grads: &Tensor) -> Result<(), ModelError>;
}

/// Log-probabilities at temperature 1.
impl Readout for VocabHead {
    type Kept = VocabPass;

    fn read(model: &Model, packed: &Packed, tape: Option<&mut Tape>) -> Result<(Tensor, VocabPass), ModelError> {
        let pass = VocabPass::forward(model, packed, tape, (1.0, false))?;
        Ok((pass.head.logp.shallow_clone(), pass))
    }

    fn learn(model: &Model, packed: &Packed, tape: &mut Tape, kept: &VocabPass, grads: &Tensor) -> Result<(), ModelError> {
        kept.backward(model, packed, tape, LeafGrads { logp: grads, entropy: None })
    }
}

/// Scores: of a leaf the score of the row before its token.
impl Readout for ScalarHead {
    type Kept = Tensor;

    fn read(model: &Model<Self>, packed: &Packed, tape: Option<&mut Tape>) -> Result<(Tensor, Tensor), ModelError> {
        let hidden = model.forward(packed, tape)?.index_select(0, &packed.head_row_tensor());
        Ok((packed.leaves_of_rows(&model.head().forward(&hidden)), hidden))
    }

    fn learn(model: &Model<Self>, packed: &Packed, tape: &mut Tape, hidden: &Tensor, grads: &Tensor) -> Result<(), ModelError> {
        let dhead = model.head().backward(hidden, &packed.rows_of_leaves(grads))?;
        model.backward(packed, tape, &dhead)
    }
}

/// The forward pass of a micro-batch through the vocabulary head: hidden states of the head's rows and the head's first pass.
#[derive(Debug)]
pub struct VocabPass {
    pub(crate) hidden: Tensor,
    pub(crate) leaves: HeadLeaves,
    pub(crate) head: HeadPass,
}

impl VocabPass {
    /// At a temperature, and with entropies if they are wanted.
    pub(crate) fn forward(
        model: &Model,
        packed: &Packed,
        tape: Option<&mut Tape>,
        (temperature, entropy): (f64, bool),
    ) -> Result<Self, ModelError> {
        let hidden = model.forward(packed, tape)?.index_select(0, &packed.head_row_tensor());
        let leaves = HeadLeaves::new(packed, temperature);
        let head = Self::first_pass(model, &hidden, &leaves, entropy);
        Ok(Self { hidden, leaves, head })
    }

    /// The head's first pass over hidden states that are known.
    pub(crate) fn first_pass(model: &Model, hidden: &Tensor, leaves: &HeadLeaves, entropy: bool) -> HeadPass {
        let _span = tracing::trace_span!("head_forward").entered();
        model.head().forward(model.embedding(), hidden, leaves, entropy)
    }

    /// Back through the head: the gradient of its rows.
    pub(crate) fn head_backward(&self, model: &Model, grads: LeafGrads<'_>) -> Tensor {
        let _span = tracing::trace_span!("head_backward").entered();
        model.head().backward(model.embedding(), &self.hidden, &self.leaves, &self.head, grads)
    }

    /// Back through head and trunk.
    pub(crate) fn backward(&self, model: &Model, packed: &Packed, tape: &mut Tape, grads: LeafGrads<'_>) -> Result<(), ModelError> {
        let dhead = self.head_backward(model, grads);
        model.backward(packed, tape, &dhead)
    }
}
