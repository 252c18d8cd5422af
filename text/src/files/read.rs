//! Reads a directory.

use std::io::{Error, ErrorKind};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Origin;
use super::shapes::{Extra, Generation, Named, Names, Templates, Token};
use crate::chat::ChatTemplate;
use crate::error::{RESTORE, TextError};
use crate::special::Special;

/// The largest file that is read; a vocabulary of 260,000 tokens takes some 35 MB.
const MAX_BYTES: u64 = 256 << 20;

/// Reads `tokenizer.json`, which must be there, and the files beside it, which may be.
pub(crate) fn read(dir: &Path) -> Result<Origin, TextError> {
    let path = dir.join("tokenizer.json");
    let place = path.display().to_string();
    let Some(json) = bytes(&path)? else {
        let mend = "write it with transformers: `AutoTokenizer.from_pretrained(MODEL).save_pretrained(DIR)`";
        return Err(TextError::malformed(place, "is missing", mend));
    };
    // Broken JSON is told with its exact place; the library places a fault only within the part it gives up on, and panics at some.
    let _: Value = serde_json::from_slice(&json).map_err(|e| TextError::json(&place, &e))?;
    let names: Names = parsed(dir, "tokenizer_config.json")?.unwrap_or_default();
    let map: Names = parsed(dir, "special_tokens_map.json")?.unwrap_or_default();
    let config = parsed(dir, "tokenizer_config.json")?.unwrap_or_default();
    // What the model was made to generate with counts; its architecture's file only where that says nothing.
    let mut ends = parsed::<Generation>(dir, "generation_config.json")?.unwrap_or_default().eos_token_id;
    if ends.is_none() {
        ends = parsed::<Generation>(dir, "config.json")?.unwrap_or_default().eos_token_id;
    }
    let or = |a: Option<Token>, b: Option<Token>| a.or(b).map(|token| token.0);
    let extra = [names.additional_special_tokens, names.extra_special_tokens, map.additional_special_tokens, map.extra_special_tokens];
    let special = Special {
        bos: or(names.bos_token, map.bos_token),
        eos: or(names.eos_token, map.eos_token),
        pad: or(names.pad_token, map.pad_token),
        unk: or(names.unk_token, map.unk_token),
        extra: distinct(extra.into_iter().flatten().flat_map(Extra::texts)),
        ends: ends.unwrap_or_default().0,
    };
    let added = names.added_tokens_decoder.unwrap_or_default().into_iter().map(|(id, token)| (id, token.into())).collect();
    Ok(Origin { place, json, special, added, template: template(dir, names.chat_template)?, config })
}

/// Each text once, in order.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// The template of its own file, else the one in `tokenizer_config.json`.
fn template(dir: &Path, inline: Option<Templates>) -> Result<Option<ChatTemplate>, TextError> {
    let path = dir.join("chat_template.jinja");
    if let Some(bytes) = bytes(&path)? {
        let place = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|e| TextError::malformed(&place, e.to_string(), RESTORE))?;
        return ChatTemplate::new(text, &place).map(Some);
    }
    let place = format!("{}: `chat_template`", dir.join("tokenizer_config.json").display());
    let text = match inline {
        None => return Ok(None),
        Some(Templates::One(text)) => text,
        Some(Templates::Named(list)) => chosen(list).ok_or_else(|| {
            TextError::malformed(&place, "none of several templates is called `default`", "call the one to be used `default`")
        })?,
    };
    ChatTemplate::new(text, &place).map(Some)
}

/// Of several templates the one called `default`; a single one counts whatever its name.
fn chosen(mut list: Vec<Named>) -> Option<String> {
    let at = list.iter().position(|t| t.name == "default").or_else(|| (list.len() == 1).then_some(0))?;
    Some(list.swap_remove(at).template)
}

fn parsed<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Option<T>, TextError> {
    let path = dir.join(name);
    let Some(bytes) = bytes(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| TextError::json(&path.display().to_string(), &e))
}

/// The bytes of a file, or nothing if it is not there.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, TextError> {
    let kind = match std::fs::metadata(path) {
        Ok(kind) => kind,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(TextError::io(path, e)),
    };
    // A pipe would wait for ever.
    if !kind.is_file() {
        return Err(TextError::io(path, Error::new(ErrorKind::InvalidInput, "it is not a regular file")));
    }
    if kind.len() > MAX_BYTES {
        let what = format!("{} bytes; a file of a tokenizer has at most {MAX_BYTES}", kind.len());
        return Err(TextError::malformed(path.display().to_string(), what, RESTORE));
    }
    std::fs::read(path).map(Some).map_err(|e| TextError::io(path, e))
}
