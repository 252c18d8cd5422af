//! A tokenizer that needs no file, for tests and the tiny model.

use serde_json::{Value, json};

use crate::Tokenizer;
use crate::tokenizer::Special;

/// Three special tokens (unknown 0, turn start 1, turn end 2), then one token a byte: 259 ids. With a ChatML template.
///
/// # Panics
/// Never: the tokenizer is a constant.
#[must_use]
#[expect(clippy::expect_used, reason = "a constant, held by a test")]
pub fn byte_tokenizer() -> Tokenizer {
    let special = ["<|unk|>", "<|im_start|>", "<|im_end|>"];
    let mut vocab: serde_json::Map<String, Value> = special.iter().enumerate().map(|(id, t)| ((*t).to_owned(), json!(id))).collect();
    for byte in 0..=255_u8 {
        vocab.insert(printable(byte).to_string(), json!(3 + u32::from(byte)));
    }
    let added = |(id, t): (usize, &&str)| {
        json!({ "id": id, "content": t, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true })
    };
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special.iter().enumerate().map(added).collect::<Vec<_>>(),
        "normalizer": null, "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": null, "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": [] },
    });
    let token = |i: usize| Some(special[i].to_owned());
    let special = Special { bos: token(1), eos: token(2), pad: token(2), unk: token(0), ends: vec![2] };
    let template = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}\
                    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    Tokenizer::new(json.to_string().into_bytes(), "the byte tokenizer", special, Some(template.to_owned())).expect("a constant")
}

/// The character byte-level tokenizers write a byte as (GPT-2's table): printable ones stand for themselves, the others follow from U+0100.
fn printable(byte: u8) -> char {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if plain(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !plain(*b)).count() as u32;
    char::from_u32(256 + before).unwrap_or('?')
}
