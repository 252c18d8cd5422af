//! What a key means, and the schema of recipes.

use collimate_datasets::FORMATS;
use serde_json::{Map, Value, json};

use super::check::shown;
use super::diagnostics::{Diagnostics, Problem};
use super::field::{Field, Kind, OnResume};
use super::load::Loaded;
use super::nearest::nearest;
use super::recipe::Recipe;
use super::sections;

/// Explains a key or a section: help, type, default, and in a recipe its value and where it comes from.
///
/// # Errors
/// When there is no such key; the error has the nearest.
pub fn explain(key: &str, loaded: Option<&Loaded>) -> Result<String, Diagnostics> {
    if let Some((_, field)) = sections::field(key) {
        return Ok(of_field(key, field, loaded));
    }
    if let Some(section) = sections::all().into_iter().find(|s| s.path == key) {
        let mut text = format!("[{key}]\n  {}\n", section.help.trim());
        for field in section.fields {
            text.push_str(&format!("\n  {key}.{:<20} {}", field.name, field.help.lines().next().unwrap_or_default().trim()));
        }
        return Ok(text);
    }
    if let Some(card) = FORMATS.iter().map(|f| f.card()).find(|c| key.strip_prefix("data.") == Some(c.name)) {
        let knobs = card.knobs.iter().map(|k| format!("\n  {key}.{:<20} {} Default: {}.", k.name, k.help, k.default));
        return Ok(format!("[{key}]\n  {}\n{}", card.claim, knobs.collect::<String>()));
    }
    let knob = FORMATS.iter().map(|f| f.card()).find_map(|c| {
        let name = key.strip_prefix("data.")?.strip_prefix(c.name)?.strip_prefix('.')?;
        c.knobs.iter().find(|k| k.name == name)
    });
    if let Some(knob) = knob {
        let here = loaded.map(|loaded| {
            let value = serde_json::to_value(&loaded.recipe.data).unwrap_or_default();
            let path: Vec<&str> = key.split('.').skip(1).collect();
            let value = path.iter().fold(&value, |v, k| &v[*k]);
            format!("\n  here: {} ({})", shown(value), loaded.origin(key))
        });
        return Ok(format!("{key}\n  {}\n  default: {}{}", knob.help, knob.default, here.unwrap_or_default()));
    }
    let (algorithm, reward) = chosen(loaded);
    if let Some(told) = key.strip_prefix("algorithm.").and_then(|knob| of_algorithm(key, knob, algorithm.as_deref())) {
        return Ok(told);
    }
    if let Some(told) = key.strip_prefix("reward.").and_then(|knob| of_reward(key, knob, &reward)) {
        return Ok(told);
    }
    let knobs = FORMATS.iter().map(|f| f.card()).flat_map(|c| c.knobs.iter().map(move |k| format!("data.{}.{}", c.name, k.name)));
    let all: Vec<String> =
        sections::all().iter().flat_map(|s| s.fields.iter().map(move |f| format!("{}.{}", s.path, f.name))).chain(knobs).collect();
    let help = nearest(key, all.iter().map(String::as_str))
        .map_or_else(|| "`collimate config show` lists every key".into(), |n| format!("did you mean `{n}`?"));
    Err([Problem::new(format!("there is no key `{key}`")).help(help)].into_iter().collect())
}

/// The algorithm and the rewards of a recipe.
fn chosen(loaded: Option<&Loaded>) -> (Option<String>, Vec<String>) {
    let recipe = loaded.map(|l| &l.recipe);
    let rewards = recipe.into_iter().flat_map(|r| r.reward.iter().map(|s| s.name.clone())).collect();
    (recipe.map(|r| r.algorithm.name.clone()), rewards)
}

/// A knob of the recipe's algorithm; without a recipe, of every algorithm that has it.
fn of_algorithm(key: &str, knob: &str, name: Option<&str>) -> Option<String> {
    let cards = collimate_algorithms::roster().iter().map(|e| e.card).filter(|c| name.is_none_or(|n| n == c.name));
    let found =
        cards.filter_map(|c| c.all_knobs().find(|k| k.name == knob).map(|k| format!("\n  {}: {} Default: {}.", c.name, k.help, k.default)));
    told(key, &found.collect::<String>())
}

