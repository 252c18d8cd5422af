//! What can be wrong with a tokenizer, a template or a text.

use std::path::Path;

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
        /// `file:line:column`, or file and key.
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
    #[error("the model has no chat template; give plain text (`prompt`), or put a `chat_template.jinja` into the model's directory")]
    NoTemplate,
    /// The chat template is not a template.
    #[error("{place}: {what}; mend the template, or remove it to work with plain text")]
    TemplateSyntax {
        /// `file:line:column` of the template.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The chat template failed on a conversation, or refused it.
    #[error("{place}: the chat template failed: {what}")]
    Template {
        /// `file:line:column` of the template.
        place: String,
        /// What went wrong, or what the template itself says.
        what: String,
    },
    /// The chat template did more work than any conversation needs.
    #[error("{place}: the chat template was stopped after {fuel} steps; it loops, or builds a text without bounds")]
    TemplateFuel {
        /// `file:line:column` of the template.
        place: String,
        /// The steps it was given.
        fuel: u64,
    },
    /// A prompt has no tokens.
    #[error("the prompt of task `{task}` is empty; a completion needs at least one token to continue")]
    EmptyPrompt {
        /// The task's id.
        task: String,
    },
    /// A task has both forms of a prompt.
    #[error("task `{task}` has both `text` and `messages`; give one of them")]
    TwoPrompts {
        /// The task's id.
        task: String,
    },
}

/// What to do about a file that came with the model.
pub(crate) const RESTORE: &str = "restore the file from the model's source";

impl TextError {
    pub(crate) fn malformed(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Malformed { place: place.into(), what: what.into(), mend: mend.into() }
    }

    /// A fault that `serde_json` found in a file.
    pub(crate) fn json(path: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        // The position is said once, in the form that editors jump to.
        let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        let place = if line == 0 { path.to_owned() } else { format!("{path}:{line}:{column}") };
        Self::malformed(place, what, RESTORE)
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
