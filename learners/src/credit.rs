//! Hop 6: nouns to numbers, the algorithm's credit, numbers to nouns.

use collimate_algorithms::{AlgoState, Algorithm, CreditInput, GroupRewards, RowCredit, RowTokens};
use collimate_types::{CreditedBatch, CreditedGroup, CreditedRow, CriticRow, Metrics, Rollout, ScoredGroup};

use crate::LearnerError;

/// One number a token, by group and completion: `[P][G][T]`, in the shape of the groups.
pub type ByToken = [Vec<Vec<f32>>];

/// What other roles say of the completions, where the algorithm asks them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    /// Log-probabilities under the reference.
    pub reference: Option<&'a ByToken>,
    /// A critic's values of the states before the tokens.
    pub values: Option<&'a ByToken>,
    /// `[P]` the score of the greedy answer to each prompt.
    pub greedy: Option<&'a [Option<f64>]>,
}

/// Gives every token its credit. Completions without a score, and groups none of whose completions trains, are left out.
///
/// # Errors
/// When the algorithm refuses its input, or misses what it needs.
pub fn credit(
    algorithm: &dyn Algorithm,
    state: &mut AlgoState,
    groups: &[ScoredGroup],
    told: Told<'_>,
    temperature: f64,
) -> Result<CreditedBatch, LearnerError> {
    let scores: Vec<Vec<Option<f64>>> = groups.iter().map(|g| g.verdicts.iter().map(|v| v.score().map(|s| s.total)).collect()).collect();
    let lengths: Vec<Vec<usize>> = groups.iter().map(|g| g.group.rollouts.iter().map(|r| r.tokens.len()).collect()).collect();
    let kl: Option<Vec<Vec<f64>>> = told.reference.map(|r| groups.iter().zip(r).map(|(g, r)| kl_sums(g, r)).collect());
    let log_ratios: Option<Wide> = told.reference.map(|r| groups.iter().zip(r).map(|(g, r)| log_ratios(g, r)).collect());
    let values: Option<Wide> = told.values.map(wide);
    let tokens: Vec<Vec<RowTokens<'_>>> =
        (0..groups.len()).map(|p| tokens(&groups[p], log_ratios.as_ref().map(|l| &l[p]), values.as_ref().map(|v| &v[p]))).collect();
    let rewards: Vec<GroupRewards<'_>> = (0..groups.len())
        .map(|p| GroupRewards {
            kl: kl.as_ref().map(|k| k[p].as_slice()),
            tokens: Some(&tokens[p]),
            greedy: told.greedy.and_then(|g| g[p]),
            ..GroupRewards::new(&scores[p], &lengths[p])
        })
        .collect();
    let credit = algorithm.credit(state, &CreditInput { groups: &rewards })?;
    let row = |p: usize, g: usize, credited: &RowCredit| {
        let rollout = &groups[p].group.rollouts[g];
        let advantage = match credited {
            RowCredit::Sequence(a) => vec![*a as f32; rollout.tokens.len()],
            RowCredit::Tokens(a) => narrow(a),
            RowCredit::Untrained => return None,
        };
        let critic = |(values, returns): (&ByToken, &Vec<Vec<Vec<f64>>>)| CriticRow {
            values: values[p][g].clone(),
            returns: narrow(&returns[p][g]),
        };
        (!rollout.tokens.is_empty()).then(|| CreditedRow {
            logp_ref: told.reference.map(|r| r[p][g].clone()),
            critic: told.values.zip(credit.returns.as_ref()).map(critic),
            ..credited_row(rollout, advantage)
        })
    };
    let group = |(p, rows): (usize, &Vec<RowCredit>)| CreditedGroup {
        prompt: groups[p].group.prompt.clone(),
        rows: rows.iter().enumerate().filter_map(|(g, c)| row(p, g, c)).collect(),
    };
    let groups = credit.rows.iter().enumerate().map(group).filter(|g| !g.rows.is_empty()).collect();
    Ok(CreditedBatch { groups, temperature, metrics: Metrics(credit.stats.means()) })
}

/// `[P][G][T]` in float64.
type Wide = Vec<Vec<Vec<f64>>>;

fn wide(numbers: &ByToken) -> Wide {
    let row = |row: &Vec<f32>| row.iter().map(|x| f64::from(*x)).collect();
    numbers.iter().map(|group| group.iter().map(row).collect()).collect()
}

fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|x| *x as f32).collect()
}

/// A completion with its credit, and nothing that another role said.
fn credited_row(rollout: &Rollout, advantage: Vec<f32>) -> CreditedRow {
    CreditedRow {
        tokens: rollout.tokens.clone(),
        trained: rollout.trained.clone(),
        logp_old: rollout.logp.clone(),
        logp_ref: None,
        logp_behaviour: rollout.logp_behaviour.clone(),
        advantage,
        critic: None,
        version: rollout.versions.0,
    }
}

/// What credit may look at of each token.
fn tokens<'a>(group: &'a ScoredGroup, log_ratios: Option<&'a Vec<Vec<f64>>>, values: Option<&'a Vec<Vec<f64>>>) -> Vec<RowTokens<'a>> {
    let row = |(g, r): (usize, &'a Rollout)| RowTokens {
        trained: &r.trained,
        kl: log_ratios.map(|l| l[g].as_slice()),
        values: values.map(|v| v[g].as_slice()),
    };
    group.group.rollouts.iter().enumerate().map(row).collect()
}

