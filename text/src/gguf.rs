//! A tokenizer rebuilt from the metadata of a GGUF file: byte-level BPE, as `tokenizer.json` writes it.

use collimate_types::TokenId;
use collimate_weights::gguf::{Gguf, Strings};
use serde_json::{Map, Value, json};

use crate::chat::ChatTemplate;
use crate::error::TextError;
use crate::files::Origin;
use crate::pre::{Cut, KNOWN};
use crate::special::Special;

/// Token types, `enum llama_token_type`: unknown and control tokens are special, user-defined ones are cut out of the text but shown, unused
/// ones fill the vocabulary up to a round number and are no tokens.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

const DIRECTORY: &str = "use the model's Hugging Face directory";

/// The metadata of one file.
struct Source<'f> {
    file: &'f Gguf,
}

impl<'f> Source<'f> {
    fn fault(&self, key: &str, what: impl Into<String>) -> TextError {
        let place = format!("{}: metadata `{key}`", self.file.path().display());
        TextError::malformed(place, what, format!("convert the model again, or {DIRECTORY}"))
    }

    fn text(&self, key: &str) -> Option<&'f str> {
        self.file.get(key).and_then(|v| v.as_str())
    }

    fn strings(&self, key: &str) -> Result<&'f Strings, TextError> {
        self.file.get(key).and_then(|v| v.as_strings()).ok_or_else(|| self.fault(key, "is missing or not a list of texts"))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.file.get(key).and_then(|v| v.as_bool())
    }

    /// A token id, checked against the vocabulary.
    fn id(&self, key: &str, vocab: usize) -> Result<Option<TokenId>, TextError> {
        let Some(value) = self.file.get(key) else { return Ok(None) };
        let id = value.as_u64().and_then(|id| TokenId::try_from(id).ok()).filter(|id| (*id as usize) < vocab);
        id.map(Some).ok_or_else(|| self.fault(key, format!("is not a token id below {vocab}")))
    }
}

/// Everything a tokenizer is made of, from the metadata of a GGUF file.
pub(crate) fn rebuild(file: &Gguf) -> Result<Origin, TextError> {
    let source = Source { file };
    let cut = cut(&source)?;
    let tokens = source.strings("tokenizer.ggml.tokens")?;
    let (vocab, added) = vocabulary(&source, tokens)?;
    let special = special(&source, tokens)?;
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": cut.normalizer, "pre_tokenizer": cut.pre_tokenizer, "post_processor": post_processor(&source, &cut, tokens)?,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "ignore_merges": cut.ignore_merges, "vocab": vocab, "merges": merges(&source)? },
    });
    let template = source.text("tokenizer.chat_template").map(|text| {
        let place = format!("{}: metadata `tokenizer.chat_template`", file.path().display());
        ChatTemplate::new(text.to_owned(), &place)
    });
    let mut config = Map::from_iter([("clean_up_tokenization_spaces".to_owned(), json!(false))]);
    let architecture = source.text("general.architecture").unwrap_or_default();
    if let Some(length) = file.get(&format!("{architecture}.context_length")).and_then(|v| v.as_u64()) {
        config.insert("model_max_length".into(), json!(length));
    }
    let place = file.path().display().to_string();
    Ok(Origin { place, json: json.to_string().into_bytes(), special, added: Vec::new(), template: template.transpose()?, config })
}

/// How the vocabulary cuts a text, or a refusal by name.
fn cut(source: &Source<'_>) -> Result<Cut, TextError> {
    let refused =
        |key: &str, what: String| TextError::malformed(format!("{}: metadata `{key}`", source.file.path().display()), what, DIRECTORY);
    let model = source.text("tokenizer.ggml.model").ok_or_else(|| source.fault("tokenizer.ggml.model", "is missing or not a text"))?;
    if model != "gpt2" {
        return Err(refused("tokenizer.ggml.model", format!("is `{model}`; only byte-level BPE (`gpt2`) can be rebuilt")));
    }
    // A guess would give wrong ids without a word.
    let name = source.text("tokenizer.ggml.pre").ok_or_else(|| source.fault("tokenizer.ggml.pre", "is missing or not a text"))?;
    Cut::named(name).ok_or_else(|| refused("tokenizer.ggml.pre", format!("is `{name}`, which cannot be rebuilt ({KNOWN} can)")))
}

