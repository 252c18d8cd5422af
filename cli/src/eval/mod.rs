//! `collimate eval`: measures models. What is computed from the measurements stands in `collimate_evals`, without LibTorch.
//!
//! ```text
//! preference   pairs ── render ──► scorer (logp | implicit | …) ──► Preference::evaluate
//! task         questions ── Engine ──► rewards ──► SampledResult::of
//! winrate      prompts ── two models ──► judge (rewards | endpoint), both orders ──► WinRateResult::of
//! perplexity   texts ── logp_of ──► PerplexityResult::of
//! ```
//!
//! To add a scorer: one file in `scorer/` and one value of `ScorerKind`. To add a judge: one file in `judge/` and one arm in `judge::open`.

mod answers;
pub(crate) mod args;
mod data;
mod judge;
mod keep;
mod lines;
mod logp;
mod perplexity;
mod preference;
mod progress;
mod scorer;
mod task;
mod vote;
mod winrate;

use crate::exit::{Code, Exit};
use args::Eval;

/// Measures.
pub(crate) fn eval(args: &Eval) -> Result<Code, Exit> {
    match args {
        Eval::Task(args) => task::task(args),
        Eval::Preference(args) => preference::preference(args),
        Eval::Winrate(args) => winrate::winrate(args),
        Eval::Perplexity(args) => perplexity::perplexity(args),
    }
}
