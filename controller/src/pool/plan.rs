//! The numbers of a pool.

use collimate_types::Seed;

use super::{ActorId, Millis};

/// The numbers of a pool: how many, how long, how often.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolPlan {
    /// How many actors.
    pub actors: u32,
    /// How many prompts a part holds; 0 = the whole batch is one part. Part of a run's address: it decides the shape of what is computed
    /// together, and so the last bit. The number of actors decides nothing.
    pub prompts_per_part: usize,
    /// How many batches may be under way: 1 in a synchronous run, 2 with one step of lead.
    pub batches: usize,
    /// How many published versions old the weights of an actor may be when it begins a part.
    pub max_staleness: u64,
    /// From the start of a process to its connection.
    pub join_ms: Millis,
    /// From an offer of weights to their use.
    pub adopt_ms: Millis,
    /// For a part, from lease to result.
    pub lease_ms: Millis,
    /// For a part, from one sign of progress to the next.
    pub stall_ms: Millis,
    /// The first wait before an actor is started again; it doubles with every failure.
    pub back_off_ms: Millis,
    /// The longest wait before an actor is started again.
    pub back_off_max_ms: Millis,
    /// So many failures of an actor, with no part finished between them, stop the run.
    pub max_failures: u32,
    /// So many actors ended in a row by one part stop the run.
    pub max_deaths: u32,
    /// Where the jitter comes from.
    pub seed: Seed,
}

impl Default for PoolPlan {
    fn default() -> Self {
        Self {
            actors: 1,
            prompts_per_part: 0,
            batches: 1,
            max_staleness: 0,
            join_ms: 120_000,
            adopt_ms: 60_000,
            lease_ms: 3_600_000,
            stall_ms: 60_000,
            back_off_ms: 100,
            back_off_max_ms: 30_000,
            max_failures: 5,
            max_deaths: 5,
            seed: Seed(0),
        }
    }
}

impl PoolPlan {
    /// How long to wait before an actor is started again after its `failures`-th failure in a row: doubled each time, capped, and then
    /// between half and all of it, so that actors which died together do not start together.
    #[must_use]
    pub fn back_off(&self, who: ActorId, failures: u32) -> Millis {
        let doubled = self.back_off_ms.saturating_mul(1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX));
        let longest = doubled.min(self.back_off_max_ms);
        let share = self.seed.fork("restart", u64::from(who.actor)).fork("start", who.incarnation).uniform(0);
        longest - (longest as f64 * 0.5 * share) as Millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_differ_between_actors() {
        let plan = PoolPlan::default();
        for failures in 1..80 {
            let longest = (100_u64.saturating_mul(1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX))).min(30_000);
            let waits: Vec<Millis> =
                (0..50).map(|actor| plan.back_off(ActorId { actor, incarnation: u64::from(failures) }, failures)).collect();
            assert!(waits.iter().all(|w| (longest / 2..=longest).contains(w)), "{failures}: {waits:?}");
            let spread = waits.iter().max().unwrap() - waits.iter().min().unwrap();
            assert!(spread > longest / 4, "{failures}: they start together: {waits:?}");
        }
    }
}
