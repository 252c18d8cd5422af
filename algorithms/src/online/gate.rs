//! What is computed from ratio and credit, one number a token or a completion: a clip, a soft gate, or nothing.

use tch::Tensor;

use crate::{Leaves, Stats, clip, clip::Clip, ratio::Ratio};

/// From ratio and credit to a loss.
pub trait Gate: Send + std::fmt::Debug {
    /// Its name on a card.
    fn name(&self) -> &'static str;

    /// Whether it gives one number a completion, even of token ratios.
    fn per_sequence(&self) -> bool {
        false
    }

    /// The loss before it is averaged: `[B, T]`, or `[B, 1]` of whole completions.
    fn each(&self, leaves: &Leaves<'_>, ratio: &Ratio, stats: &mut Stats) -> Tensor;
}

impl Gate for Clip {
    fn name(&self) -> &'static str {
        "clip::surrogate"
    }

    fn each(&self, _: &Leaves<'_>, at: &Ratio, stats: &mut Stats) -> Tensor {
        clip::measure(stats, &at.ratio, &at.advantage, &at.there, *self);
        clip::surrogate(&at.ratio, &at.advantage, *self)
    }
}

/// `−A·log π`: the plain policy gradient, without ratio or clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain;

impl Gate for Plain {
    fn name(&self) -> &'static str {
        "online::plain"
    }

    fn each(&self, leaves: &Leaves<'_>, _: &Ratio, _: &mut Stats) -> Tensor {
        -(leaves.logp * leaves.advantage)
    }
}
