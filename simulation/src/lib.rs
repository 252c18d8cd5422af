//! A whole run in one thread: controller, pool of actors, messages, disk and time are simulated from a seed, and so are the faults.
//!
//! What is simulated is the world; what runs in it are the very state machines of a run: [`collimate_controller::Controller`],
//! [`collimate_controller::pool::Pool`], and the save protocol of `collimate-store` on its model of a disk. Actors are killed, frozen and
//! delayed, their messages come late or twice; the launcher dies or loses the power in the middle of anything, a save included; the disk
//! refuses calls. A run that ended early is resumed from what the disk holds.
//!
//! The oracle is a calm run of the same seed: one actor, no fault, no delay. What holds in every run ([`Broken`] says what did not):
//!
//! - the end is the same: step, version, weights, data cursor, and every byte of the metrics;
//! - a batch is committed once in a life of the run, by weights within the staleness bound;
//! - published versions only grow, and so do the versions of an actor;
//! - no more batches are under way than the plan allows, and no actor has more than one part;
//! - no checkpoint with a step's name is a half one, and none is lost;
//! - after the last fault the run ends within a bound, and at every moment something is due.

mod actor;
mod dice;
mod disk;
mod faults;
mod life;
mod outcome;
mod scenario;
mod world;

pub use faults::Fault;
pub use outcome::{Broken, Tally};
pub use scenario::Scenario;

/// Simulates the run of a seed.
///
/// # Errors
/// The first thing that did not hold, with the seed that shows it again.
pub fn simulate(seed: u64) -> Result<Tally, Broken> {
    let scenario = Scenario::of(seed);
    let calm = world::World::new(&scenario.calm())?.run()?;
    let tally = world::World::new(&scenario)?.run()?;
    calm.same_end(&tally, seed)?;
    Ok(tally)
}
