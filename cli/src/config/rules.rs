//! Rules over several keys, each with a name, its help and a test below.

use super::diagnostics::{Diagnostics, Problem};
use super::load::{Loaded, Purpose};
use super::recipe::Recipe;

/// A rule.
pub(super) struct Rule {
    /// The key that is blamed.
    pub(super) key: &'static str,
    /// The keys that it looks at beside that one; it is not asked while something is wrong with any of them.
    pub(super) reads: &'static [&'static str],
    /// What the mend is.
    pub(super) help: &'static str,
    /// Whether it holds for evaluation too.
    pub(super) always: bool,
    /// What is wrong, if anything is.
    pub(super) broken: fn(&Recipe) -> Option<String>,
}

/// All rules.
pub(super) static RULES: &[Rule] = &[
    Rule {
        key: "sampling.min_new_tokens",
        reads: &["sampling.max_new_tokens"],
        help: "lower it, or raise sampling.max_new_tokens",
        always: false,
        broken: |r| {
            let (min, max) = (r.sampling.min_new_tokens, r.sampling.max_new_tokens);
            (min > max).then(|| format!("{min} is more than sampling.max_new_tokens = {max}"))
        },
    },
    Rule {
        key: "sampling",
        reads: &["algorithm.name"],
        help: "set top_k = 0, top_p = 1, min_p = 0 and repetition_penalty = 1: with a filter the sampler is another law than the policy, \
               and algorithm.correction, which would weigh that, is none",
        always: false,
        broken: |r| {
            let knobs = serde_json::Value::Object(r.algorithm.knobs.clone());
            let corrects = || collimate_algorithms::build(&r.algorithm.name, &knobs).is_ok_and(|a| a.needs().behaviour);
            (r.sampling().truncates() && draws(r) && !corrects()).then(|| "training draws from a law that a filter has cut".into())
        },
    },
    Rule {
        key: "rollout.group",
        reads: &["algorithm.name"],
        help: "an answer is judged by its siblings: give every prompt 2 completions or more, or choose `reinforce` or `reinforce_pp`",
        always: false,
        broken: |r| {
            let knobs = serde_json::Value::Object(r.algorithm.knobs.clone());
            let compares = || collimate_algorithms::build(&r.algorithm.name, &knobs).is_ok_and(|a| a.needs().siblings);
            (r.rollout.group < 2 && compares()).then(|| format!("`{}` compares the answers to one prompt", r.algorithm.name))
        },
    },
    Rule {
        key: "lora.rank",
        reads: &["algorithm.name"],
        help: "the divergence over the whole vocabulary asks a model of its own: choose another form of the KL, or train every weight (lora.rank = 0)",
        always: false,
        broken: |r| {
            let knobs = serde_json::Value::Object(r.algorithm.knobs.clone());
            let full = || collimate_algorithms::build(&r.algorithm.name, &knobs).is_ok_and(|a| a.needs().full_kl);
            (r.lora.rank > 0 && full())
                .then(|| format!("`{}` takes the divergence from a reference that adapters do not have", r.algorithm.name))
        },
    },
    Rule {
        key: "learner.minibatches",
        reads: &["rollout.prompts", "learner.rows", "algorithm.name"],
        help: "a step's groups are cut into so many parts: take at most rollout.prompts, or of given data learner.rows",
        always: false,
        broken: |r| {
            let (parts, groups) = (r.learner.minibatches, if draws(r) { r.rollout.prompts } else { r.learner.rows });
            (parts > groups).then(|| format!("{parts} parts of {groups} groups"))
        },
    },
    Rule {
        key: "lora.targets",
        reads: &["lora.rank"],
        help: "name projections such as q_proj and v_proj, or set lora.rank = 0 to train every weight",
        always: false,
        broken: |r| (r.lora.rank > 0 && r.lora.targets.is_empty()).then(|| "there are adapters and no projection to adapt".into()),
    },
    Rule {
        key: "run.name",
        reads: &[],
        help: "use letters, digits, `-`, `_` and `.`, not starting with a dot",
        always: false,
        broken: |r| {
            let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
            let name = &r.run.name;
            (!name.is_empty() && (name.starts_with('.') || !name.chars().all(good))).then(|| format!("{name:?} is no name for a directory"))
        },
    },
    Rule {
        key: "reward",
        reads: &["algorithm.name"],
        help: "add `[[reward]]` with a `name` (`collimate rewards` lists them)",
        always: true,
        broken: |r| (r.reward.is_empty() && draws(r)).then(|| "nothing judges the answers".into()),
    },
    Rule {
        key: "reward",
        reads: &[],
        help: "give one `[[reward]]` a `weight` other than 0; a weight of 0 only logs the score",
        always: false,
        broken: |r| {
            (!r.reward.is_empty() && draws(r) && r.reward.iter().all(|s| s.weight == 0.0))
                .then(|| "every weight is 0, so every answer scores 0".into())
        },
    },
    Rule {
        key: "data.train",
        reads: &["data.format", "data.mixture"],
        help: "give `data.train=FILE`, or take a format that makes its own rows (arithmetic)",
        always: false,
        broken: |r| {
            let made = collimate_datasets::format_named(&r.data.format).is_ok_and(|f| f.generates());
            (r.data.train.is_none() && r.data.mixture.is_empty() && !made).then(|| "there is no file to learn from".into())
        },
    },
];

/// Whether a run draws answers. An algorithm that nobody knows is taken for one that does; another rule blames its name.
fn draws(recipe: &Recipe) -> bool {
    collimate_algorithms::find(&recipe.algorithm.name).map_or(true, |entry| entry.card.family == collimate_algorithms::Family::Online)
}

/// Everything that is broken, as far as the keys are good that a rule looks at.
pub(super) fn check(loaded: &Loaded, purpose: Purpose, faults: &Diagnostics) -> Vec<Problem> {
    let broken = |rule: &Rule| {
        if faults.touches(rule.key) || rule.reads.iter().any(|key| faults.touches(key)) {
            return None;
        }
        let message = (rule.always || purpose == Purpose::Train).then(|| (rule.broken)(&loaded.recipe)).flatten()?;
        Some(loaded.problem(rule.key, message).help(rule.help))
    };
    RULES.iter().filter_map(broken).collect()
}
