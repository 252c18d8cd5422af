//! What can be wrong with a tokenizer or a template.

/// Why text could not be turned into tokens or back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{place}: {what}; {mend}")]
    Malformed {
        /// File, and line and column or key where they are known.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do.
        mend: String,
    },
    /// A text could not be encoded, or tokens not decoded.
    #[error("the tokenizer refused: {0}")]
    Tokenizer(String),
    /// A conversation was given to a model that has no chat template.
    #[error("the model has no chat template; give plain text (`prompt`), or a model directory with `chat_template.jinja`")]
    NoTemplate,
    /// The chat template failed.
    #[error("chat template: {0}")]
    Template(String),
    /// A prompt has no tokens.
    #[error("the prompt of task `{task}` is empty; a completion needs at least one token to continue")]
    EmptyPrompt {
        /// The task's id.
        task: String,
    },
}

impl TextError {
    pub(crate) fn malformed(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Malformed { place: place.into(), what: what.into(), mend: mend.into() }
    }
}
