//! What can go wrong while generating.

use collimate_models::ModelError;
use collimate_text::TextError;

/// Why a batch could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// The model refused the batch.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A completion could not be decoded.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A kernel refused.
    #[error(transparent)]
    Bridge(#[from] collimate_bridge::BridgeError),
    /// LibTorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The model gave logits that are not numbers: the weights are broken.
    #[error("the policy's logits are not finite for prompt `{prompt}` at token {token}; the weights hold NaN or infinity")]
    NotFinite {
        /// The prompt's id.
        prompt: String,
        /// How many tokens had been drawn.
        token: usize,
    },
    /// A prompt leaves no room for an answer.
    #[error("prompt `{prompt}` has {tokens} tokens and the model's context is {context}; shorten the prompt or filter it out")]
    PromptTooLong {
        /// The prompt's id.
        prompt: String,
        /// Its length.
        tokens: usize,
        /// The model's context.
        context: usize,
    },
    /// The observer asked to stop.
    #[error("generation was interrupted")]
    Interrupted,
}
