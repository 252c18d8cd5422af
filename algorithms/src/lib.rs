//! The mathematics of alignment: credit and losses, tensors in, tensors out.
//!
//! A named algorithm is one file in [`mod@roster`] that composes shared, tested parts: credit ([`credit`]), ratio ([`ratio`]), clip
//! ([`clip`]), KL ([`kl`]), aggregation ([`reduce`]). The learner knows only the trait [`Algorithm`].
//!
//! Pure: no I/O, clock, threads or hidden randomness. Axis letters: **P** prompts, **G** rollouts per prompt, **B** = P·G rows, **T**
//! token positions.

mod algorithm;
mod card;
pub mod clip;
pub mod credit;
mod error;
pub mod kl;
mod leaves;
pub mod ratio;
pub mod reduce;
pub mod roster;
pub mod shape;
mod stats;

pub use algorithm::{AlgoState, Algorithm, Credit, CreditInput, GroupRewards, Needs, RowCredit};
pub use card::{Card, Knob};
pub use error::{AlgorithmError, KnobError};
pub use leaves::{Denominators, Leaves, LossOutput};
pub use roster::{Entry, build, find, roster};
pub use stats::Stats;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_verl;
#[cfg(test)]
mod kinds;
