//! The files beside `tokenizer.json`: special tokens and chat template.

use std::path::Path;

use collimate_types::TokenId;
use serde_json::{Value, json};

use crate::TextError;
use crate::tokenizer::Special;

/// Reads special tokens and template of a directory; every file is optional.
pub(crate) fn read(dir: &Path) -> Result<(Special, Option<String>), TextError> {
    let config = optional(dir, "tokenizer_config.json")?;
    let map = optional(dir, "special_tokens_map.json")?;
    let token = |key: &str| content(&config[key]).or_else(|| content(&map[key]));
    let mut ends = Vec::new();
    for file in ["generation_config.json", "config.json"] {
        ends.extend(ids(&optional(dir, file)?["eos_token_id"]));
    }
    ends.dedup();
    let mut seen = Vec::new();
    ends.retain(|id| !seen.contains(id) && { seen.push(*id); true });
    let special = Special { bos: token("bos_token"), eos: token("eos_token"), pad: token("pad_token"), unk: token("unk_token"), ends };
    let template = match text(dir, "chat_template.jinja")? {
        Some(template) => Some(template),
        None => template_of(&config["chat_template"]),
    };
    Ok((special, template))
}

fn text(dir: &Path, name: &str) -> Result<Option<String>, TextError> {
    let path = dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Io { path: path.display().to_string(), source }),
    }
}

fn optional(dir: &Path, name: &str) -> Result<Value, TextError> {
    let Some(text) = text(dir, name)? else { return Ok(Value::Null) };
    let place = dir.join(name).display().to_string();
    serde_json::from_str(&text).map_err(|e| TextError::malformed(place, e.to_string(), "restore the file from the model's source"))
}

/// A token is a string, or an object that holds it.
fn content(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
}

fn ids(value: &Value) -> Vec<TokenId> {
    let one = |v: &Value| v.as_u64().and_then(|v| TokenId::try_from(v).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// A template is a string, or a list of named ones of which `default` counts.
fn template_of(value: &Value) -> Option<String> {
    let named = |list: &Vec<Value>| list.iter().find(|t| t["name"] == "default").or(list.first()).and_then(|t| t["template"].as_str().map(str::to_owned));
    value.as_str().map(str::to_owned).or_else(|| value.as_array().and_then(named))
}

/// What [`read`] reads, and `tokenizer.json`.
pub(crate) fn write(json: &[u8], special: &Special, template: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut config = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false });
    let mut map = json!({});
    for (key, token) in [("bos_token", &special.bos), ("eos_token", &special.eos), ("pad_token", &special.pad), ("unk_token", &special.unk)] {
        if let Some(token) = token {
            config[key] = json!(token);
            map[key] = json!(token);
        }
    }
    let mut files = vec![("tokenizer.json".to_owned(), json.to_vec()), ("special_tokens_map.json".to_owned(), format!("{map:#}\n").into_bytes())];
    if let Some(template) = template {
        config["chat_template"] = json!(template);
        files.push(("chat_template.jinja".to_owned(), template.as_bytes().to_vec()));
    }
    files.push(("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()));
    files
}
