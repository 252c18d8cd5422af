//! `collimate eval perplexity`: how well a model foretells texts.

use std::time::Instant;

use collimate_evals::{Bootstrap, Outcome, PerplexityResult, ScoredText};
use collimate_models::{Block, Model, Suffix};
use collimate_text::Tokenizer;
use collimate_types::{Demonstration, Message, Reply, Seed, TokenId};
use serde_json::{Map, json};

use super::args::EvalPerplexityArgs;
use super::keep::{self, Kept};
use super::progress::Progress;
use super::{data, logp};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::render;
use crate::run::Signals;
use crate::session;

/// The widest window, if none is given: wider ones cost much and change little.
const WIDEST: usize = 2048;

/// Scores every text and tells the perplexity.
pub(super) fn perplexity(args: &EvalPerplexityArgs) -> Result<Code, Exit> {
    let signals = Signals::catch()?;
    session::start_libtorch(args.threads);
    let opened = session::open_model(&args.model)?;
    let (texts, format) = texts(args, &opened.tokenizer)?;
    let window = args.window.unwrap_or(WIDEST).min(opened.source.config.max_positions);
    let stride = args.stride.unwrap_or(window / 2);
    if window < 2 || stride == 0 || stride >= window {
        return Err(refused(format!("a window of {window} tokens that moves by {stride} scores nothing; take 0 < stride < window")));
    }
    let model = session::load(&opened.source)?;
    let start = Instant::now();
    let mut progress = Progress::start("texts", texts.len(), &signals);
    let mut scored = Vec::with_capacity(texts.len());
    for text in &texts {
        progress.at(scored.len())?;
        scored.push(score(&model, &opened.tokenizer, text, [window, stride], &mut || progress.asked())?);
    }
    progress.at(scored.len())?;
    drop(progress);
    let bootstrap = Bootstrap { seed: Seed(args.output.seed).fork("perplexity", 0), ..Bootstrap::default() };
    let result = PerplexityResult::of(&scored, bootstrap).or_failed()?;
    let settings = [("window", json!(window)), ("stride", json!(stride)), ("rows", json!(texts.len())), ("seed", json!(args.output.seed))];
    let kept = Kept {
        model: keep::model(&args.model)?,
        against: None,
        data: keep::file(&args.data)?,
        format: format.to_owned(),
        settings: settings.map(|(k, v)| (k.to_owned(), v)).into_iter().collect::<Map<_, _>>(),
        seconds: start.elapsed().as_secs_f64(),
    };
    keep::tell(kept, Outcome::Perplexity(result), &keep::place(&args.output, &args.model), args.output.json)
}

/// The texts with the format that read them: a `.txt` file is one text, a demonstration is learnt, and measured, as a whole.
fn texts(args: &EvalPerplexityArgs, tokenizer: &Tokenizer) -> Result<(Vec<String>, &'static str), Exit> {
    if args.data.extension().is_some_and(|e| e == "txt") {
        let text = std::fs::read_to_string(&args.data).map_err(|e| format!("cannot read `{}`: {e}", args.data.display())).or_refused()?;
        return Ok((vec![text], "txt"));
    }
    // A column of another name is a text, whatever else the row has.
    let format = if args.field.is_some() && args.format == "auto" { "text" } else { &args.format };
    let columns: Vec<(&str, &str)> = args.field.iter().map(|field| ("text", field.as_str())).collect();
    let read = data::load::<Demonstration>(&args.data, format, args.rows, &columns)?;
    let texts = read.list.iter().map(|d| whole(d, tokenizer)).collect::<Result<_, _>>()?;
    Ok((texts, read.format))
}

/// Prompt and answer together; a conversation as the model's template writes it.
fn whole(demonstration: &Demonstration, tokenizer: &Tokenizer) -> Result<String, Exit> {
    match &demonstration.answer {
        Reply::Text(text) => Ok(format!("{}{text}", demonstration.text.as_deref().unwrap_or_default())),
        Reply::Turns(turns) => {
            let messages: Vec<Message> = demonstration.messages.iter().chain(turns).cloned().collect();
            render::closed(tokenizer, &messages).or_refused()
        }
    }
}

/// Every token but the first is scored once, in windows that overlap: a window's own tokens are its last `stride` (the first window's: all).
fn score(
    model: &Model,
    tokenizer: &Tokenizer,
    text: &str,
    [window, stride]: [usize; 2],
    asked: &mut dyn FnMut() -> bool,
) -> Result<ScoredText, Exit> {
    // A tokenizer that begins a sequence with a token of its own lets the first token of the text be foretold too.
    let tokens = tokenizer.encode_with(text, true).or_refused()?;
    let (mut nats, mut done) = (0.0, 1);
    while done < tokens.len() && !asked() {
        let end = if done == 1 { window.min(tokens.len()) } else { (done + stride).min(tokens.len()) };
        let begin = end.saturating_sub(window);
        let own = &tokens[done..end];
        let suffix = Suffix { tokens: own.to_vec(), scored: vec![true; own.len()], row: 0 };
        let block = Block { prefix: tokens[begin..done].to_vec(), suffixes: vec![suffix] };
        nats -= logp::sums(model, &[block], 1).or_failed()?[0];
        done = end;
    }
    let bytes = text.len() - first_bytes(tokenizer, &tokens)?.min(text.len());
    Ok(ScoredText { nats, tokens: tokens.len().saturating_sub(1) as u64, bytes: bytes as u64 })
}

/// Bytes of the token that stands before all others and is not scored; a special token has none.
fn first_bytes(tokenizer: &Tokenizer, tokens: &[TokenId]) -> Result<usize, Exit> {
    let first = tokens.get(..1).unwrap_or_default();
    Ok(tokenizer.decode(first, true).or_refused()?.len())
}
