//! A tokenizer that needs no file, for tests and the tiny model.

use serde_json::{Map, Value, json};

use crate::Tokenizer;
use crate::bytes::char_of;
use crate::chat::ChatTemplate;
use crate::files::Origin;
use crate::pre::byte_level;
use crate::special::Special;

const SPECIAL: [&str; 3] = ["<|unk|>", "<|im_start|>", "<|im_end|>"];
const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}\
                        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Three special tokens (unknown 0, turn start 1, turn end 2, which is also the padding), then one token a byte: byte `b` is id `3 + b`, 259
/// ids in all. With a ChatML template.
///
/// # Panics
/// Never: the tokenizer is a constant.
#[must_use]
pub fn byte_tokenizer() -> Tokenizer {
    let mut vocab: Map<String, Value> = SPECIAL.iter().enumerate().map(|(id, t)| ((*t).to_owned(), json!(id))).collect();
    vocab.extend((0..=255_u8).map(|byte| (char_of(byte).to_string(), json!(3 + u32::from(byte)))));
    let added = |(id, t): (usize, &&str)| json!({ "id": id, "content": t, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true });
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": SPECIAL.iter().enumerate().map(added).collect::<Vec<_>>(),
        "normalizer": null, "pre_tokenizer": byte_level(true), "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": [] },
    });
    let token = |id: usize| Some(SPECIAL[id].to_owned());
    let origin = Origin {
        place: "the byte tokenizer".into(),
        json: json.to_string().into_bytes(),
        special: Special { bos: token(1), eos: token(2), pad: token(2), unk: token(0), ..Special::default() },
        added: Vec::new(),
        template: Some(
            ChatTemplate::new(TEMPLATE.into(), "the byte tokenizer's template")
                .unwrap_or_else(|e| unreachable!("the byte tokenizer is a constant, held by a test: {e}")),
        ),
        config: Map::from_iter([("clean_up_tokenization_spaces".to_owned(), json!(false))]),
    };
    Tokenizer::new(origin).unwrap_or_else(|e| unreachable!("the byte tokenizer is a constant, held by a test: {e}"))
}
