//! Events and states that the controller refuses.

use collimate_types::WeightsVersion;

/// An event or a state that the controller refuses. After a refused event the controller is as it was before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// An event that nothing waits for.
    #[error("event `{event}` does not fit the state `{state}`: the driver must send one answer a command, in order")]
    Misfit {
        /// The event with its address.
        event: String,
        /// The state with its step.
        state: String,
    },
    /// An answer with too few or too many things in it.
    #[error("event `{event}` in state `{state}` holds {got} {what}, wanted {wanted}")]
    Count {
        /// The event with its address.
        event: String,
        /// The state with its step.
        state: String,
        /// What was counted.
        what: &'static str,
        /// How many came.
        got: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// A group stands where another one was asked for: the order of requests is part of what makes a run repeatable.
    #[error("event `{event}`: group {index} answers task `{got}`, wanted task `{wanted}`: groups must keep the order of the requests")]
    Order {
        /// The event with its address.
        event: String,
        /// Which group, counted from 0.
        index: usize,
        /// The task it answers.
        got: String,
        /// The task that was asked.
        wanted: String,
    },
    /// A version that cannot be: versions only grow, and an actor cannot be ahead of the learner.
    #[error("event `{event}` speaks of version {got}, but {rule} version {version}")]
    Version {
        /// The event with its address.
        event: String,
        /// The version it speaks of.
        got: WeightsVersion,
        /// What was broken.
        rule: &'static str,
        /// The version that is published.
        version: WeightsVersion,
    },
    /// A plan that is shorter than what was already done.
    #[error("the checkpoint has {done} steps behind it, the plan has only {planned}: raise the number of steps to {done} or more")]
    PlanTooShort {
        /// Steps done.
        done: u64,
        /// Steps planned.
        planned: u64,
    },
}
