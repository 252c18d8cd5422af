//! Runs that learn from given data: demonstrations, pairs, labelled answers, comparisons.
//!
//! ```text
//! data ── rows ──► GivenRow ── [reference: the cache, or a forward pass] ──► GivenLearner::step
//! ```
//!
//! A kind of data is one `impl Kind` in `kinds.rs`: how its rows become tokens, and what its held-out score is.

mod cache;
mod kinds;
mod rows;
mod work;

use std::fmt;

use collimate_algorithms::{Card, Data, Method, Needs, Objective};
use collimate_datasets::{DataError, Measure, Split, load_as};
use collimate_text::Tokenizer;
use collimate_types::Seed;

use super::driver::Work;
use super::job::DataFacts;
use super::{Job, plan::Lengths};
use crate::config::Recipe;
use crate::exit::Exit;
use crate::session::Opened;
pub(crate) use kinds::Kind;
pub(crate) use rows::Rows;

/// The part of a run that learns from given data, whatever their kind.
pub(crate) trait Given: fmt::Debug {
    /// The card of the algorithm.
    fn card(&self) -> &'static Card;

    /// What is known of the data.
    fn data(&self) -> DataFacts<'_>;

    /// Whether reference log-probabilities are computed, and whether they are kept.
    fn reference(&self) -> Reference;

    /// Lengths of the first rows, prompt and answers together.
    ///
    /// # Errors
    /// When a row cannot be rendered.
    fn lengths(&self, opened: &Opened, most: usize) -> Result<Lengths, Exit>;

    /// Reads the weights and makes ready.
    ///
    /// # Errors
    /// When a model is refused.
    fn open<'a>(&'a self, job: &'a Job, opened: &'a Opened) -> Result<Box<dyn Work + 'a>, Exit>;
}

/// What becomes of the reference's log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// None are needed.
    None,
    /// They are computed once and kept in the run directory.
    Cached,
    /// They are computed at every step.
    EveryStep,
}

/// One kind of data with its objective.
pub(super) struct GivenJob<D: Kind> {
    objective: Box<dyn Objective<D>>,
    split: Split<D::Item>,
    cache: bool,
    /// Tokens of a row at most; 0 = the model's context.
    max_length: usize,
}

impl<D: Kind> fmt::Debug for GivenJob<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenJob").field("objective", &self.objective).finish_non_exhaustive()
    }
}

impl<D: Kind> GivenJob<D> {
    fn rows<'a>(&'a self, opened: &'a Opened) -> Rows<'a> {
        let context = opened.source.config.max_positions;
        let most = if self.max_length == 0 { context } else { self.max_length.min(context) };
        Rows { tokenizer: &opened.tokenizer, max_length: most }
    }
}

impl<D: Kind> Given for GivenJob<D> {
    fn card(&self) -> &'static Card {
        self.objective.card()
    }

    fn data(&self) -> DataFacts<'_> {
        DataFacts::of(&self.split)
    }

    fn reference(&self) -> Reference {
        match (self.objective.needs().reference, self.cache) {
            (false, _) => Reference::None,
            (true, true) => Reference::Cached,
            (true, false) => Reference::EveryStep,
        }
    }

    fn lengths(&self, opened: &Opened, most: usize) -> Result<Lengths, Exit> {
        let rows = self.rows(opened);
        let (mut sum, mut max) = (0, 0);
        let count = self.split.train.len().min(most);
        for n in 0..count {
            let row = rows.of::<D>(&self.split.train.tasks, n)?;
            let length = row.prompt.len() + row.answers.iter().map(|a| a.tokens.len()).sum::<usize>();
            sum += length;
            max = max.max(length);
        }
        Ok(Lengths { mean: sum as f64 / count.max(1) as f64, max })
    }

    fn open<'a>(&'a self, job: &'a Job, opened: &'a Opened) -> Result<Box<dyn Work + 'a>, Exit> {
        Ok(Box::new(work::GivenWork::<D>::open(job, self, opened)?))
    }
}

/// Reads the data that a method learns from.
///
/// # Errors
/// Everything that is wrong with the data.
pub(super) fn given(method: Method, recipe: &Recipe, seed: Seed, measure: Option<&dyn Measure>) -> Result<Box<dyn Given>, Vec<DataError>> {
    match method {
        Method::Pairs(objective) => load(objective, recipe, seed, measure),
        Method::Labelled(objective) => load(objective, recipe, seed, measure),
        Method::Demonstrations(objective) => load(objective, recipe, seed, measure),
        Method::Comparisons(objective) => load(objective, recipe, seed, measure),
        Method::Online(_) => Err(Vec::new()),
    }
}

fn load<D: Kind + Data>(
    objective: Box<dyn Objective<D>>,
    recipe: &Recipe,
    seed: Seed,
    measure: Option<&dyn Measure>,
) -> Result<Box<dyn Given>, Vec<DataError>> {
    let split = load_as::<D::Item>(&recipe.data, seed, measure)?;
    Ok(Box::new(GivenJob { objective, split, cache: recipe.learner.reference_cache, max_length: recipe.learner.max_length }))
}

/// What an objective needs and a run does not compute.
pub(super) fn unmet(needs: Needs) -> Option<&'static str> {
    let all = [
        (needs.values, "a critic's values"),
        (needs.teacher, "a teacher's log-probabilities"),
        (needs.full_kl, "the KL over the whole vocabulary"),
    ];
    all.into_iter().find(|(needed, _)| *needed).map(|(_, what)| what)
}

/// The tokenizer's end of a sequence, or the token that pads.
fn pad_of(tokenizer: &Tokenizer) -> Option<collimate_types::TokenId> {
    tokenizer.pad().or_else(|| tokenizer.eos())
}
