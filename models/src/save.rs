//! From a model to the files of a Hugging Face directory.

use std::collections::BTreeMap;
use std::io;

use collimate_bridge::bytes;
use collimate_weights::safetensors::{self, Outgoing};
use serde_json::{Value, json};
use tch::Kind;

use crate::{Model, ModelError, arch};

/// Every tensor of the checkpoint, in the order of the file, under its Hugging Face name.
#[must_use]
pub fn weight_list(model: &Model) -> Vec<Outgoing> {
    let params = model.params();
    let pieces = params.iter().flat_map(|p| p.pieces().iter().map(|piece| (piece, p.value().size())));
    let outgoing = pieces.map(|(piece, mut size)| {
        size[0] = piece.rows;
        let shape = size.iter().map(|d| *d as usize).collect();
        Outgoing { name: piece.name.clone(), shape, dtype: collimate_weights::Dtype::F32 }
    });
    outgoing.collect()
}

/// Writes `model.safetensors` in float32. A tied head is not written twice.
///
/// # Errors
/// When writing fails.
pub fn write_weight(model: &Model, out: &mut dyn io::Write) -> Result<(), ModelError> {
    let params = model.params();
    let pieces: Vec<_> = params.iter().flat_map(|p| p.pieces().iter().map(move |piece| (p, piece))).collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut fill = |index: usize, buffer: &mut Vec<u8>| {
        let (param, piece) = pieces[index];
        let tensor = param.piece(piece).to_kind(Kind::Float).contiguous();
        buffer.extend_from_slice(bytes(&tensor).map_err(io::Error::other)?);
        Ok(())
    };
    Ok(safetensors::write(out, &weight_list(model), &metadata, &mut fill)?)
}

/// The `config.json` of the model, as transformers reads it.
#[must_use]
pub fn config_json(model: &Model) -> Value {
    let mut raw = model.config.raw.clone();
    let class = arch::ROSTER.iter().find(|a| a.name == model.arch).map(|a| a.class);
    if let Some(map) = raw.as_object_mut() {
        map.insert("architectures".into(), json!([class]));
        map.insert("model_type".into(), json!(model.arch));
        map.insert("dtype".into(), json!("float32"));
        map.remove("torch_dtype");
        map.retain(|_, v| !v.is_null());
    }
    raw
}

/// The `generation_config.json` of the model.
#[must_use]
pub fn generation_config_json(model: &Model, eos: &[u32]) -> Value {
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
