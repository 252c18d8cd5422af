//! From a model to the files of a Hugging Face directory.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::{Head, Model, ModelError, arch, tensor_file::write_tensors};

/// Writes `model.safetensors` in float32, every tensor under its Hugging Face name. A tied head is not written twice; adapters are not
/// written ([`crate::peft::write_adapter`] does that).
///
/// # Errors
/// When writing fails.
pub fn write_weights<H: Head>(model: &Model<H>, out: &mut dyn io::Write) -> Result<(), ModelError> {
    let pieces = model
        .params()
        .into_iter()
        .filter(|p| !p.is_adapter())
        .flat_map(|p| p.pieces().iter().map(move |piece| (piece.name.clone(), p.piece(piece))));
    // transformers asks for this key and refuses files without it.
    write_tensors(out, &pieces.collect::<Vec<_>>(), &BTreeMap::from([("format".to_owned(), "pt".to_owned())]))
}

/// The `config.json` of the model, as transformers reads it.
#[must_use]
pub fn config_json<H: Head>(model: &Model<H>) -> Value {
    let mut raw = model.config.raw.clone();
    let class = arch::ROSTER.iter().find(|a| a.name == model.arch).map(|a| H::class(a));
    if let Some(map) = raw.as_object_mut() {
        map.insert("architectures".into(), json!([class]));
        map.insert("model_type".into(), json!(model.arch));
        map.insert("dtype".into(), json!("float32"));
        map.remove("torch_dtype");
        H::describe(map);
        map.retain(|_, v| !v.is_null());
    }
    raw
}

/// The `generation_config.json` of the model.
#[must_use]
pub fn generation_config_json<H: Head>(model: &Model<H>, eos: &[u32]) -> Value {
    let raw = &model.config.raw;
    let mut map = serde_json::Map::new();
    for key in ["bos_token_id", "pad_token_id"] {
        if let Some(value) = raw.get(key).filter(|v| !v.is_null()) {
            map.insert(key.into(), value.clone());
        }
    }
    map.insert("eos_token_id".into(), if let [one] = eos { json!(one) } else { json!(eos) });
    Value::Object(map)
}
