//! A tokenizer rebuilt from the metadata of a GGUF file: byte-level BPE, as `tokenizer.json` writes it.

use collimate_weights::gguf::Gguf;
use serde_json::{Value, json};

use crate::TextError;
use crate::tokenizer::Special;

/// The split of GPT-4-like vocabularies, as published with Llama 3.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same with single digits, as published with Qwen2.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Token types of GGUF that are not plain text: unknown, control, user-defined.
const ADDED: [i64; 3] = [2, 3, 4];

/// `tokenizer.json`, special tokens and chat template of a GGUF file.
pub(crate) fn rebuild(file: &Gguf) -> Result<(Value, Special, Option<String>), TextError> {
    let place = |key: &str| format!("{}: metadata `{key}`", file.path().display());
    let missing = |key: &str| TextError::malformed(place(key), "is missing or of another type", "convert the model again, or use its Hugging Face directory");
    let text = |key: &str| file.get(key).and_then(|v| v.as_str());
    let model = text("tokenizer.ggml.model").ok_or_else(|| missing("tokenizer.ggml.model"))?;
    if model != "gpt2" {
        let what = format!("is `{model}`; only byte-level BPE (`gpt2`) can be rebuilt");
        return Err(TextError::malformed(place("tokenizer.ggml.model"), what, "use the model's Hugging Face directory"));
    }
    let tokens = file.get("tokenizer.ggml.tokens").and_then(|v| v.as_strings()).ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
    let merges = file.get("tokenizer.ggml.merges").and_then(|v| v.as_strings()).ok_or_else(|| missing("tokenizer.ggml.merges"))?;
    let types = file.get("tokenizer.ggml.token_type").and_then(|v| v.as_ints()).unwrap_or_default();
    let pre = text("tokenizer.ggml.pre").unwrap_or("default");
    let pre = pre_tokenizer(pre).ok_or_else(|| {
        let what = format!("is `{pre}`, which cannot be rebuilt (default, gpt-2, smollm, llama-bpe and qwen2 can)");
        TextError::malformed(place("tokenizer.ggml.pre"), what, "use the model's Hugging Face directory")
    })?;
    let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(id, t)| (t.to_owned(), json!(id))).collect();
    let added = |(id, token): (usize, &str)| {
        let kind = types.get(id).copied().filter(|k| ADDED.contains(k))?;
        Some(json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": kind != 4 }))
    };
    let added: Vec<Value> = tokens.iter().enumerate().filter_map(added).collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null, "pre_tokenizer": pre,
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab,
                   "merges": merges.iter().collect::<Vec<_>>() },
    });
    let token = |key: &str| {
        let id = file.get(key).and_then(|v| v.as_u64())?;
        tokens.get(usize::try_from(id).ok()?).map(str::to_owned)
    };
    let special = Special {
        bos: token("tokenizer.ggml.bos_token_id"),
        eos: token("tokenizer.ggml.eos_token_id"),
        pad: token("tokenizer.ggml.padding_token_id"),
        unk: token("tokenizer.ggml.unknown_token_id"),
        ends: Vec::new(),
    };
    Ok((json, special, text("tokenizer.chat_template").map(str::to_owned)))
}

fn pre_tokenizer(name: &str) -> Option<Value> {
    let bytes = |regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex });
    let split = |pattern: &str| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    let first = match name {
        "default" | "gpt-2" => return Some(bytes(true)),
        "smollm" => return Some(json!({ "type": "Sequence", "pretokenizers": [{ "type": "Digits", "individual_digits": true }, bytes(true)] })),
        "llama-bpe" => split(LLAMA3),
        "qwen2" => split(QWEN2),
        _ => return None,
    };
    Some(json!({ "type": "Sequence", "pretokenizers": [first, bytes(false)] }))
}
