//! What can be wrong with a model.

use collimate_bridge::BridgeError;
use collimate_weights::WeightsError;

/// Why a model could not be read, built or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file of weights is bad.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// LibTorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The bridge refused.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is not one that can be built.
    #[error("{place}: {what}; {mend}")]
    Config {
        /// File and key.
        place: String,
        /// What stands there.
        what: String,
        /// What to do.
        mend: String,
    },
    /// A tensor is missing or has another shape.
    #[error("{place}: tensor `{tensor}` {what}")]
    Tensor {
        /// The model.
        place: String,
        /// Its name in the checkpoint.
        tensor: String,
        /// What is wrong.
        what: String,
    },
    /// The batch does not fit the model.
    #[error("{0}")]
    Batch(String),
}

impl ModelError {
    /// A configuration error.
    pub(crate) fn config(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Config { place: place.into(), what: what.into(), mend: mend.into() }
    }
}
