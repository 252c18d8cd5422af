//! One greedy answer a prompt, for algorithms whose baseline is its score.

use std::collections::HashMap;
use std::sync::Arc;

use collimate_rewards::{RewardSet, score_all};
use collimate_types::{Prompt, RolloutBatch, RolloutGroup, RolloutRequest, Sampling, ScoredGroup, TokenId, Verdict};

/// The greedy answers of a step: drawn beside each batch, judged with it, asked for when credit is given.
#[derive(Debug, Default)]
pub(super) struct Greedy {
    /// Drawn and not judged yet.
    drawn: Vec<RolloutGroup>,
    verdicts: HashMap<Key, Verdict>,
}

/// The same task with the same tokens has the same greedy answer under the weights of a step.
type Key = (String, Vec<TokenId>);

fn key(prompt: &Prompt) -> Key {
    (prompt.task.id.clone(), prompt.tokens.clone())
}

/// What to draw beside a batch: the most likely answer to each prompt, under the same bounds of length.
pub(super) fn requests(batch: &RolloutBatch, sampling: &Sampling) -> Vec<RolloutRequest> {
    let Sampling { stop, max_new_tokens, min_new_tokens, .. } = sampling.clone();
    let greedy = Arc::new(Sampling { temperature: 0.0, stop, max_new_tokens, min_new_tokens, ..Sampling::default() });
    let one = |r: &RolloutRequest| RolloutRequest { prompt: r.prompt.clone(), group: 1, sampling: greedy.clone(), seed: r.seed };
    batch.requests.iter().map(one).collect()
}

impl Greedy {
    /// Keeps what was drawn until it is judged.
    pub(super) fn keep(&mut self, groups: Vec<RolloutGroup>) {
        self.drawn.extend(groups);
    }

    /// Judges what was drawn. A group whose greedy answer has no score has no baseline: the greedy answer's fault becomes every answer's, so
    /// that the group is dropped and nothing is compared with a number that nobody gave. Returns the greedy verdicts, to be counted.
    pub(super) fn judge(&mut self, groups: &mut [ScoredGroup], rewards: &RewardSet, lanes: usize) -> Vec<Verdict> {
        let scored = score_all(rewards, std::mem::take(&mut self.drawn), lanes);
        let judged: Vec<(Key, Verdict)> =
            scored.into_iter().filter_map(|g| Some((key(&g.group.prompt), g.verdicts.into_iter().next()?))).collect();
        let all = judged.iter().map(|(_, v)| v.clone()).collect();
        self.verdicts.extend(judged);
        for group in groups {
            if let Some(fault) = self.verdicts.get(&key(&group.group.prompt)).filter(|v| v.fault().is_some()) {
                group.verdicts.fill(fault.clone());
            }
        }
        all
    }

    /// The score of each group's greedy answer.
    pub(super) fn scores(&self, groups: &[ScoredGroup]) -> Vec<Option<f64>> {
        let of = |g: &ScoredGroup| self.verdicts.get(&key(&g.group.prompt)).and_then(|v| v.score()).map(|s| s.total);
        groups.iter().map(of).collect()
    }

    /// Mean score of the step's greedy answers.
    pub(super) fn mean(&self) -> Option<f64> {
        let scores: Vec<f64> = self.verdicts.values().filter_map(|v| v.score()).map(|s| s.total).collect();
        // Added in a fixed order: a map has none, and a resumed run must have the same bits.
        let mut sorted = scores;
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Answer, Finish, Rollout, Task};

    fn group(id: &str, texts: &[&str]) -> RolloutGroup {
        let task = Task { id: id.into(), text: Some("x".into()), messages: vec![], truth: serde_json::Value::Null, reward: None };
        let rollout = |text: &&str| Rollout {
            tokens: vec![1],
            text: (*text).into(),
            logp: vec![0.0],
            logp_behaviour: None,
            trained: vec![true],
            finish: Finish::Eos,
            versions: (0, 0),
        };
        let prompt = Arc::new(Prompt { task: Arc::new(task), text: "x".into(), tokens: vec![7] });
        RolloutGroup { prompt, rollouts: texts.iter().map(rollout).collect() }
    }

    #[test]
    fn a_group_without_a_greedy_score_is_one_fault_and_no_other_is_touched() {
        let set = RewardSet::of("length", |_: &Prompt, a: &Answer<'_>| if a.text.is_empty() { f64::NAN } else { a.text.len() as f64 });
        let mut greedy = Greedy::default();
        greedy.keep(vec![group("a", &[""]), group("b", &["abc"])]);
        let mut scored = score_all(&set, vec![group("a", &["x", "y"]), group("b", &["x", "yy"])], 1);
        let verdicts = greedy.judge(&mut scored, &set, 1);
        assert_eq!(verdicts.iter().map(Verdict::fault).collect::<Vec<_>>(), [Some("unscorable"), None]);
        assert_eq!(scored[0].scores().count(), 0);
        assert_eq!(scored[1].scores().map(|(_, s)| s).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(greedy.scores(&scored), [None, Some(3.0)]);
        assert_eq!(greedy.mean(), Some(3.0));
    }
}
