//! How published byte-level vocabularies cut a text before merging, by the name a GGUF file gives it.

use serde_json::{Value, json};

/// Llama 3: contractions in any case, up to three digits together, line ends apart.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen2: the same with single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The names that are known, for messages.
pub(crate) const KNOWN: &str = "default, gpt-2, smollm, llama-bpe, qwen2";

/// The parts of `tokenizer.json` that a name stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct Cut {
    pub(crate) normalizer: Value,
    pub(crate) pre_tokenizer: Value,
    /// Whether a word that is a token is taken whole, whatever the merges say.
    pub(crate) ignore_merges: bool,
    /// Whether a sequence begins with the beginning-of-sequence token where the file does not say.
    pub(crate) add_bos: bool,
}

impl Cut {
    /// The cut of that name, if it is one we can rebuild.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let plain = |pre_tokenizer| Self { normalizer: Value::Null, pre_tokenizer, ignore_merges: false, add_bos: false };
        Some(match name {
            "default" | "gpt-2" => plain(byte_level(true)),
            "smollm" => plain(sequence(&json!({ "type": "Digits", "individual_digits": true }), true)),
            "llama-bpe" => Self { ignore_merges: true, add_bos: true, ..plain(sequence(&split(LLAMA3), false)) },
            "qwen2" => Self { normalizer: json!({ "type": "NFC" }), ..plain(sequence(&split(QWEN2), false)) },
            _ => return None,
        })
    }
}

/// Bytes as characters; with `regex`, cut by GPT-2's expression first.
pub(crate) fn byte_level(regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex })
}

fn split(pattern: &str) -> Value {
    json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false })
}

fn sequence(first: &Value, regex: bool) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [first, byte_level(regex)] })
}
