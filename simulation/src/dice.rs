//! Numbers that look random and are the same for the same seed.

use collimate_types::Seed;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    seed: Seed,
    drawn: u64,
}

impl Dice {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        self.seed.fork("draw", self.drawn).0.checked_rem(end).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Whether something happens that happens once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
