//! The rewards of a recipe: who judges a task, and what the sum is.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use collimate_types::{Reward, RolloutGroup, ScoredGroup, Task, Verdict};

use crate::error::{listed, nearest};
use crate::{ModelSettings, RewardError, RewardSpec, Share, combine, guard, roster};

/// The rewards of a recipe.
///
/// A task is judged by all of them but those that want to be named (`only_named`), or by exactly those that its `reward` names
/// (`math`, `math + brevity`). The total is the weighted sum unless a [`Share`] says otherwise; each reward's own score is kept as a part
/// under its label, and its parts as `label/part`. If any of them has a fault, the verdict is that fault.
#[derive(Clone)]
pub struct RewardSet {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    label: String,
    weight: f64,
    share: Share,
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
        Self::build_with(specs, &|_| Err("no model can be loaded here; take it in a command that runs models".into()))
    }

    /// The same, with what loads reward models (`model = DIR`): this crate has no LibTorch.
    ///
    /// # Errors
    /// As [`RewardSet::build`], and what `loads` says of a model.
    pub fn build_with(
        specs: &[RewardSpec],
        loads: &dyn Fn(ModelSettings) -> Result<Box<dyn Reward>, String>,
    ) -> Result<Self, Vec<RewardError>> {
        let (mut set, mut faults) = (Self { entries: Vec::new() }, Vec::new());
        for spec in specs {
            match reward_of(spec, loads) {
                Ok(reward) => {
                    faults.extend(set.add_as(spec.label(), spec.weight, spec.share.clone(), reward.into()).err().into_iter().flatten())
                }
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
        Self { entries: vec![Entry { label: label.into(), weight: 1.0, share: Share::default(), reward: Arc::new(reward) }] }
    }

    /// Adds a reward as a term of the sum.
    ///
    /// # Errors
    /// If the label is taken or the weight is not finite.
    pub fn add(&mut self, label: impl Into<String>, weight: f64, reward: Arc<dyn Reward>) -> Result<(), RewardError> {
        self.add_as(label, weight, Share::default(), reward).map_err(|mut faults| faults.swap_remove(0))
    }

    /// Adds a reward that enters the total in its own way.
    ///
    /// # Errors
    /// Everything that means nothing: a taken label, a weight that is not finite, keys of the share that do not fit its role. Never empty.
    pub fn add_as(&mut self, label: impl Into<String>, weight: f64, share: Share, reward: Arc<dyn Reward>) -> Result<(), Vec<RewardError>> {
        let label = label.into();
        let knob = |knob: &str, value: String, wanted: &str| {
            let (reward, wanted) = (label.clone(), wanted.to_owned());
            RewardError::Knob { reward, knob: knob.to_owned(), value, wanted }
        };
        let mut faults: Vec<_> = share.faults().into_iter().map(|(key, value, wanted)| knob(key, value, wanted)).collect();
        if !weight.is_finite() {
            faults.push(knob("weight", weight.to_string(), "a finite number"));
        }
        if self.labels().any(|l| l == label) {
            faults.push(RewardError::LabelTaken { label: label.clone() });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        self.entries.push(Entry { label, weight, share, reward });
        Ok(())
    }

    /// The labels, in the order of the recipe.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.label.as_str())
    }

    /// Every reward that a task asks for and the recipe does not have, one error per name; and the tasks that no reward judges, once. Call it
    /// before the first step: later such a task can only be unscorable.
    ///
    /// # Errors
    /// One per missing name, with the first task that asks for it.
    pub fn check<'a>(&self, tasks: impl IntoIterator<Item = &'a Task>) -> Result<(), Vec<RewardError>> {
        let mut asked = HashSet::new();
        let fresh = tasks.into_iter().filter(|t| asked.insert(t.reward.as_deref()));
        let (mut named, mut faults) = (HashSet::new(), Vec::new());
        for error in fresh.filter_map(|t| self.judges_of(t).err()) {
            match &error {
                RewardError::NotInRecipe { name, .. } if !named.insert(name.clone()) => {}
                _ => faults.push(error),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Judges a group. Never panics: what a reward does wrong is a verdict.
    #[must_use]
    pub fn score(&self, group: RolloutGroup) -> ScoredGroup {
        let verdicts = match self.judges_of(&group.prompt.task) {
            Err(error) => vec![Verdict::Unscorable { reason: error.to_string() }; group.rollouts.len()],
            Ok(judges) => {
                let columns: Vec<_> = judges.iter().map(|e| Column::new(e, guard::judge(e.reward.as_ref(), &group))).collect();
                (0..group.rollouts.len()).map(|row| combined(&columns, row)).collect()
            }
        };
        ScoredGroup { group, verdicts }
    }

    fn judges_of(&self, task: &Task) -> Result<Vec<&Entry>, RewardError> {
        let Some(names) = &task.reward else {
            let judges: Vec<_> = self.entries.iter().filter(|e| !e.share.only_named).collect();
            let unjudged = || RewardError::Unjudged { task: task.id.clone(), known: listed(self.labels()) };
            return if judges.is_empty() { Err(unjudged()) } else { Ok(judges) };
        };
        // A label may hold the sign itself, so the whole is looked for first.
        if let Some(entry) = self.entries.iter().find(|e| e.label == *names) {
            return Ok(vec![entry]);
        }
        let named = |name: &str| {
            let missing = || RewardError::NotInRecipe {
                task: task.id.clone(),
                name: name.to_owned(),
                nearest: nearest(name, self.labels()),
                known: listed(self.labels()),
            };
            self.entries.iter().find(|e| e.label == name).ok_or_else(missing)
        };
        names.split('+').map(str::trim).map(named).collect()
    }
}

/// What one reward says of a group: its verdicts, and its scores as they are added.
struct Column<'a> {
    entry: &'a Entry,
    verdicts: Vec<Verdict>,
    added: Vec<Option<f64>>,
}

impl<'a> Column<'a> {
    fn new(entry: &'a Entry, verdicts: Vec<Verdict>) -> Self {
        let scores: Vec<Option<f64>> = verdicts.iter().map(|v| v.score().map(|s| s.total)).collect();
        Self { added: entry.share.normalise.apply(&scores), entry, verdicts }
    }
}

/// The verdict on one answer: the total of its scores, or the first fault. A reward that failed to judge comes before one that declined to:
/// the former may be tried again.
fn combined(columns: &[Column<'_>], row: usize) -> Verdict {
    let mut parts = BTreeMap::new();
    let (mut declined, mut failed) = (None, None);
    let mut scores = Vec::with_capacity(columns.len());
    for Column { entry, verdicts, added } in columns {
        let label = &entry.label;
        match &verdicts[row] {
            Verdict::Score(score) => {
                scores.push((&entry.share, entry.weight, score.total, added[row].unwrap_or(score.total)));
                parts.extend(score.parts.iter().map(|(name, value)| (format!("{label}/{name}"), *value)));
                parts.insert(label.clone(), score.total);
            }
            Verdict::Unscorable { reason } => {
                declined.get_or_insert_with(|| Verdict::Unscorable { reason: format!("{label}: {reason}") });
            }
            Verdict::InfraError { kind, retryable, detail } => {
                let (kind, retryable) = (*kind, *retryable);
                failed.get_or_insert_with(|| Verdict::InfraError { kind, retryable, detail: format!("{label}: {detail}") });
            }
        }
    }
    failed.or(declined).unwrap_or_else(|| Verdict::with_parts(combine::total(scores.into_iter()), parts))
}

fn names() -> impl Iterator<Item = &'static str> {
    roster().iter().map(|b| b.card().name)
}

fn reward_of(spec: &RewardSpec, loads: crate::outside::Loads<'_>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
    if let Some(outside) = crate::outside::build(spec, loads) {
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
