//! A model of two layers with one token a byte, made from a seed.

use std::collections::BTreeMap;
use std::fs;

use collimate_models::write_tensors;
use collimate_text::testing::byte_tokenizer;
use collimate_types::Seed;
use serde_json::json;
use tch::Tensor;
use tempfile::TempDir;

use crate::exit::{Exit, OrExit};

const HIDDEN: i64 = 32;
const INTERMEDIATE: i64 = 64;
const HEADS: i64 = 4;
const KV_HEADS: i64 = 2;
const HEAD: i64 = 8;
const LAYERS: i64 = 2;
const VOCAB: i64 = 259;

/// Writes it as a Hugging Face directory that goes when the value is dropped.
pub(super) fn write() -> Result<TempDir, Exit> {
    let failed = |e: std::io::Error| format!("a temporary model cannot be written: {e}");
    let dir = tempfile::tempdir().map_err(failed).or_failed()?;
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": VOCAB, "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "attention_bias": false, "mlp_bias": false, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    });
    fs::write(dir.path().join("config.json"), config.to_string()).map_err(failed).or_failed()?;
    let mut file = fs::File::create(dir.path().join("model.safetensors")).map_err(failed).or_failed()?;
    write_tensors(&mut file, &tensors(), &BTreeMap::from([("format".to_owned(), "pt".to_owned())])).or_failed()?;
    for (name, bytes) in byte_tokenizer().files() {
        fs::write(dir.path().join(name), bytes).map_err(failed).or_failed()?;
    }
    Ok(dir)
}

fn tensors() -> Vec<(String, Tensor)> {
    let mut all = vec![("model.embed_tokens.weight".to_owned(), matrix("embed", VOCAB, HIDDEN)), ("model.norm.weight".to_owned(), ones())];
    for i in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{i}.{part}.weight");
        let mut push = |part: &str, rows, columns| all.push((name(part), matrix(&name(part), rows, columns)));
        push("self_attn.q_proj", HEADS * HEAD, HIDDEN);
        push("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN);
        push("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN);
        push("self_attn.o_proj", HIDDEN, HEADS * HEAD);
        push("mlp.gate_proj", INTERMEDIATE, HIDDEN);
        push("mlp.up_proj", INTERMEDIATE, HIDDEN);
        push("mlp.down_proj", HIDDEN, INTERMEDIATE);
        all.push((name("input_layernorm"), ones()));
        all.push((name("post_attention_layernorm"), ones()));
    }
    all
}

fn ones() -> Tensor {
    Tensor::from_slice(&vec![1.0_f32; HIDDEN as usize])
}

/// Uniform numbers of variance 1/columns, at the address of their name.
fn matrix(name: &str, rows: i64, columns: i64) -> Tensor {
    let (seed, bound) = (Seed(1).fork(name, 0), (3.0 / columns as f64).sqrt());
    let unit = |n: u64| (seed.bits(n) >> 11) as f64 * (2.0 / 9_007_199_254_740_992.0) - 1.0;
    let values: Vec<f32> = (0..(rows * columns) as u64).map(|n| (bound * unit(n)) as f32).collect();
    Tensor::from_slice(&values).view([rows, columns])
}
