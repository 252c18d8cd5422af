//! Writes what [`super::read`] reads.

use serde_json::{Map, Value, json};

use super::Origin;

/// `tokenizer.json` and the files beside it, so that transformers' `AutoTokenizer` loads the directory.
///
/// What a `tokenizer_config.json` held besides is kept. The class is the general one: `tokenizer.json` is the whole truth, while the class
/// of an architecture may rebuild parts of it.
pub(crate) fn write(origin: &Origin) -> Vec<(String, Vec<u8>)> {
    let mut config = origin.config.clone();
    // Names a Python file that is not here.
    config.remove("auto_map");
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    // transformers would offer `token_type_ids` otherwise, which decoders refuse.
    config.entry("model_input_names").or_insert_with(|| json!(["input_ids", "attention_mask"]));
    let mut map = Map::new();
    for (role, token) in origin.special.roles() {
        // An object says more than a text; it stays where it was read.
        config.entry(role).or_insert_with(|| json!(token));
        map.insert(role.into(), json!(token));
    }
    if !origin.special.extra.is_empty() {
        map.insert("additional_special_tokens".into(), json!(origin.special.extra));
    }
    let mut files = vec![("tokenizer.json".to_owned(), origin.json.clone()), ("special_tokens_map.json".to_owned(), pretty(&map.into()))];
    if let Some(template) = &origin.template {
        // Old versions of transformers read the one, new ones the other.
        config.insert("chat_template".into(), json!(template.source()));
        files.push(("chat_template.jinja".to_owned(), template.source().as_bytes().to_vec()));
    }
    files.push(("tokenizer_config.json".to_owned(), pretty(&config.into())));
    files
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
