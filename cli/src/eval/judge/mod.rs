//! Who says which of two answers is better. One file a judge.

mod endpoint;
mod reward;

use collimate_evals::JudgedPair;
use collimate_types::Task;
use serde_json::{Map, Value};

use super::answers::Said;
use super::args::EvalWinrateArgs;
use super::progress::Progress;
use crate::exit::{Exit, refused};

/// A prompt with both answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contest<'a> {
    pub(super) task: &'a std::sync::Arc<Task>,
    pub(super) a: &'a Said,
    pub(super) b: &'a Said,
}

/// Judges contests, each in both orders.
pub(super) trait Judge {
    /// What it is, for the record of an evaluation.
    fn settings(&self) -> Map<String, Value>;

    /// A verdict a contest; an order that could not be judged is none. Lengths are filled in by the caller.
    ///
    /// # Errors
    /// When nothing can be judged at all, or a signal asked for the end.
    fn judge(&self, contests: &[Contest<'_>], progress: &mut Progress) -> Result<Vec<JudgedPair>, Exit>;
}

/// The judge that the command line asks for.
///
/// # Errors
/// With code 2.
pub(super) fn open(args: &EvalWinrateArgs) -> Result<Box<dyn Judge>, Exit> {
    match (&args.reward, &args.judge, &args.judge_model) {
        (Some(name), _, _) => Ok(Box::new(reward::ByReward::open(name)?)),
        (None, Some(url), Some(model)) => Ok(Box::new(endpoint::Endpoint::open(url, model, args)?)),
        _ => Err(refused("give --reward NAME, or --judge URL with --judge-model NAME")),
    }
}
