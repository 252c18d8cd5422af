//! What formats and rewards say of their own settings, at the place where each stands. No file is opened.

use collimate_datasets::{DataError, FORMATS, format_named};
use collimate_rewards::{RewardError, check_spec};

use super::diagnostics::Problem;
use super::load::Loaded;

/// Everything they refuse.
pub(super) fn check(loaded: &Loaded) -> Vec<Problem> {
    let mut found = data(loaded);
    found.extend(rewards(loaded));
    found
}

fn data(loaded: &Loaded) -> Vec<Problem> {
    let config = &loaded.recipe.data;
    let formats = match config.format.as_str() {
        "auto" => FORMATS.to_vec(),
        name => match format_named(name) {
            Ok(format) => vec![format],
            Err(error) => return vec![loaded.problem("data.format", error.to_string()).help("`collimate formats` lists them")],
        },
    };
    let problem = |error: DataError| {
        let key = match &error {
            DataError::Setting { key, .. } => format!("data.{key}"),
            _ => "data".into(),
        };
        loaded.problem(&key, error.to_string()).help("`collimate formats NAME` shows every key with its default")
    };
    formats.iter().flat_map(|f| f.check(config)).map(problem).collect()
}

/// Each reward is looked at alone, so that a fault is blamed on its own table even if two have the same name.
fn rewards(loaded: &Loaded) -> Vec<Problem> {
    let specs = &loaded.recipe.reward;
    let of = |(i, spec): (usize, &collimate_rewards::RewardSpec)| {
        let mut errors = check_spec(spec);
        if specs[..i].iter().any(|s| s.label() == spec.label()) {
            errors.push(RewardError::LabelTaken { label: spec.label().to_owned() });
        }
        let problem = move |error: RewardError| {
            let key = match &error {
                RewardError::UnknownKnob { knob, .. } | RewardError::Knob { knob, .. } if knob != "*" => format!("reward.{i}.{knob}"),
                RewardError::UnknownReward { .. } => format!("reward.{i}.name"),
                _ => format!("reward.{i}"),
            };
            loaded.problem(&key, error.to_string()).help("`collimate rewards NAME` lists every knob")
        };
        errors.into_iter().map(problem)
    };
    specs.iter().enumerate().flat_map(of).collect()
}
