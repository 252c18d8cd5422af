//! Credit of a whole step against verl's stored numbers: nouns in, nouns out.

use collimate_algorithms::{AlgoState, build};
use collimate_learners::{Told, credit};
use collimate_types::{Finish, Rollout, RolloutGroup, ScoredGroup, Verdict};
use safetensors::{Dtype, SafeTensors};

use crate::credited::{beside, prompt};

const ROWS: usize = 16;
const COLUMNS: usize = 24;
const GROUP: usize = 4;

fn stored(name: &str) -> Vec<f64> {
    let bytes = std::fs::read(beside("algorithms/tests/data/ppo_gae_verl.safetensors")).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let view = all.tensor(name).unwrap();
    match view.dtype() {
        Dtype::I64 => view.data().chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
        _ => view.data().chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
    }
}

/// Tokens of each row.
fn lengths() -> Vec<usize> {
    stored("mask").chunks(COLUMNS).map(|row| row.iter().filter(|m| **m == 1.0).count()).collect()
}

#[test]
fn advantages_and_returns_of_a_step_equal_verls() {
    let (old, reference, values, rewards) = (stored("old_logps"), stored("ref_logps"), stored("values"), stored("rewards"));
    let lengths = lengths();
    let cut = |numbers: &[f64], b: usize| numbers[b * COLUMNS..b * COLUMNS + lengths[b]].iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let rollout = |b: usize| Rollout {
        tokens: vec![9; lengths[b]],
        text: String::new(),
        logp: cut(&old, b),
        logp_behaviour: None,
        trained: vec![true; lengths[b]],
        finish: Finish::Eos,
        versions: (0, 0),
    };
    let groups: Vec<ScoredGroup> = (0..ROWS)
        .step_by(GROUP)
        .map(|b| ScoredGroup {
            group: RolloutGroup { prompt: prompt(&b.to_string(), &[1]), rollouts: (b..b + GROUP).map(rollout).collect() },
            verdicts: (b..b + GROUP).map(|b| Verdict::score_of(rewards[b])).collect(),
        })
        .collect();
    let by_token =
        |numbers: &[f64]| (0..ROWS).step_by(GROUP).map(|b| (b..b + GROUP).map(|b| cut(numbers, b)).collect()).collect::<Vec<Vec<_>>>();
    let (reference, values) = (by_token(&reference), by_token(&values));
    let told = Told { reference: Some(&reference), values: Some(&values), greedy: None };
    let ppo = build("ppo", &serde_json::json!({"beta": 0.05})).unwrap();
    let batch = credit(ppo.as_ref(), &mut AlgoState::default(), &groups, told, 1.0).unwrap();
    let (wanted, returns) = (stored("gae_adv_whitened_g1.0_l0.95"), stored("gae_returns_g1.0_l0.95"));
    for (b, row) in batch.groups.iter().flat_map(|g| &g.rows).enumerate() {
        let critic = row.critic.as_ref().unwrap();
        for t in 0..lengths[b] {
            let at = b * COLUMNS + t;
            assert!(
                (f64::from(row.advantage[t]) - wanted[at]).abs() < 2e-5,
                "row {b}, token {t}: {} against {}",
                row.advantage[t],
                wanted[at]
            );
            assert!((f64::from(critic.returns[t]) - returns[at]).abs() < 2e-5, "row {b}, token {t}");
        }
    }
    assert!(batch.metrics.get("critic/explained_variance").unwrap().is_finite());
}
