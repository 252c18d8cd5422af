//! From a recipe's table to typed knobs, with every fault named in one pass.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{listed, nearest};
use crate::{RewardCard, RewardError};

/// Reads the knobs of a reward. Each knob is first read alone (all have defaults), so that one fault does not hide another.
pub(crate) fn read<K: DeserializeOwned>(card: &RewardCard, given: &Map<String, Value>) -> Result<K, Vec<RewardError>> {
    // `weight` and `label` are no knobs, but they may be what was meant.
    let names = || card.knobs.iter().map(|k| k.name).chain(["weight", "label"]);
    let fault_of = |(name, value): (&String, &Value)| {
        if !card.knobs.iter().any(|k| k.name == name) {
            let (reward, knob) = (card.name.to_owned(), name.clone());
            return Some(RewardError::UnknownKnob { reward, knob, nearest: nearest(name, names()), known: listed(names()) });
        }
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let error = serde_json::from_value::<K>(Value::Object(alone)).err()?;
        Some(impossible(card, name, value, error.to_string()))
    };
    let faults: Vec<_> = given.iter().filter_map(fault_of).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_value(Value::Object(given.clone())).map_err(|e| vec![impossible(card, "*", &Value::Null, e.to_string())])
}

/// A knob whose value means nothing.
pub(crate) fn impossible(card: &RewardCard, knob: &str, value: &Value, wanted: impl Into<String>) -> RewardError {
    RewardError::Knob { reward: card.name.into(), knob: knob.into(), value: value.to_string(), wanted: wanted.into() }
}

/// Refuses numbers that are not finite.
pub(crate) fn finite(card: &RewardCard, knobs: &[(&str, f64)]) -> Result<(), Vec<RewardError>> {
    let bad = knobs.iter().filter(|(_, v)| !v.is_finite());
    let faults: Vec<_> = bad.map(|(k, v)| impossible(card, k, &Value::String(v.to_string()), "a finite number")).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
