//! What the forward pass leaves for the backward pass.

use tch::Tensor;

use crate::Saved;

/// The kept state of one packed forward: what each segment saved, in order. It is lent from step to step.
#[derive(Debug, Default)]
pub struct Tape {
    segments: Vec<Saved>,
    inputs_only: bool,
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tape that keeps each segment's input alone; backward computes the rest again. Less memory for a second forward pass.
    #[must_use]
    pub fn inputs_only() -> Self {
        Self { segments: Vec::new(), inputs_only: true }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.segments.clear();
    }

    /// Records the next segment.
    pub(crate) fn push(&mut self, input: &Tensor, saved: Saved) {
        self.segments.push(if self.inputs_only { Saved::Input(input.shallow_clone()) } else { saved });
    }

    /// Takes the last segment that was recorded: backward runs from the end, and what it has used is freed at once.
    pub(crate) fn pop(&mut self) -> Option<Saved> {
        self.segments.pop()
    }

    /// How many segments are recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}
