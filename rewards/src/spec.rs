//! A `[[reward]]` table of a recipe.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::combine::{KEYS, Share};

/// A `[[reward]]` table: `name`, `weight`, `label` and the keys of its [`Share`]; every further key is a knob of the reward.
///
/// ```
/// use collimate_rewards::RewardSpec;
/// let spec: RewardSpec = serde_json::from_str(r#"{"name": "numeric", "weight": 2, "extract": "last"}"#).unwrap();
/// assert_eq!((spec.name.as_str(), spec.weight, &spec.knobs["extract"]), ("numeric", 2.0, &"last".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct RewardSpec {
    /// The name of a reward.
    pub name: String,
    /// The name that its scores are logged under and that tasks select it by; the reward's own name if it is not given.
    pub label: Option<String>,
    /// What its score is multiplied with in the sum; 0 logs it only.
    pub weight: f64,
    /// How its score enters the total.
    pub share: Share,
    /// Everything else.
    pub knobs: Map<String, Value>,
}

impl RewardSpec {
    /// A reward with its defaults and weight 1.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), label: None, weight: 1.0, share: Share::default(), knobs: Map::new() }
    }

    /// The name that its scores are logged under.
    #[must_use]
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

impl TryFrom<Map<String, Value>> for RewardSpec {
    type Error = String;

    fn try_from(mut knobs: Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str, value: Value| match value {
            Value::String(text) if !text.is_empty() => Ok(text),
            other => Err(format!("`{key}` of a reward is a name, not {other}")),
        };
        let name = knobs.remove("name").or_else(|| crate::outside::name(&knobs).map(Value::from));
        let name = name.ok_or("a reward needs a `name` (or a `plugin`, an `http` address or a `model`)")?;
        let label = knobs.remove("label").map(|l| text("label", l)).transpose()?;
        let weight = match knobs.remove("weight") {
            None => 1.0,
            Some(value) => value.as_f64().ok_or_else(|| format!("`weight` of a reward is a number, not {value}"))?,
        };
        let given: Map<String, Value> = KEYS.into_iter().filter_map(|key| knobs.remove_entry(key)).collect();
        // Each key is read alone (all have defaults), so that the message names it.
        for (key, value) in &given {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            serde_json::from_value::<Share>(Value::Object(alone)).map_err(|e| format!("`{key}` of a reward: {e}"))?;
        }
        let share = serde_json::from_value(Value::Object(given)).map_err(|e| e.to_string())?;
        Ok(Self { name: text("name", name)?, label, weight, share, knobs })
    }
}

impl From<RewardSpec> for Map<String, Value> {
    fn from(spec: RewardSpec) -> Self {
        let mut map = Self::from_iter([("name".to_owned(), spec.name.into())]);
        map.extend(spec.label.map(|label| ("label".to_owned(), label.into())));
        map.insert("weight".into(), spec.weight.into());
        // Keys that say nothing new are left out, as they were in the recipe.
        let usual = serde_json::to_value(Share::default());
        if let (Ok(Value::Object(share)), Ok(usual)) = (serde_json::to_value(&spec.share), usual) {
            map.extend(share.into_iter().filter(|(key, value)| usual.get(key) != Some(value)));
        }
        map.extend(spec.knobs);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Recipe {
        reward: Vec<RewardSpec>,
    }

    #[test]
    fn a_recipe_reads_back_as_it_was_written() {
        let text = "[[reward]]\nname = \"numeric\"\nextract = \"last\"\n[[reward]]\nname = \"length\"\nlabel = \"brevity\"\nweight = 0.1\n\
                    role = \"gate\"\nat_least = -3\nonly_named = true\n";
        let recipe: Recipe = toml::from_str(text).unwrap();
        assert_eq!(recipe.reward[0].knobs["extract"], "last");
        assert_eq!((recipe.reward[0].weight, recipe.reward[1].label(), recipe.reward[1].weight), (1.0, "brevity", 0.1));
        let share = Share { role: crate::Role::Gate, at_least: Some(-3.0), only_named: true, ..Share::default() };
        assert_eq!((&recipe.reward[0].share, &recipe.reward[1].share), (&Share::default(), &share));
        assert!(recipe.reward[1].knobs.is_empty());
        assert_eq!(toml::from_str::<Recipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
    }

    #[test]
    fn tables_without_a_name_or_with_odd_values_are_refused() {
        for (text, wanted) in [
            (r#"{"weight": 1}"#, "needs a `name`"),
            (r#"{"name": 5}"#, "`name` of a reward is a name"),
            (r#"{"name": "x", "weight": "2"}"#, "`weight` of a reward is a number"),
            (r#"{"name": "x", "label": ""}"#, "`label`"),
            (r#"{"name": "x", "role": "door"}"#, "`role` of a reward"),
            (r#"{"name": "x", "only_named": 1}"#, "`only_named` of a reward"),
        ] {
            let error = serde_json::from_str::<RewardSpec>(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
