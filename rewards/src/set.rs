//! The rewards of a recipe: who judges a task, and what the sum is.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use collimate_types::{Reward, RolloutGroup, ScoredGroup, Task, Verdict};

use crate::error::{listed, nearest};
use crate::{RewardError, RewardSpec, guard, roster};

/// The rewards of a recipe.
///
/// A task is judged by all of them, or by the one that its `reward` names. The total is the weighted sum; each reward's own score is kept
/// as a part under its label, and its parts as `label/part`. If any of them has a fault, the verdict is that fault.
#[derive(Clone)]
pub struct RewardSet {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    label: String,
    weight: f64,
    reward: Arc<dyn Reward>,
}

impl std::fmt::Debug for RewardSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|e| (&e.label, e.weight))).finish()
    }
}

impl RewardSet {
    /// Sets up the rewards of a recipe.
    ///
    /// # Errors
    /// Every unknown reward, unknown knob and impossible value, in one pass.
    pub fn build(specs: &[RewardSpec]) -> Result<Self, Vec<RewardError>> {
        let (mut set, mut faults) = (Self { entries: Vec::new() }, Vec::new());
        for spec in specs {
            match reward_of(spec) {
                Ok(reward) => faults.extend(set.add(spec.label(), spec.weight, reward.into()).err()),
                Err(mut more) => faults.append(&mut more),
            }
        }
        if specs.is_empty() {
            faults.push(RewardError::None { known: listed(names()) });
        }
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// A set of one reward that is no built-in: a closure will do.
    ///
    /// ```
    /// use collimate_rewards::RewardSet;
    /// use collimate_types::{Answer, Prompt};
    /// let set = RewardSet::of("polite", |_: &Prompt, a: &Answer<'_>| f64::from(a.text.contains("please")));
    /// assert_eq!(set.labels().collect::<Vec<_>>(), ["polite"]);
    /// ```
    #[must_use]
    pub fn of(label: impl Into<String>, reward: impl Reward + 'static) -> Self {
        Self { entries: vec![Entry { label: label.into(), weight: 1.0, reward: Arc::new(reward) }] }
    }

    /// Adds a reward.
    ///
    /// # Errors
    /// If the label is taken or the weight is not finite.
    pub fn add(&mut self, label: impl Into<String>, weight: f64, reward: Arc<dyn Reward>) -> Result<(), RewardError> {
        let label = label.into();
        if !weight.is_finite() {
            let (knob, wanted) = ("weight".into(), "a finite number".into());
            return Err(RewardError::Knob { reward: label, knob, value: weight.to_string(), wanted });
        }
        if self.labels().any(|l| l == label) {
            return Err(RewardError::LabelTaken { label });
        }
        self.entries.push(Entry { label, weight, reward });
        Ok(())
    }

    /// The labels, in the order of the recipe.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.label.as_str())
    }

    /// Every reward that a task asks for and the recipe does not have, one error per name. Call it before the first step: later such a
    /// task can only be unscorable.
    ///
    /// # Errors
    /// One per missing name, with the first task that asks for it.
    pub fn check<'a>(&self, tasks: impl IntoIterator<Item = &'a Task>) -> Result<(), Vec<RewardError>> {
        let mut named = HashSet::new();
        let fresh = tasks.into_iter().filter(|t| t.reward.as_deref().is_some_and(|name| named.insert(name)));
        let faults: Vec<_> = fresh.filter_map(|t| self.judges_of(t).err()).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Judges a group. Never panics: what a reward does wrong is a verdict.
    #[must_use]
    pub fn score(&self, group: RolloutGroup) -> ScoredGroup {
        let verdicts = match self.judges_of(&group.prompt.task) {
            Err(error) => vec![Verdict::Unscorable { reason: error.to_string() }; group.rollouts.len()],
            Ok(judges) => {
                let mut columns: Vec<_> = judges.iter().map(|e| (*e, guard::judge(e.reward.as_ref(), &group).into_iter())).collect();
                let row = |_| sum(columns.iter_mut().filter_map(|(e, column)| column.next().map(|v| (*e, v))));
                (0..group.rollouts.len()).map(row).collect()
            }
        };
        ScoredGroup { group, verdicts }
    }

    fn judges_of(&self, task: &Task) -> Result<Vec<&Entry>, RewardError> {
        let Some(name) = &task.reward else { return Ok(self.entries.iter().collect()) };
        match self.entries.iter().find(|e| e.label == *name) {
            Some(entry) => Ok(vec![entry]),
            None => Err(RewardError::NotInRecipe {
                task: task.id.clone(),
                name: name.clone(),
                nearest: nearest(name, self.labels()),
                known: listed(self.labels()),
            }),
        }
    }
}

