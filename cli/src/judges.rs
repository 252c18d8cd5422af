//! Reward models as rewards: what `model = DIR` of a `[[reward]]` table means in every command that runs models.

use std::path::Path;

use collimate_actors::RewardModel;
use collimate_rewards::{ModelSettings, RewardError, RewardSet, RewardSpec};
use collimate_types::Reward;
use serde_json::Value;

use crate::session;

/// The rewards of a recipe, reward models among them. Their weights are read at the first answer.
///
/// # Errors
/// As [`RewardSet::build`], and when a reward model is missing, bad or none.
pub(crate) fn build(specs: &[RewardSpec]) -> Result<RewardSet, Vec<RewardError>> {
    RewardSet::build_with(specs, &load)
}

fn load(ModelSettings { model, micro_tokens, .. }: ModelSettings) -> Result<Box<dyn Reward>, String> {
    let opened = session::open_model(&model).map_err(|e| e.to_string())?;
    let model = RewardModel::new(opened.source, opened.tokenizer, micro_tokens).map_err(|e| e.to_string())?;
    Ok(Box::new(model))
}

/// Bytes that the weights of a recipe's reward models take.
pub(crate) fn weight_bytes(specs: &[RewardSpec]) -> u64 {
    let of = |spec: &RewardSpec| {
        let path = spec.knobs.get("model").and_then(Value::as_str)?;
        let source = collimate_models::open(&session::model_dir(Path::new(path)).ok()?).ok()?;
        Some(source.weight_bytes() as u64)
    };
    specs.iter().filter_map(of).sum()
}

/// A reward by a word of the command line: a path to a directory is a reward model, anything else a built-in name.
pub(crate) fn named(word: &str) -> RewardSpec {
    let mut spec = RewardSpec::new(word);
    if crate::config::reward_key(word) == "model" {
        spec.name = ModelSettings::name_of(word).unwrap_or_else(|| word.to_owned());
        spec.knobs.insert("model".into(), word.into());
    }
    spec
}
