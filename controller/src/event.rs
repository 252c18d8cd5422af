//! What the driver tells the controller.

use std::fmt;
use std::sync::Arc;

use collimate_types::{BatchId, Prompt, RolloutGroup, ScoredGroup, StepReport, WeightsVersion};

/// Something that happened. Groups travel by value: who sends them has them no more.
///
/// `Generated`, `Scored`, `Referenced` and `Adopted` may come from parts that are redone after a fault, so they may come twice or late: what
/// is not waited for is thrown away and counted. Every other event answers exactly one command and is an error where it does not fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The next prompts of the data, in order: at most as many as were asked for, fewer where the data end.
    Drawn {
        /// The flow step.
        step: u64,
        /// The refill they were drawn for.
        refill: u32,
        /// The prompts.
        prompts: Vec<Arc<Prompt>>,
    },
    /// The next rows of given data lie with the learner, in order; none where the data end. Answers `Draw` in a run that draws no answers.
    Taken {
        /// The flow step.
        step: u64,
        /// How many, at most as many as were asked for.
        rows: usize,
    },
    /// A batch was generated.
    Generated {
        /// Its address.
        id: BatchId,
        /// One group a request, in the order of the requests.
        groups: Vec<RolloutGroup>,
    },
    /// A batch was judged.
    Scored {
        /// Its address.
        id: BatchId,
        /// The groups of [`Command::Score`](crate::Command::Score), in its order.
        groups: Vec<ScoredGroup>,
    },
    /// The reference's log-probs of a step are there; the driver keeps them until the credit is made.
    Referenced {
        /// The flow step.
        step: u64,
        /// The groups of [`Command::Reference`](crate::Command::Reference), handed back in its order.
        groups: Vec<ScoredGroup>,
    },
    /// Every token of the step has its credit; the batch lies with the learner.
    Credited {
        /// The flow step.
        step: u64,
    },
    /// The learner made the step's updates.
    Updated(StepReport),
    /// The new weights can be taken.
    Published {
        /// Their version.
        version: WeightsVersion,
    },
    /// Every actor runs the new weights.
    Adopted {
        /// Their version.
        version: WeightsVersion,
    },
    /// The held-out evaluation ended.
    Evaluated {
        /// The boundary it was made at.
        step: u64,
        /// Higher is better; none where nothing could be scored.
        score: Option<f64>,
    },
    /// A checkpoint is complete on disk.
    Saved {
        /// The boundary it holds.
        step: u64,
    },
    /// A checkpoint could not be saved; everything is as before, and the one before it stands.
    NotSaved {
        /// The boundary it would have held.
        step: u64,
    },
    /// The first signal: end soon, with a complete checkpoint.
    StopRequested,
    /// Save at the next boundary, and go on.
    SaveRequested,
}

impl Event {
    /// Whether it answers a command that a stop may take back: one before a step's update, or the evaluation before the first step.
    /// (`Generated`, `Scored` and `Referenced` are such answers too; they may come late at any time.)
    pub(crate) fn taken_back_by_stop(&self) -> bool {
        matches!(self, Self::Drawn { .. } | Self::Taken { .. } | Self::Credited { .. } | Self::Evaluated { step: 0, .. })
    }

    /// Whether it may come twice or late, because the part that sends it is redone after a fault.
    pub(crate) fn redone(&self) -> bool {
        matches!(self, Self::Generated { .. } | Self::Scored { .. } | Self::Referenced { .. } | Self::Adopted { .. })
    }
}

/// The event with its address, for messages.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drawn { step, refill, .. } => write!(f, "drawn, step {step} refill {refill}"),
            Self::Taken { step, rows } => write!(f, "taken, step {step}, {rows} rows"),
            Self::Generated { id, .. } => write!(f, "generated, {id}"),
            Self::Scored { id, .. } => write!(f, "scored, {id}"),
            Self::Referenced { step, .. } => write!(f, "referenced, step {step}"),
            Self::Credited { step } => write!(f, "credited, step {step}"),
            Self::Updated(report) => write!(f, "updated, step {} to version {}", report.step, report.version),
            Self::Published { version } => write!(f, "published, version {version}"),
            Self::Adopted { version } => write!(f, "adopted, version {version}"),
            Self::Evaluated { step, .. } => write!(f, "evaluated, step {step}"),
            Self::Saved { step } => write!(f, "saved, step {step}"),
            Self::NotSaved { step } => write!(f, "not saved, step {step}"),
            Self::StopRequested => write!(f, "stop requested"),
            Self::SaveRequested => write!(f, "save requested"),
        }
    }
}
