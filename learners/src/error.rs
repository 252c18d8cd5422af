//! What can go wrong while learning.

use collimate_algorithms::AlgorithmError;
use collimate_bridge::BridgeError;
use collimate_models::ModelError;

/// Why an update could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// The model refused the batch.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The algorithm refused its input.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// The bridge refused.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// LibTorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// Too many updates in a row were not finite.
    #[error(
        "{count} updates in a row had a loss or gradient that is not finite (last: {what}); lower learner.lr, or look at the rewards of the last rollouts"
    )]
    NotFinite {
        /// How many.
        count: u64,
        /// What was seen last.
        what: String,
    },
    /// A critic is to learn from rows that say nothing of it.
    #[error("the batch carries no values and returns for the critic; the algorithm gives them where it has the critic's values")]
    NoReturns,
    /// There is nothing to learn from.
    #[error("the batch has no trained token")]
    Empty,
}