/// The weighted sum of the verdicts on one answer, or the first fault. A reward that failed to judge comes before one that declined to:
/// the former may be tried again.
fn sum<'a>(verdicts: impl Iterator<Item = (&'a Entry, Verdict)>) -> Verdict {
    let (mut total, mut parts) = (0.0, BTreeMap::new());
    let (mut declined, mut failed) = (None, None);
    for (entry, verdict) in verdicts {
        let label = &entry.label;
        match verdict {
            Verdict::Score(score) => {
                total += entry.weight * score.total;
                parts.extend(score.parts.into_iter().map(|(name, value)| (format!("{label}/{name}"), value)));
                parts.insert(label.clone(), score.total);
            }
            Verdict::Unscorable { reason } => {
                declined.get_or_insert_with(|| Verdict::Unscorable { reason: format!("{label}: {reason}") });
            }
            Verdict::InfraError { kind, retryable, detail } => {
                failed.get_or_insert_with(|| Verdict::InfraError { kind, retryable, detail: format!("{label}: {detail}") });
            }
        }
    }
    failed.or(declined).unwrap_or_else(|| Verdict::with_parts(total, parts))
}

fn names() -> impl Iterator<Item = &'static str> {
    roster().iter().map(|b| b.card().name)
}

fn reward_of(spec: &RewardSpec) -> Result<Box<dyn Reward>, Vec<RewardError>> {
    if let Some(outside) = crate::outside::build(spec) {
        return outside;
    }
    match roster().iter().find(|b| b.card().name == spec.name) {
        Some(builtin) => builtin.build(&spec.knobs),
        None => {
            let name = spec.name.clone();
            Err(vec![RewardError::UnknownReward { nearest: nearest(&name, names()), name, known: listed(names()) }])
        }
    }
}

/// Small nouns for the tests of rewards.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use collimate_types::{Answer, Finish, Prompt, Rollout};
    use serde_json::Value;

    pub(crate) fn prompt(truth: Value) -> Prompt {
        let task = Task { id: "t1".into(), text: Some("?".into()), messages: vec![], truth, reward: None };
        Prompt { task: Arc::new(task), text: "?".into(), tokens: vec![1] }
    }

    pub(crate) fn answer(text: &str) -> Answer<'_> {
        Answer { text, tokens: &[1, 2, 3], finish: &Finish::Eos }
    }

    pub(crate) fn group(truth: Value, reward: Option<&str>, texts: &[&str]) -> RolloutGroup {
        let mut prompt = prompt(truth);
        let task = Task { reward: reward.map(str::to_owned), ..Task::clone(&prompt.task) };
        prompt.task = Arc::new(task);
        let rollout = |text: &&str| Rollout {
            tokens: vec![1, 2, 3],
            text: (*text).to_owned(),
            logp: vec![0.0; 3],
            logp_behaviour: None,
            trained: vec![true; 3],
            finish: Finish::Eos,
            versions: (0, 0),
        };
        RolloutGroup { prompt: Arc::new(prompt), rollouts: texts.iter().map(rollout).collect() }
    }
}

#[cfg(test)]
mod tests;