/// A knob of the recipe's rewards (`reward.0.pattern` or `reward.pattern`); without a recipe, of every reward that has it.
fn of_reward(key: &str, knob: &str, names: &[String]) -> Option<String> {
    let (index, knob) = match knob.split_once('.') {
        Some((index, rest)) if index.parse::<usize>().is_ok() => (index.parse::<usize>().ok(), rest),
        _ => (None, knob),
    };
    let wanted = |name: &str| match index {
        Some(index) if !names.is_empty() => names.get(index).is_some_and(|n| n == name),
        _ => names.is_empty() || names.iter().any(|n| n == name),
    };
    let cards = collimate_rewards::roster().iter().map(|r| r.card()).filter(|c| wanted(c.name));
    let found = cards
        .filter_map(|c| c.knobs.iter().find(|k| k.name == knob).map(|k| format!("\n  {}: {} Default: {}.", c.name, k.help, k.default)));
    told(key, &found.collect::<String>())
}

fn told(key: &str, found: &str) -> Option<String> {
    (!found.is_empty()).then(|| format!("{key}{found}"))
}

fn of_field(key: &str, field: Field, loaded: Option<&Loaded>) -> String {
    let default = serde_json::to_value(Recipe::default()).unwrap_or_default();
    let at = |tree: &Value| shown(key.split('.').fold(tree, |v, k| &v[k]));
    let mut text = format!("{key}\n  {}\n  type: {}", field.help.trim().replace('\n', "\n  "), field.kind);
    if field.mark.limit != super::limit::Limit::Any {
        text.push_str(&format!(", {}", field.mark.limit));
    }
    text.push_str(&format!("\n  default: {}", at(&default)));
    if let Some(meaning) = field.mark.auto {
        text.push_str(&format!(" ({meaning})"));
    }
    text.push_str(match field.mark.resume {
        OnResume::Free => "\n  on resume: free to change",
        OnResume::Inexact => "\n  on resume: free to change, but the run is then not bit for bit the same",
        OnResume::Refused => "\n  on resume: a change is refused, it would be another run",
    });
    if let Some(loaded) = loaded {
        let value = serde_json::to_value(&loaded.recipe).unwrap_or_default();
        text.push_str(&format!("\n  here: {} ({})", at(&value), loaded.origin(key)));
    }
    text
}

/// The JSON schema of recipes, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut properties = Map::new();
    for section in sections::all() {
        let mut keys: Map<String, Value> = section.fields.iter().map(|f| (f.name.to_owned(), property(section.path, *f))).collect();
        if section.path == "data" {
            for card in FORMATS.iter().map(|f| f.card()) {
                let knobs: Map<String, Value> = card.knobs.iter().map(|k| (k.name.to_owned(), json!({ "description": k.help }))).collect();
                keys.insert(
                    card.name.into(),
                    json!({ "type": "object", "description": card.claim, "properties": knobs, "additionalProperties": false }),
                );
            }
        }
        let table =
            json!({ "type": "object", "description": section.help.trim(), "properties": keys, "additionalProperties": section.open });
        let value = if section.repeated { json!({ "type": "array", "items": table }) } else { table };
        properties.insert(section.path.into(), value);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Collimate recipe", "type": "object",
        "properties": properties, "additionalProperties": false,
    })
}

fn property(section: &str, field: Field) -> Value {
    let field = sections::field(&format!("{section}.{}", field.name)).map_or(field, |(_, f)| f);
    let mut schema = match field.kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 0 }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Numbers(n) => json!({ "type": "array", "items": { "type": "number" }, "minItems": n, "maxItems": n }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Choice(names) => json!({ "enum": names }),
        Kind::Free => json!({}),
    };
    if let Value::Object(map) = &mut schema {
        map.insert("description".into(), field.help.trim().into());
        if matches!(field.kind, Kind::Count | Kind::Number | Kind::Text) {
            field.mark.limit.describe(map);
        }
    }
    schema
}
