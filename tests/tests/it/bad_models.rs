//! Models that cannot be read are refused with code 3 before anything is written.

use std::fs;

use serde_json::{Value, json};

use crate::bad_recipes::refused;
use crate::support::{Bench, tiny_model_in};

/// A bench with a copy of the tiny model, to be damaged, and the setting that names it.
fn with_model() -> (Bench, String) {
    let bench = Bench::new();
    tiny_model_in(&bench.path("model"));
    let setting = format!("model.path={}", bench.path("model").display());
    (bench, setting)
}

fn change_config(bench: &Bench, key: &str, value: Value) {
    let mut config: Value = serde_json::from_slice(&fs::read(bench.path("model/config.json")).unwrap()).unwrap();
    config[key] = value;
    bench.write("model/config.json", config.to_string());
}

#[test]
fn a_model_that_does_not_exist_is_refused_with_what_may_stand_there() {
    let mend = "give a Hugging Face directory, a checkpoint or a GGUF file";
    refused(&Bench::new(), &["model.path=/nowhere/model"], 3, &["there is no model at `/nowhere/model`", mend]);
    refused(&Bench::new(), &["model.path=/nowhere/model.gguf"], 3, &["there is no model at `/nowhere/model.gguf`", mend]);
}

#[test]
fn a_truncated_safetensors_is_refused_with_its_bytes() {
    let (bench, model) = with_model();
    let bytes = fs::read(bench.path("model/model.safetensors")).unwrap();
    bench.write("model/model.safetensors", &bytes[..bytes.len() / 2]);
    refused(&bench, &[&model], 3, &["model.safetensors, bytes"]);
}

#[test]
fn a_gguf_of_64_bytes_that_claims_a_world_is_refused() {
    let bench = Bench::new();
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([0xff; 7].iter().chain(&[0x7f]).chain(&[0xff; 7]).chain(&[0x7f]));
    bytes.resize(64, 0xff);
    let file = bench.write("hostile.gguf", bytes);
    refused(&bench, &[&format!("model.path={file}")], 3, &["hostile.gguf, bytes"]);
}

#[test]
fn a_rope_that_is_not_known_is_refused_by_name() {
    let (bench, model) = with_model();
    change_config(&bench, "rope_parameters", json!({ "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0 }));
    refused(&bench, &[&model], 3, &["model", "rope_type", "`yarn`", "supported are default, linear and llama3"]);
}

#[test]
fn a_tensor_of_another_shape_is_refused_by_name() {
    let (bench, model) = with_model();
    change_config(&bench, "intermediate_size", json!(96));
    refused(&bench, &[&model], 3, &["tensor `model.layers.0.mlp.", "128", "96"]);
}

#[test]
fn an_architecture_that_is_not_known_is_refused_by_name() {
    let (bench, model) = with_model();
    change_config(&bench, "model_type", json!("mamba"));
    change_config(&bench, "architectures", json!(["MambaForCausalLM"]));
    refused(&bench, &[&model], 3, &["config.json", "amba"]);
}

#[test]
fn a_model_without_tokenizer_is_refused_with_the_file_that_is_missing() {
    let (bench, model) = with_model();
    fs::remove_file(bench.path("model/tokenizer.json")).unwrap();
    refused(&bench, &[&model], 3, &["tokenizer.json"]);
}

#[test]
fn a_broken_tokenizer_is_refused_with_its_file() {
    let (bench, model) = with_model();
    let bytes = fs::read(bench.path("model/tokenizer.json")).unwrap();
    bench.write("model/tokenizer.json", &bytes[..bytes.len() / 2]);
    refused(&bench, &[&model], 3, &["tokenizer.json"]);
}
