//! What one comparison may cost, and why a value may be missing.

/// The steps of one comparison: one is about a hundred nanoseconds. Nothing in the verifier works without paying, so every comparison ends.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: u64,
}

/// Why an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// There is none: 1/0, ln 0, √−1 among the reals.
    Undefined,
    /// There may be one, but it is out of reach: too large, too many steps, or lost in rounding. It never counts as agreement.
    Unclear,
}

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Pays for some steps.
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Gap> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Gap::Unclear)
            }
        }
    }

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}
