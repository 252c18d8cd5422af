//! What the controller tells the driver.

use collimate_types::{BatchId, RolloutBatch, RolloutGroup, ScoredGroup, WeightsVersion};

/// Something to be done. Commands of one list are carried out in order; each that has an answer names the event.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Take the next prompts of the data; in a run that learns from given data its next rows. Answer: `Drawn`, or `Taken`.
    ///
    /// With `refill` 0 a step begins: the driver first notes what moves before `Update` (see the crate's head).
    Draw {
        /// The flow step, counted from 1.
        step: u64,
        /// Which refill of the step.
        refill: u32,
        /// How many.
        count: usize,
    },
    /// Draw completions from the policy. Answer: `Generated`. May be given to any actor, and again to another.
    Generate(RolloutBatch),
    /// Judge completions. Answer: `Scored`.
    Score {
        /// The batch they belong to.
        id: BatchId,
        /// What is to be judged.
        groups: Vec<RolloutGroup>,
    },
    /// Compute the reference's log-probs and keep them under the step. Answer: `Referenced`, which hands the groups back.
    Reference {
        /// The flow step.
        step: u64,
        /// What is trained on.
        groups: Vec<ScoredGroup>,
    },
    /// Give every token its credit. Answer: `Credited`.
    Credit {
        /// The flow step.
        step: u64,
        /// What is trained on, at least one group.
        groups: Vec<ScoredGroup>,
    },
    /// Recompute one block of the credited batch by the packed forward and log how far the sampler's log-probs are off. No answer.
    Check {
        /// The flow step.
        step: u64,
    },
    /// Make the step's updates on the credited batch. Answer: `Updated`. From here on a stop waits for the boundary.
    Update {
        /// The flow step.
        step: u64,
    },
    /// The step ends without an update, because no group was left to train on: log it. No answer.
    Skip {
        /// The flow step.
        step: u64,
    },
    /// Make the new weights available. Answer: `Published`.
    Publish {
        /// Their version.
        version: WeightsVersion,
    },
    /// Let every actor take the new weights. Answer: `Adopted`, when the last one has.
    Adopt {
        /// Their version.
        version: WeightsVersion,
    },
    /// Evaluate the current weights on held-out data. Answer: `Evaluated`.
    Evaluate {
        /// The boundary: how many steps are done.
        step: u64,
    },
    /// Save a checkpoint of a boundary, with [`Controller::state`](crate::Controller::state) in it. Answer: `Saved` or `NotSaved`.
    Save {
        /// The boundary.
        step: u64,
        /// Whether its held-out score is the best so far.
        best: bool,
        /// Whether the run ends after it.
        last: bool,
    },
    /// The run is over: cancel what is under way. No answer; nothing is commanded after it.
    Finish(Outcome),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were made.
    Done,
    /// A stop was asked for.
    Stopped {
        /// The boundary of the newest checkpoint; none if the run had not yet reached its first boundary (the model it started from is
        /// not saved again).
        saved_step: Option<u64>,
    },
    /// So many steps in a row had no group to train on: the reward judges nothing, or the task is too easy or too hard to give spread.
    Starved {
        /// How many.
        steps: u64,
    },
    /// A checkpoint could not be saved, and there is no later one: it was the last, or too many failed in a row.
    NotSaved {
        /// The boundary that is not on the disk.
        step: u64,
        /// How many saves failed in a row.
        saves: u32,
        /// The boundary of the newest checkpoint that is.
        saved_step: Option<u64>,
    },
    /// So many steps in a row made no update because the loss or a gradient was not finite.
    NotFinite {
        /// How many.
        steps: u64,
    },
}
