//! Generation engine, rollout worker and scorer: everything that runs the policy forward only.
//!
//! ```text
//! loop { batch = lease.next(); groups = worker.roll(batch)?; sink.send(groups)?; worker.adopt(weights.latest()?)?; }
//! ```

mod engine;
mod error;
mod filter;
mod judge;
mod row;
mod sampler;
mod scorer;

pub use engine::{Engine, Progress};
pub use error::ActorError;
pub use judge::{JudgeError, RewardModel};
pub use scorer::{Mismatch, blocks_of, logp_of, mismatch};
