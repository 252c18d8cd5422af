//! `collimate eval perplexity`: how well a model foretells texts.

use std::io::Read;
use std::time::Instant;

use collimate_evals::{Bootstrap, Outcome, PerplexityResult, ScoredText};
use collimate_models::{Block, Model, Suffix};
use collimate_text::Tokenizer;
use collimate_types::{Seed, TokenId};
use serde_json::{Map, json};

use super::args::EvalPerplexityArgs;
use super::keep::{self, Kept};
use super::progress::Progress;
use super::{lines, logp};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::run::Signals;
use crate::session;

/// The widest window, if none is given: wider ones cost much and change little.
const WIDEST: usize = 2048;

/// Scores every text and tells the perplexity.
pub(super) fn perplexity(args: &EvalPerplexityArgs) -> Result<Code, Exit> {
    let texts = texts(args)?;
    let signals = Signals::catch()?;
    session::start_libtorch(args.threads);
    let opened = session::open_model(&args.model)?;
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
        format: "text".into(),
        settings: settings.map(|(k, v)| (k.to_owned(), v)).into_iter().collect::<Map<_, _>>(),
        seconds: start.elapsed().as_secs_f64(),
    };
    keep::tell(kept, Outcome::Perplexity(result), &keep::place(&args.output, &args.model), args.output.json)
}

/// The column of JSON lines, or a whole file.
fn texts(args: &EvalPerplexityArgs) -> Result<Vec<String>, Exit> {
    let name = args.data.to_string_lossy();
    let mut texts = Vec::new();
    if [".jsonl", ".jsonl.gz", ".json", ".json.gz"].iter().any(|end| name.ends_with(end)) {
        lines::objects(&args.data, args.rows, |row| {
            let columns = || row.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            let text = row.get(&args.field).and_then(serde_json::Value::as_str);
            texts.push(
                text.ok_or_else(|| format!("there is no text `{}`; the row has {} (choose one with --field)", args.field, columns()))?
                    .to_owned(),
            );
            Ok(())
        })?;
    } else {
        let mut text = String::new();
        lines::open(&args.data)?.read_to_string(&mut text).map_err(|e| refused(format!("cannot read `{name}`: {e}")))?;
        texts.push(text);
    }
    Ok(texts)
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
