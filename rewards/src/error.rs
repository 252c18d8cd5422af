//! Why a recipe's rewards cannot be set up.

/// A fault of a `[[reward]]` table. All of them are found in one pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewardError {
    /// No reward is configured.
    #[error("no reward is set; add a [[reward]] table with a name: {known}")]
    None {
        /// All names.
        known: String,
    },
    /// No such reward.
    #[error("no reward is called `{name}`{}; the rewards are {known}", hint(nearest.as_deref()))]
    UnknownReward {
        /// What was asked for.
        name: String,
        /// The closest name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// No such knob.
    #[error("reward `{reward}` has no knob `{knob}`{}; its knobs are {known}", hint(nearest.as_deref()))]
    UnknownKnob {
        /// The reward.
        reward: String,
        /// What was set.
        knob: String,
        /// The closest knob.
        nearest: Option<String>,
        /// All knobs.
        known: String,
    },
    /// A knob with a value that means nothing.
    #[error("reward `{reward}`: `{knob}` = {value} is not possible: {wanted}")]
    Knob {
        /// The reward.
        reward: String,
        /// The knob.
        knob: String,
        /// What was given, as JSON.
        value: String,
        /// What is allowed.
        wanted: String,
    },
    /// A reward outside this program that cannot be used.
    #[error("reward `{reward}`: {why}")]
    Outside {
        /// The reward.
        reward: String,
        /// What is wrong, and the mend.
        why: String,
    },
    /// Two entries share the name that scores are logged under.
    #[error("two rewards are labelled `{label}`; give one of them its own `label`")]
    LabelTaken {
        /// The label.
        label: String,
    },
    /// A row of the data names no reward, and every reward of the recipe wants to be named.
    #[error("the task `{task}` names no reward, and all of the recipe's have only_named = true: {known}")]
    Unjudged {
        /// The task's id.
        task: String,
        /// All labels.
        known: String,
    },
    /// A row of the data asks for a reward that the recipe does not have.
    #[error("the task `{task}` asks for the reward `{name}`{}; the recipe has {known}", hint(nearest.as_deref()))]
    NotInRecipe {
        /// The task's id.
        task: String,
        /// What it asks for.
        name: String,
        /// The closest label.
        nearest: Option<String>,
        /// All labels.
        known: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// The name that looks most like `wanted`, if one looks like it at all. Case does not count.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted: String = wanted.to_lowercase().chars().take(64).collect();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&wanted, &name.to_lowercase());
    let scored = names.into_iter().map(|n| (likeness(n), n)).filter(|(l, _)| *l >= 0.5);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, n)| n.to_owned())
}

/// Names for a message.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|n| format!("`{n}`")).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
