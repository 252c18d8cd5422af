//! `collimate eval preference`: how often a score agrees with people.

use std::time::Instant;

use collimate_evals::{Bootstrap, Outcome, Preference, ScoredPair};
use collimate_types::{PreferencePair, Seed, Speaker};
use serde_json::json;

use super::args::{EvalPreferenceArgs, ScorerKind};
use super::data;
use super::keep::{self, Kept};
use super::progress::Progress;

use super::scorer::{self, Scorer};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::render::{self, RenderedPair};
use crate::run::Signals;
use crate::session;

/// Scores every pair and tells how often the preferred answer wins.
pub(super) fn preference(args: &EvalPreferenceArgs) -> Result<Code, Exit> {
    if args.micro_tokens == 0 {
        return Err(refused("--micro-tokens must be 1 or more"));
    }
    let data = data::load::<PreferencePair>(&args.data, &args.format, args.rows, &[])?;
    let signals = Signals::catch()?;
    session::start_libtorch(args.threads);
    let opened = session::open_model(&args.model)?;
    let rendered: Vec<Result<RenderedPair, String>> =
        data.list.iter().map(|p| render::pair(&opened.tokenizer, p).map_err(|e| e.to_string())).collect();
    let scorer = scorer::open(args, &opened)?;
    let start = Instant::now();
    let scores = score(scorer.as_ref(), &rendered, args.micro_tokens, &signals)?;
    let scored: Vec<ScoredPair> = data.list.iter().zip(&rendered).zip(&scores).map(|((p, r), s)| item(p, r.as_ref().ok(), *s)).collect();
    let bootstrap = Bootstrap { seed: Seed(args.output.seed).fork("preference", 0), ..Bootstrap::default() };
    let result = Preference { bootstrap }.evaluate(&scored).or_failed()?;
    let mut settings = scorer.settings();
    settings.insert("rows".into(), json!(data.list.len()));
    settings.insert("seed".into(), json!(args.output.seed));
    let against = args.reference.as_deref().filter(|_| args.scorer == Some(ScorerKind::Implicit)).map(keep::model).transpose()?;
    let kept = Kept {
        model: keep::model(&args.model)?,
        against,
        data: keep::file(&args.data)?,
        format: data.format.to_owned(),
        settings,
        seconds: start.elapsed().as_secs_f64(),
    };
    keep::tell(kept, Outcome::Preference(result), &keep::place(&args.output, &args.model), args.output.json)
}

/// The scores of each pair; NaN where a pair cannot be rendered or is longer than the model's context.
fn score(scorer: &dyn Scorer, rendered: &[Result<RenderedPair, String>], budget: usize, signals: &Signals) -> Result<Vec<[f64; 2]>, Exit> {
    let mut scores = vec![[f64::NAN; 2]; rendered.len()];
    let mut progress = Progress::start("pairs", rendered.len(), signals);
    let (mut open, mut used, mut long) = (Vec::new(), 0, 0_usize);
    let mut flush = |open: &mut Vec<(usize, &RenderedPair)>| -> Result<(), Exit> {
        let pairs: Vec<&RenderedPair> = open.iter().map(|(_, p)| *p).collect();
        for ((at, _), score) in open.iter().zip(scorer.score(&pairs)?) {
            scores[*at] = score;
        }
        open.clear();
        Ok(())
    };
    for (at, pair) in rendered.iter().enumerate() {
        let Ok(pair) = pair else { continue };
        if pair.longest() > scorer.context() {
            long += 1;
            continue;
        }
        if used + pair.tokens() > budget && !open.is_empty() {
            flush(&mut open)?;
            used = 0;
            progress.at(at)?;
        }
        used += pair.tokens();
        open.push((at, pair));
    }
    if !open.is_empty() {
        flush(&mut open)?;
    }
    progress.at(rendered.len())?;
    drop(progress);
    if long > 0 {
        session::say(&format!("{long} pairs are longer than the context of {} tokens; they count as not scored", scorer.context()));
    }
    if let Some(reason) = rendered.iter().find_map(|r| r.as_ref().err()) {
        let count = rendered.iter().filter(|r| r.is_err()).count();
        session::say(&format!("{count} pairs could not be rendered; they count as not scored. The first: {reason}"));
    }
    Ok(scores)
}

fn item(pair: &PreferencePair, rendered: Option<&RenderedPair>, [chosen, rejected]: [f64; 2]) -> ScoredPair {
    let tokens = |side: usize| rendered.map_or(0, |r| r.replies[side].len() as u64);
    let question = pair.text.clone().unwrap_or_else(|| json!(pair.messages).to_string());
    ScoredPair {
        chosen,
        rejected,
        label: pair.label,
        chosen_tokens: tokens(0),
        rejected_tokens: tokens(1),
        turns: pair.messages.iter().filter(|m| m.role == Speaker::User).count().max(1) as u32,
        subset: (!pair.subset.is_empty()).then(|| pair.subset.clone()),
        question: Some(question),
    }
}
