//! A reward as the judge: the higher score wins.

use std::sync::Arc;

use collimate_evals::JudgedPair;
use collimate_rewards::RewardSet;
use collimate_types::{Prompt, Rollout, RolloutGroup};
use serde_json::{Map, Value, json};

use super::super::answers::Said;
use super::super::progress::Progress;
use super::{Contest, Judge};
use crate::exit::{Exit, OrExit};

/// Compares the scores of a reward. It knows no order, so that both orders have the same verdict.
pub(super) struct ByReward {
    name: String,
    rewards: RewardSet,
}

impl ByReward {
    pub(super) fn open(name: &str) -> Result<Self, Exit> {
        let join = |e: Vec<collimate_rewards::RewardError>| e.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let rewards = crate::judges::build(&[crate::judges::named(name)]).map_err(join).or_refused()?;
        Ok(Self { name: name.to_owned(), rewards })
    }

    /// 1 if A's answer scores higher, 0 if B's does, 0.5 if both score the same; none if one of them could not be judged.
    fn verdict(&self, contest: &Contest<'_>) -> Option<f64> {
        let rollout = |said: &Said| Rollout {
            tokens: said.tokens.clone(),
            text: said.text.clone(),
            logp: Vec::new(),
            logp_behaviour: None,
            trained: Vec::new(),
            finish: said.finish.clone(),
            versions: (0, 0),
        };
        let text = contest
            .task
            .text
            .clone()
            .unwrap_or_else(|| contest.task.messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n"));
        let prompt = Arc::new(Prompt { task: contest.task.clone(), text, tokens: Vec::new() });
        // The same answer twice is asked about once: what a model computes in two places of a pass may differ in the last bit.
        let same = contest.a.text == contest.b.text;
        let rollouts = [contest.a, contest.b].into_iter().take(if same { 1 } else { 2 }).map(rollout).collect();
        let scored = self.rewards.score(RolloutGroup { prompt, rollouts });
        let score = |at: usize| scored.verdicts.get(at).and_then(|v| v.score()).map(|s| s.total);
        let (a, b) = (score(0), score(usize::from(!same)));
        a?.partial_cmp(&b?).map(|order| 0.5 + 0.5 * f64::from(order as i8))
    }
}

impl Judge for ByReward {
    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("judge".to_owned(), json!(format!("reward {}", self.name)))])
    }

    fn judge(&self, contests: &[Contest<'_>], progress: &mut Progress) -> Result<Vec<JudgedPair>, Exit> {
        let mut judged = Vec::with_capacity(contests.len());
        for contest in contests {
            progress.at(judged.len())?;
            let verdict = self.verdict(contest);
            judged.push(JudgedPair { a_first: verdict, b_first: verdict, ..JudgedPair::default() });
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Finish, Task};

    #[test]
    fn the_higher_score_wins_and_what_cannot_be_scored_is_no_verdict() {
        let judge = ByReward::open("numeric").unwrap();
        let said = |text: &str| Said { text: text.into(), tokens: vec![], finish: Finish::Eos };
        let task = |truth: Value| Arc::new(Task { id: "t".into(), text: Some("2 + 2".into()), messages: vec![], truth, reward: None });
        let verdict = |truth: Value, a: &str, b: &str| judge.verdict(&Contest { task: &task(truth), a: &said(a), b: &said(b) });
        let four = || json!({"answer": "4"});
        assert_eq!([verdict(four(), "4", "5"), verdict(four(), "5", "4"), verdict(four(), "4", "4.0")], [Some(1.0), Some(0.0), Some(0.5)]);
        assert_eq!(verdict(Value::Null, "4", "5"), None);
        assert!(ByReward::open("nothing").is_err());
    }
}