/// The vocabulary by text, and the tokens that are cut out of a text before anything else.
fn vocabulary(source: &Source<'_>, tokens: &Strings) -> Result<(Map<String, Value>, Vec<Value>), TextError> {
    let key = "tokenizer.ggml.token_type";
    let types = source.file.get(key).and_then(|v| v.as_ints()).ok_or_else(|| source.fault(key, "is missing or not a list of integers"))?;
    if types.len() != tokens.len() {
        return Err(source.fault(key, format!("has {} entries for {} tokens", types.len(), tokens.len())));
    }
    let (mut vocab, mut added) = (Map::new(), Vec::new());
    for (id, (token, kind)) in tokens.iter().zip(types).enumerate() {
        if kind == UNUSED {
            continue;
        }
        if let Some(first) = vocab.insert(token.to_owned(), json!(id)) {
            return Err(source.fault("tokenizer.ggml.tokens", format!("holds `{token}` twice, as {first} and {id}")));
        }
        if matches!(kind, UNKNOWN | CONTROL | USER_DEFINED) {
            added.push(json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                               "special": kind != USER_DEFINED }));
        }
    }
    Ok((vocab, added))
}

/// The merges as pairs: neither half of a byte-level merge holds a space.
fn merges(source: &Source<'_>) -> Result<Vec<Value>, TextError> {
    let key = "tokenizer.ggml.merges";
    let pair = |(rank, merge): (usize, &str)| {
        let (left, right) = merge.split_once(' ').ok_or_else(|| source.fault(key, format!("entry {rank}, `{merge}`, is not a pair")))?;
        Ok(json!([left, right]))
    };
    source.strings(key)?.iter().enumerate().map(pair).collect()
}

fn special(source: &Source<'_>, tokens: &Strings) -> Result<Special, TextError> {
    let id = |key: &str| source.id(&format!("tokenizer.ggml.{key}_token_id"), tokens.len());
    let text = |id: Option<TokenId>| id.and_then(|id| tokens.get(id as usize)).map(str::to_owned);
    let mut special = Special {
        bos: text(id("bos")?),
        eos: text(id("eos")?),
        pad: text(id("padding")?),
        unk: text(id("unknown")?),
        ..Special::default()
    };
    // The end of a turn, where the file tells it from the end of the text.
    special.add_ends(id("eos")?.into_iter().chain(id("eot")?));
    Ok(special)
}

/// What is put around a text: the beginning-of-sequence token, the end-of-sequence token, or nothing.
fn post_processor(source: &Source<'_>, cut: &Cut, tokens: &Strings) -> Result<Value, TextError> {
    let wanted = |role: &str, default: bool| -> Result<Option<(String, TokenId)>, TextError> {
        let Some(id) = source.id(&format!("tokenizer.ggml.{role}_token_id"), tokens.len())? else { return Ok(None) };
        let add = source.flag(&format!("tokenizer.ggml.add_{role}_token")).unwrap_or(default);
        Ok(tokens.get(id as usize).filter(|_| add).map(|token| (token.to_owned(), id)))
    };
    let (bos, eos) = (wanted("bos", cut.add_bos)?, wanted("eos", false)?);
    if bos.is_none() && eos.is_none() {
        return Ok(Value::Null);
    }
    let mark = |(token, _): &(String, TokenId), sequence: u8| json!({ "SpecialToken": { "id": token, "type_id": sequence } });
    let around = |name: &str, sequence: u8| {
        let text = json!({ "Sequence": { "id": name, "type_id": sequence } });
        let parts = [bos.as_ref().map(|t| mark(t, sequence)), Some(text), eos.as_ref().map(|t| mark(t, sequence))];
        parts.into_iter().flatten().collect::<Vec<_>>()
    };
    let used: Map<String, Value> =
        bos.iter().chain(&eos).map(|(token, id)| (token.clone(), json!({ "id": token, "ids": [id], "tokens": [token] }))).collect();
    let pair = [around("A", 0), around("B", 1)].concat();
    Ok(json!({ "type": "TemplateProcessing", "single": around("A", 0), "pair": pair, "special_tokens": used }))
}
