//! A reward model at work: it reads a prompt and an answer and says one number.

use std::sync::{Mutex, PoisonError};

use collimate_models::{ModelError, Packed, ScoreModel, Source, scored_blocks};
use collimate_text::{TextError, Tokenizer};
use collimate_types::{Answer, BoxError, Finish, InfraKind, Prompt, Reward, RolloutGroup, TokenId, Verdict};
use tch::Kind;

/// A reward model as a [`Reward`]. It reads texts by its own tokenizer and template, whoever wrote them: the prompt as it would be asked
/// itself, the answer, and the end of the sequence if the answer ended by itself.
///
/// Answers to one prompt are scored in one forward pass that computes the prompt once, as many as `micro_tokens` hold. Weights are read at
/// the first answer; everything that can be refused without them is refused before.
#[derive(Debug)]
pub struct RewardModel {
    /// Where the weights are, until they are read.
    source: Option<Source>,
    tokenizer: Tokenizer,
    micro_tokens: usize,
    context: usize,
    model: Mutex<Option<ScoreModel>>,
}

/// Why a reward model scored nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The model, or its weights, are bad.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// LibTorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl RewardModel {
    /// A reward model whose weights are read when the first answer comes.
    ///
    /// # Errors
    /// When the directory has no scalar head.
    pub fn new(source: Source, tokenizer: Tokenizer, micro_tokens: usize) -> Result<Self, JudgeError> {
        source.check_scores()?;
        let context = source.config.max_positions;
        Ok(Self { source: Some(source), tokenizer, micro_tokens, context, model: Mutex::new(None) })
    }

    /// A reward model whose weights are here already.
    #[must_use]
    pub fn loaded(model: ScoreModel, tokenizer: Tokenizer, micro_tokens: usize) -> Self {
        let context = model.config.max_positions;
        let model = prepared(model, &tokenizer);
        Self { source: None, tokenizer, micro_tokens, context, model: Mutex::new(Some(model)) }
    }

    /// The longest text that it can read.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// Scores of texts that begin with `prefix`, `[n]`; none where a text is longer than the model's context, or has no token.
    ///
    /// # Errors
    /// When the weights cannot be read, or a token is none of the model's.
    pub fn score_tokens(&self, prefix: &[TokenId], continuations: &[&[TokenId]]) -> Result<Vec<Option<f64>>, JudgeError> {
        let mut held = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let model = match held.as_mut() {
            Some(model) => model,
            None => held.insert(self.load()?),
        };
        let fits = |c: &&[TokenId]| (1..=self.context()).contains(&(prefix.len() + c.len()));
        let readable: Vec<usize> = (0..continuations.len()).filter(|i| fits(&continuations[*i])).collect();
        let mut scores = vec![None; continuations.len()];
        for part in parts(&readable, prefix.len(), self.micro_tokens, |i| continuations[i].len()) {
            let texts: Vec<&[TokenId]> = part.iter().map(|i| continuations[*i]).collect();
            let packed = Packed::new(&scored_blocks(prefix, &texts, model.config.pad, 0))?;
            let numbers = packed.texts_of_leaves(&model.scores(&packed)?, texts.len());
            for (i, score) in part.iter().zip(Vec::<f64>::try_from(numbers.to_kind(Kind::Double))?) {
                scores[*i] = Some(score);
            }
        }
        Ok(scores)
    }

    fn load(&self) -> Result<ScoreModel, JudgeError> {
        let source = self.source.as_ref().ok_or_else(|| ModelError::Batch("the reward model's weights are gone".into()))?;
        Ok(prepared(source.load_scores(Kind::Float, None)?, &self.tokenizer))
    }

    fn answer(&self, answer: &Answer<'_>) -> Result<Vec<TokenId>, JudgeError> {
        let mut tokens = self.tokenizer.encode(answer.text)?;
        if matches!(answer.finish, Finish::Eos | Finish::Stop) {
            tokens.extend(self.tokenizer.eos());
        }
        Ok(tokens)
    }

    fn verdicts(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, JudgeError> {
        let prompt = self.tokenizer.prompt(group.prompt.task.clone())?;
        let answers: Vec<Vec<TokenId>> = group.answers().map(|a| self.answer(&a)).collect::<Result<_, _>>()?;
        let scores = self.score_tokens(&prompt.tokens, &answers.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let long = |tokens: usize| {
            let reason = format!("prompt and answer have {tokens} tokens, the reward model reads from 1 to {}", self.context());
            Verdict::Unscorable { reason }
        };
        let of = |(score, answer): (Option<f64>, &Vec<TokenId>)| {
            score.map_or_else(|| long(prompt.tokens.len() + answer.len()), Verdict::score_of)
        };
        Ok(scores.into_iter().zip(&answers).map(of).collect())
    }
}

impl Reward for RewardModel {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let prompt = self.tokenizer.prompt(prompt.task.clone())?;
        let scores = self.score_tokens(&prompt.tokens, &[&self.answer(answer)?])?;
        Ok(scores.first().copied().flatten().map_or_else(
            || Verdict::Unscorable { reason: "prompt and answer are longer than the reward model reads".into() },
            Verdict::score_of,
        ))
    }

    /// A model that cannot be read, or whose tokenizer cannot write the prompt, judges nothing: that is its fault, not the answers'.
    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        let fault = |error: JudgeError| {
            let place = self.source.as_ref().map_or_else(|| "the reward model".to_owned(), |s| s.path.display().to_string());
            let detail = format!("{place}: {error}");
            vec![Verdict::InfraError { kind: InfraKind::Transport, retryable: false, detail }; group.rollouts.len()]
        };
        Ok(self.verdicts(group).unwrap_or_else(fault))
    }
}

/// Frozen, and with the tokenizer's pad token where the model names none.
fn prepared(mut model: ScoreModel, tokenizer: &Tokenizer) -> ScoreModel {
    tokenizer.pad().into_iter().for_each(|pad| model.name_pad(pad));
    model.freeze();
    model
}

/// Cuts texts into passes of at most `budget` tokens, the prefix counted once a pass.
fn parts(texts: &[usize], prefix: usize, budget: usize, length: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let (mut all, mut open, mut used) = (Vec::new(), Vec::new(), prefix);
    for text in texts {
        if !open.is_empty() && used + length(*text) > budget {
            all.push(std::mem::take(&mut open));
            used = prefix;
        }
        open.push(*text);
        used += length(*text);
    }
    all.extend((!open.is_empty()).then_some(open));
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pass_holds_as_many_texts_as_its_budget_and_each_text_once() {
        let parts = super::parts(&[0, 1, 3, 4], 10, 20, |i| [4, 6, 99, 30, 1][i]);
        assert_eq!(parts, [vec![0, 1], vec![3], vec![4]]);
    }
}
