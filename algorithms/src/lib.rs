//! The mathematics of alignment: credit and losses, tensors in, tensors out.
//!
//! A named algorithm is one file in [`mod@roster`] that composes shared, tested parts: credit ([`credit`]), ratio ([`ratio`]), clip
//! ([`clip`]) or another gate ([`online::Gate`]), correction ([`correction`]), KL ([`kl`]), aggregation ([`reduce`]); for preferences a score
//! and a rule ([`preference`]). Parts that make no sense together are refused with the reason.
//!
//! The learner knows only the contracts: [`Algorithm`] for online learning, [`Objective`] for given data ([`Pairs`], [`Labelled`],
//! [`Demonstrations`], [`Comparisons`]). [`Method`] is an algorithm of any family.
//!
//! Pure: no I/O, clock, threads or hidden randomness. Axis letters: **P** prompts, **G** rollouts per prompt, **B** = P·G rows, **N** pairs
//! or answers, **T** token positions.

mod algorithm;
mod card;
pub mod clip;
pub mod correction;
pub mod credit;
mod error;
pub mod goldens;
pub mod kl;
pub mod kl_control;
pub mod knobs;
mod leaves;
mod objective;
pub mod online;
pub mod preference;
pub mod ratio;
pub mod reduce;
pub mod roster;
pub mod shape;
mod stats;
pub mod value;

pub use algorithm::{AlgoState, Algorithm, Credit, CreditInput, CriticLoss, GroupRewards, Needs, RowCredit, RowTokens};
pub use card::{Card, Family, Knob};
pub use error::{AlgorithmError, KnobError};
pub use leaves::{CriticLeaves, Denominators, Leaves, LossOutput, RoleLoss};
pub use objective::{
    Build, ComparisonLeaves, Comparisons, Data, DemonstrationLeaves, Demonstrations, Labelled, LabelledLeaves, Method, Objective,
    PairDenominators, PairLeaves, Pairs, RowCount,
};
pub use roster::{Entry, build, find, method, roster};
pub use stats::Stats;

#[cfg(test)]
mod bandit;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_pairs;
#[cfg(test)]
mod golden_verl;
#[cfg(test)]
mod independent;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod laws;
