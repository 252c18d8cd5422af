//! Examples as rows of tokens.

use std::sync::Arc;

use collimate_datasets::Item;
use collimate_learners::{GivenAnswer, GivenRow};
use collimate_text::Tokenizer;
use collimate_types::{Demonstration, Message, Reply, Speaker, TokenId};

use super::Kind;
use crate::exit::{Exit, OrExit};
use crate::render::{self, RenderError, Said};

/// Why a row cannot be learnt from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// It cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// No trained token is left.
    #[error("its prompt has {prompt} tokens and learner.max_length (or the model's context) is {most}: no token of an answer is left; leave long prompts out with data.max_prompt_tokens={}, or raise learner.max_length", most.saturating_sub(1))]
    Long {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens of a row at most.
        most: usize,
    },
    /// There is nothing to learn.
    #[error("an answer has no token to learn from; leave short rows out with data.min_chars, or set data.bad_rows=skip")]
    Empty,
}

/// How examples become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The tokenizer.
    pub(crate) tokenizer: &'a Tokenizer,
    /// Tokens of prompt and answer at most; what is longer is cut at its end, as TRL does.
    pub(crate) max_length: usize,
}

impl Rows<'_> {
    /// Row `n` of a list.
    ///
    /// # Errors
    /// When the row cannot be rendered, or has no token to learn from.
    pub(crate) fn of<D: Kind>(&self, items: &[Arc<D::Item>], n: usize) -> Result<GivenRow<D::Label>, Exit> {
        D::row(self, items, n).map_err(|e| format!("row `{}` of the data: {e}", D::id(&items[n]))).or_refused()
    }

    /// A prompt (a text or a conversation) with answers to it, each cut to what fits.
    ///
    /// # Errors
    /// When a part cannot be rendered, or nothing is left of an answer.
    pub(super) fn answered(
        &self,
        prompt: (Option<&str>, &[Message]),
        replies: &[&Reply],
    ) -> Result<(Vec<TokenId>, Vec<GivenAnswer>), RowError> {
        let (prompt, said) = render::answers(self.tokenizer, prompt, replies)?;
        let answers = said.into_iter().map(|s| self.cut(prompt.len(), s)).collect::<Result<_, _>>()?;
        Ok((prompt, answers))
    }

    /// A demonstration: its answer, or with `every_turn` all that the assistant says.
    ///
    /// # Errors
    /// As [`Rows::answered`].
    pub(super) fn demonstrated(&self, d: &Demonstration) -> Result<(Vec<TokenId>, GivenAnswer), RowError> {
        let first = d.messages.iter().position(|m| m.role == Speaker::Assistant);
        let (prompt, mut answers) = match (&d.answer, first) {
            (Reply::Turns(turns), Some(first)) if d.every_turn => {
                let said = Reply::Turns(d.messages[first..].iter().chain(turns).cloned().collect());
                self.answered((None, &d.messages[..first]), &[&said])?
            }
            _ => self.answered((d.text.as_deref(), &d.messages), &[&d.answer])?,
        };
        let mut answer = answers.pop().ok_or(RowError::Empty)?;
        if prompt.is_empty() {
            // The first token of a text is predicted by nothing.
            if let Some(first) = answer.trained.first_mut() {
                *first = false;
            }
            some(&answer)?;
        }
        Ok((prompt, answer))
    }

    fn cut(&self, prompt: usize, said: Said) -> Result<GivenAnswer, RowError> {
        let Said { mut tokens, scored: mut trained } = said;
        let room = self.max_length.saturating_sub(prompt);
        if room == 0 {
            return Err(RowError::Long { prompt, most: self.max_length });
        }
        tokens.truncate(room);
        trained.truncate(room);
        // What comes after the last trained token teaches nothing.
        let end = trained.iter().rposition(|t| *t).map_or(0, |last| last + 1);
        tokens.truncate(end);
        trained.truncate(end);
        let answer = GivenAnswer { tokens, trained, logp_ref: None };
        some(&answer)?;
        Ok(answer)
    }
}

fn some(answer: &GivenAnswer) -> Result<(), RowError> {
    if answer.trained.iter().any(|t| *t) { Ok(()) } else { Err(RowError::Empty) }
}

/// The next row whose prompt is another one, in a circle; the row itself if there is none.
pub(super) fn other<T: Item>(items: &[Arc<T>], n: usize, same: impl Fn(&T, &T) -> bool) -> usize {
    let count = items.len();
    (1..count).map(|step| (n + step) % count).find(|m| !same(&items[n], &items[*m])).unwrap_or(n)
}