/// `log π_old − log π_ref` of each token, in float64.
fn log_ratios(group: &ScoredGroup, reference: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let row = |(r, reference): (&Rollout, &Vec<f32>)| r.logp.iter().zip(reference).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    group.group.rollouts.iter().zip(reference).map(row).collect()
}

/// `Σ_t (log π_old − log π_ref)` of each completion, in float64.
fn kl_sums(group: &ScoredGroup, reference: &[Vec<f32>]) -> Vec<f64> {
    let sum = |(r, reference): (&Rollout, &Vec<f32>)| {
        let tokens = r.logp.iter().zip(reference).zip(&r.trained).filter(|(_, trained)| **trained);
        tokens.map(|((old, reference), _)| f64::from(*old) - f64::from(*reference)).sum()
    };
    group.group.rollouts.iter().zip(reference).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Finish, Prompt, RolloutGroup, Task, Verdict};
    use std::sync::Arc;

    fn group(verdicts: Vec<Verdict>) -> ScoredGroup {
        let task =
            Arc::new(Task { id: "t".into(), text: Some("x".into()), messages: vec![], truth: serde_json::Value::Null, reward: None });
        let rollout = Rollout {
            tokens: vec![5, 6],
            text: "x".into(),
            logp: vec![-1.0, -2.0],
            logp_behaviour: None,
            trained: vec![true, true],
            finish: Finish::Eos,
            versions: (3, 3),
        };
        let rollouts = vec![rollout; verdicts.len()];
        ScoredGroup { group: RolloutGroup { prompt: Arc::new(Prompt { task, text: "x".into(), tokens: vec![1] }), rollouts }, verdicts }
    }

    #[test]
    fn a_fault_enters_no_baseline_and_is_not_trained() {
        let algorithm = collimate_algorithms::build("dr_grpo", &serde_json::json!({})).unwrap();
        let fault = Verdict::Unscorable { reason: "no truth".into() };
        let groups = [group(vec![Verdict::score_of(1.0), fault.clone(), Verdict::score_of(3.0)]), group(vec![fault.clone(), fault])];
        let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &groups, Told::default(), 1.0).unwrap();
        assert_eq!(batch.groups.len(), 1);
        let advantages: Vec<_> = batch.groups[0].rows.iter().map(|r| r.advantage.clone()).collect();
        assert_eq!(advantages, [vec![-1.0, -1.0], vec![1.0, 1.0]]);
    }

    #[test]
    fn a_kl_in_the_reward_is_summed_over_the_completion() {
        let algorithm = collimate_algorithms::build("rloo", &serde_json::json!({"beta": 0.5})).unwrap();
        let groups = [group(vec![Verdict::score_of(1.0), Verdict::score_of(1.0)])];
        // Old sums are −3; the reference's are −5 and −3: KL sums 2 and 0, rewards 0 and 1.
        let reference = [vec![vec![-2.0, -3.0], vec![-1.0, -2.0]]];
        let told = Told { reference: Some(&reference), ..Told::default() };
        let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &groups, told, 1.0).unwrap();
        assert_eq!(batch.groups[0].rows.iter().map(|r| r.advantage[0]).collect::<Vec<_>>(), [-1.0, 1.0]);
        // What credit measured goes on with the batch.
        assert_eq!((batch.metrics.get("kl/reward"), batch.metrics.get("kl/coefficient")), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn a_critics_values_and_returns_go_on_with_their_rows() {
        let algorithm = collimate_algorithms::build("ppo", &serde_json::json!({"whiten": false, "lambda": 1.0})).unwrap();
        let fault = Verdict::Unscorable { reason: "no truth".into() };
        let groups = [group(vec![fault, Verdict::score_of(2.0)])];
        let values = [vec![vec![9.0, 9.0], vec![0.5, 1.0]]];
        let told = Told { values: Some(&values), ..Told::default() };
        let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &groups, told, 1.0).unwrap();
        let [row] = batch.groups[0].rows.as_slice() else { panic!("a fault is trained") };
        assert_eq!(row.advantage, [1.5, 1.0]);
        assert_eq!(row.critic, Some(CriticRow { values: vec![0.5, 1.0], returns: vec![2.0, 2.0] }));
        let missing = credit(algorithm.as_ref(), &mut AlgoState::default(), &groups, Told::default(), 1.0).unwrap_err().to_string();
        assert!(missing.contains("`values`") || missing.contains("values"), "{missing}");
    }

    #[test]
    fn a_greedy_answers_score_is_the_baseline_of_its_group() {
        let algorithm = collimate_algorithms::build("remax", &serde_json::json!({})).unwrap();
        let groups = [group(vec![Verdict::score_of(1.0)]), group(vec![Verdict::score_of(1.0)])];
        let told = Told { greedy: Some(&[Some(0.25), Some(1.0)]), ..Told::default() };
        let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &groups, told, 1.0).unwrap();
        assert_eq!(batch.groups.iter().map(|g| g.rows[0].advantage[0]).collect::<Vec<_>>(), [0.75, 0.0]);
    }
}
