//! A prompt and its replies as tokens, with the tokens that count.

use collimate_text::{TextError, Tokenizer};
use collimate_types::{Message, PreferencePair, Reply, Speaker, TokenId};

/// Tokens that continue a prompt, and which of them the model said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said {
    pub(crate) tokens: Vec<TokenId>,
    pub(crate) scored: Vec<bool>,
}

impl Said {
    /// How many tokens count.
    pub(crate) fn len(&self) -> usize {
        self.scored.iter().filter(|s| **s).count()
    }

    fn push(&mut self, tokens: &[TokenId], scored: bool) {
        self.tokens.extend(tokens);
        self.scored.resize(self.tokens.len(), scored);
    }
}

/// A pair as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenderedPair {
    pub(crate) prompt: Vec<TokenId>,
    /// Chosen and rejected.
    pub(crate) replies: [Said; 2],
}

impl RenderedPair {
    /// Tokens of a forward pass: the prompt once.
    pub(crate) fn tokens(&self) -> usize {
        self.prompt.len() + self.replies.iter().map(|r| r.tokens.len()).sum::<usize>()
    }

    /// The longest sequence.
    pub(crate) fn longest(&self) -> usize {
        self.prompt.len() + self.replies.iter().map(|r| r.tokens.len()).max().unwrap_or(0)
    }
}

/// Why a pair cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// The tokenizer or the template refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The template writes earlier turns anew when one is added.
    #[error("the chat template changes what stands before an answer once the answer is added, so the answer's tokens cannot be told")]
    Rewritten,
    /// Nothing stands before the answer.
    #[error("the prompt is empty: the first token of an answer needs one before it")]
    NoPrompt,
}

/// Renders a pair. An answer's tokens are those that a sampler would draw after the prompt, its end of sequence included.
pub(crate) fn pair(tokenizer: &Tokenizer, pair: &PreferencePair) -> Result<RenderedPair, RenderError> {
    let (prompt, mut replies) = answers(tokenizer, (pair.text.as_deref(), &pair.messages), &[&pair.chosen, &pair.rejected])?;
    if prompt.is_empty() {
        return Err(RenderError::NoPrompt);
    }
    let rejected = replies.pop().unwrap_or_default();
    Ok(RenderedPair { prompt, replies: [replies.pop().unwrap_or_default(), rejected] })
}

/// Renders a prompt (a text, or a conversation) and answers to it. Of texts, prompt and answer are encoded together and parted where the
/// prompt alone would be encoded otherwise, as TRL does: tokens that merge over the seam belong to the answers.
pub(crate) fn answers(
    tokenizer: &Tokenizer,
    (text, messages): (Option<&str>, &[Message]),
    replies: &[&Reply],
) -> Result<(Vec<TokenId>, Vec<Said>), RenderError> {
    let texts: Option<Vec<&str>> = replies.iter().map(|r| if let Reply::Text(t) = r { Some(t.as_str()) } else { None }).collect();
    if let (Some(text), Some(texts)) = (text, texts) {
        return joined(tokenizer, text, &texts);
    }
    let prompt = match text {
        Some(text) => tokenizer.encode_with(text, true)?,
        None => tokenizer.encode(&opened(tokenizer, messages)?)?,
    };
    let reply = |reply: &&Reply| match reply {
        Reply::Text(text) => said(tokenizer, text),
        Reply::Turns(turns) => said_turns(tokenizer, messages, turns),
    };
    Ok((prompt, replies.iter().map(reply).collect::<Result<_, _>>()?))
}

fn joined(tokenizer: &Tokenizer, prompt: &str, texts: &[&str]) -> Result<(Vec<TokenId>, Vec<Said>), RenderError> {
    let alone = tokenizer.encode_with(prompt, true)?;
    let whole = |text: &&str| {
        let mut tokens = tokenizer.encode_with(&format!("{prompt}{text}"), true)?;
        let ends = tokens.last().is_some_and(|t| tokenizer.eos() == Some(*t));
        tokens.extend(tokenizer.eos().filter(|_| !ends));
        Ok::<_, RenderError>(tokens)
    };
    let mut wholes = texts.iter().map(whole).collect::<Result<Vec<_>, _>>()?;
    let common = |tokens: &Vec<TokenId>| tokens.iter().zip(&alone).take_while(|(a, b)| a == b).count();
    let shared = wholes.iter().map(common).min().unwrap_or(0);
    let said = |tokens: &mut Vec<TokenId>| {
        let tokens = tokens.split_off(shared);
        Said { scored: vec![true; tokens.len()], tokens }
    };
    let said = wholes.iter_mut().map(said).collect();
    Ok((alone[..shared].to_vec(), said))
}

/// A text and the end of the sequence.
fn said(tokenizer: &Tokenizer, text: &str) -> Result<Said, RenderError> {
    let mut said = Said::default();
    said.push(&tokenizer.encode(text)?, true);
    said.push(tokenizer.eos().as_slice(), true);
    Ok(said)
}

/// Turn by turn: what the model says counts, up to the end of its turn; what others say does not.
fn said_turns(tokenizer: &Tokenizer, before: &[Message], turns: &[Message]) -> Result<Said, RenderError> {
    let mut said = Said::default();
    let mut messages = before.to_vec();
    let mut text = opened(tokenizer, &messages)?;
    for (at, turn) in turns.iter().enumerate() {
        messages.push(turn.clone());
        let last = at + 1 == turns.len();
        if turn.role == Speaker::Assistant {
            let whole = closed(tokenizer, &messages)?;
            let piece = tokenizer.encode(whole.strip_prefix(text.as_str()).ok_or(RenderError::Rewritten)?)?;
            let end = piece.iter().position(|t| tokenizer.eos_ids().contains(t)).map_or(piece.len(), |at| at + 1);
            said.push(&piece[..end], true);
            // A template may write more after the end of a turn (a line break): it stands before the next turn, and after the last it is nothing.
            if !last {
                said.push(&piece[end..], false);
            }
            text = whole;
        } else if !last {
            let whole = opened(tokenizer, &messages)?;
            said.push(&tokenizer.encode(whole.strip_prefix(text.as_str()).ok_or(RenderError::Rewritten)?)?, false);
            text = whole;
        }
    }
    // Without a template the text has no mark of its end.
    if !tokenizer.has_chat_template() {
        said.push(tokenizer.eos().as_slice(), true);
    }
    Ok(said)
}

/// A conversation with the beginning of the next answer.
fn opened(tokenizer: &Tokenizer, messages: &[Message]) -> Result<String, TextError> {
    if tokenizer.has_chat_template() { tokenizer.render_chat(messages, true) } else { Ok(plain(messages) + "\n\nAssistant:") }
}

/// A conversation that ends with an answer.
pub(crate) fn closed(tokenizer: &Tokenizer, messages: &[Message]) -> Result<String, TextError> {
    if tokenizer.has_chat_template() { tokenizer.render_chat(messages, false) } else { Ok(plain(messages)) }
}

/// For models without a template: the marks of HH-RLHF.
fn plain(messages: &[Message]) -> String {
    let turn = |m: &Message| match m.role {
        Speaker::Assistant => format!("\n\nAssistant: {}", m.content),
        Speaker::System => m.content.clone(),
        Speaker::User | Speaker::Tool => format!("\n\nHuman: {}", m.content),
    };
    messages.iter().map(turn).collect()
}
