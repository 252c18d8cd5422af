//! What gives an answer its score. One file a scorer.

mod implicit;
mod logp;
mod reward;

use collimate_models::{Block, Model, Suffix};
use collimate_text::Tokenizer;
use serde_json::{Map, Value};
use tch::Kind;

use super::args::{EvalPreferenceArgs, ScorerKind};
use crate::exit::{Exit, OrExit, refused};
use crate::render::RenderedPair;
use crate::session::Opened;

/// Scores the two answers of a pair.
pub(super) trait Scorer {
    /// What it is, for the record of an evaluation.
    fn settings(&self) -> Map<String, Value>;

    /// The longest sequence that it can score.
    fn context(&self) -> usize;

    /// The scores of `[chosen, rejected]` for each pair. The pairs fit one forward pass.
    ///
    /// # Errors
    /// When the model refuses the batch.
    fn score(&self, pairs: &[&RenderedPair]) -> Result<Vec<[f64; 2]>, Exit>;
}

/// Loads the scorer that the command line asks for.
///
/// # Errors
/// With code 3 when a model is refused, with code 2 when the reference speaks another vocabulary.
pub(super) fn open(args: &EvalPreferenceArgs, opened: &Opened) -> Result<Box<dyn Scorer>, Exit> {
    let usual = if opened.source.has_scores() { ScorerKind::Reward } else { ScorerKind::Logp };
    let policy = || crate::session::load(&opened.source);
    match (args.scorer.unwrap_or(usual), &args.reference) {
        (ScorerKind::Reward, _) => {
            let mut model = opened.source.load_scores(Kind::Float, None).or_model()?;
            opened.tokenizer.pad().into_iter().for_each(|pad| model.name_pad(pad));
            Ok(Box::new(reward::Reward { model }))
        }
        (ScorerKind::Logp, _) => Ok(Box::new(logp::Logp { model: policy()?, per_token: args.per_token })),
        (ScorerKind::Implicit, Some(path)) => {
            let other = crate::session::open_model(path)?;
            same_vocabulary(&opened.tokenizer, &other.tokenizer)?;
            let reference = crate::session::load(&other.source)?;
            Ok(Box::new(implicit::Implicit { model: policy()?, reference, beta: args.beta, per_token: args.per_token }))
        }
        (ScorerKind::Implicit, None) => {
            Err(refused("the implicit reward needs --reference PATH: the model that the training started from"))
        }
    }
}

/// A ratio of probabilities means something only if both models read the same tokens.
fn same_vocabulary(one: &Tokenizer, other: &Tokenizer) -> Result<(), Exit> {
    let probe = "Human: 12 + 30 = 42? Yes.\n\nAssistant: déjà vu, naïve — 日本\t{}";
    let same = one.vocab_size() == other.vocab_size() && one.encode(probe).or_model()? == other.encode(probe).or_model()?;
    if same {
        Ok(())
    } else {
        Err(refused("the reference has another tokenizer than the model; take the model that the training started from"))
    }
}

/// `Σ ln p` of each answer, or its mean over the counted tokens.
fn logps(model: &Model, pairs: &[&RenderedPair], per_token: bool) -> Result<Vec<[f64; 2]>, Exit> {
    let suffix = |row: usize, said: &crate::render::Said| Suffix { tokens: said.tokens.clone(), scored: said.scored.clone(), row };
    let block = |(at, pair): (usize, &&RenderedPair)| Block {
        prefix: pair.prompt.clone(),
        suffixes: vec![suffix(2 * at, &pair.replies[0]), suffix(2 * at + 1, &pair.replies[1])],
    };
    let blocks: Vec<Block> = pairs.iter().enumerate().map(block).collect();
    let sums = super::logp::sums(model, &blocks, 2 * pairs.len()).or_failed()?;
    let score = |at: usize, side: usize| {
        let count = if per_token { pairs[at].replies[side].len() as f64 } else { 1.0 };
        sums[2 * at + side] / count
    };
    Ok((0..pairs.len()).map(|at| [score(at, 0), score(at, 1)]).collect())
}
