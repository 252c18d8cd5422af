//! The run of a seed: its shape, its speeds, its faults.

use collimate_controller::pool::PoolPlan;
use collimate_types::{FlowPlan, Role, Seed};

use crate::Fault;
use crate::dice::Dice;

/// The run of a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The seed it comes from.
    pub seed: u64,
    /// The shape of the run.
    pub flow: FlowPlan,
    /// The actors.
    pub pool: PoolPlan,
    /// How many checkpoints are kept.
    pub keep: usize,
    /// One of so many verdicts is missing; 0 = none.
    pub unscored: u64,
    /// How many optimizer updates a step makes: versions count them.
    pub updates: u64,
    /// How long a message takes, at most, in milliseconds.
    pub latency_ms: u64,
    /// How long a part takes, at most, in milliseconds.
    pub part_ms: u64,
    /// What goes wrong, by its moment in milliseconds.
    pub faults: Vec<(u64, Fault)>,
}

impl Scenario {
    /// The run of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(Seed(seed).fork("scenario", 0));
        let mut roles = vec![Role::Actor, Role::Learner, Role::Reward];
        roles.extend(dice.once_in(3).then_some(Role::Reference));
        let flow = FlowPlan {
            roles,
            steps: dice.between(2, 6),
            prompts_per_step: dice.between(1, 5) as usize,
            group_size: dice.between(1, 3) as usize,
            slots: 8,
            drop_groups_without_spread: dice.once_in(4),
            max_refills: dice.below(3) as u32,
            max_staleness: dice.below(3),
            eval_every: dice.below(3),
            save_every: dice.below(3),
            check_every: 0,
        };
        let pool = PoolPlan {
            actors: dice.between(1, 4) as u32,
            prompts_per_part: dice.below(3) as usize,
            batches: 1,
            max_staleness: flow.max_staleness,
            join_ms: 3_000,
            adopt_ms: 2_000,
            lease_ms: 6_000,
            stall_ms: 2_500,
            back_off_ms: 100,
            back_off_max_ms: 2_000,
            max_failures: 5,
            max_deaths: 5,
            seed: Seed(seed),
        };
        let (keep, unscored, updates) = (dice.between(1, 3) as usize, [0, 0, 8, 3][dice.below(4) as usize], dice.between(1, 4));
        let (latency_ms, part_ms) = (dice.between(1, 50), dice.between(5, 1_200));
        let count = dice.below(16);
        // Faults shall fall into the run: this is about how long it takes without any.
        let parts = flow.prompts_per_step.div_ceil(pool.prompts_per_part.max(1)) as u64;
        let step_ms = parts.div_ceil(u64::from(pool.actors)) * part_ms / 2 + 4 * latency_ms + 60;
        let span = flow.steps * step_ms * 3 / 2;
        let mut faults: Vec<(u64, Fault)> = (0..count).map(|_| (dice.below(span), Fault::draw(&mut dice, pool.actors))).collect();
        faults.sort_by_key(|(at, _)| *at);
        Self { seed, flow, pool, keep, unscored, updates, latency_ms, part_ms, faults }
    }

    /// The same run in a kind world: one actor, no fault, no delay.
    #[must_use]
    pub fn calm(&self) -> Self {
        let pool = PoolPlan { actors: 1, ..self.pool.clone() };
        Self { pool, latency_ms: 0, part_ms: 1, faults: Vec::new(), ..self.clone() }
    }
}
