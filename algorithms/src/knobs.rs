//! Reading a table of knobs: every fault names its knob.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{Card, KnobError, error::most_similar};

/// Reads a part's knobs over their defaults, one at a time, so that a wrong value is blamed on its own key.
///
/// An algorithm's table is shared by its parts: each reads the keys that its defaults have. What the card does not list is refused.
///
/// # Errors
/// When a knob is not on the card or has a value of another type.
pub fn read<K: Serialize + DeserializeOwned>(card: &'static Card, given: &Value, defaults: &K) -> Result<K, KnobError> {
    let empty = Map::new();
    let table = match given {
        Value::Object(table) => table,
        Value::Null => &empty,
        other => {
            let what = format!("knobs are a table, not {other}");
            return Err(KnobError::Value { algorithm: card.name, knob: String::new(), what });
        }
    };
    let mut all = serde_json::to_value(defaults).unwrap_or_else(|_| json!({}));
    for (knob, value) in table {
        let known = || card.all_knobs().map(|k| k.name);
        if !known().any(|k| k == knob) {
            let list = known().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            let nearest = most_similar(knob, known());
            return Err(KnobError::UnknownKnob { algorithm: card.name, knob: knob.clone(), nearest, known: list });
        }
        if all.get(knob).is_none() {
            continue;
        }
        all[knob.as_str()] = value.clone();
        let fault = |e: serde_json::Error| KnobError::Value { algorithm: card.name, knob: knob.clone(), what: format!("is {value}: {e}") };
        serde_json::from_value::<K>(all.clone()).map_err(fault)?;
    }
    serde_json::from_value(all).map_err(|e| KnobError::Value { algorithm: card.name, knob: String::new(), what: e.to_string() })
}

/// A number that must lie in a range, ends included.
///
/// # Errors
/// When it does not.
pub fn within(card: &'static Card, knob: &str, value: f64, (low, high): (f64, f64)) -> Result<(), KnobError> {
    if value.is_finite() && (low..=high).contains(&value) {
        return Ok(());
    }
    let what =
        if high.is_finite() { format!("is {value}; it lies in {low} to {high}") } else { format!("is {value}; it is {low} or more") };
    Err(KnobError::Value { algorithm: card.name, knob: knob.to_owned(), what })
}

/// A number that must be above 0.
///
/// # Errors
/// When it is not.
pub fn positive(card: &'static Card, knob: &str, value: f64) -> Result<(), KnobError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(KnobError::Value { algorithm: card.name, knob: knob.to_owned(), what: format!("is {value}; it is above 0") })
}
