//! SmolLM2-135M-Instruct from its GGUF file against transformers.

use collimate_bridge::DecodeRow;
use collimate_models::{Block, HeadLeaves, KvCache, Packed, Suffix, open};
use tch::{Kind, Tensor};

use crate::support::{Golden, farthest, real_model};

const EOS: i64 = 2;

#[test]
fn the_real_model_computes_what_transformers_computes() {
    let Some(path) = real_model() else { return };
    let _guard = tch::no_grad_guard();
    let golden = Golden::open("forward.safetensors");
    let model = open(&path).unwrap().load(Kind::Float).unwrap();
    let ids: Vec<u32> = golden.ints("input_ids").iter().map(|t| *t as u32).collect();

    let suffix = Suffix { tokens: ids.clone(), scored: vec![true; ids.len()], row: 0 };
    let packed = Packed::new(&[Block { prefix: vec![], suffixes: vec![suffix] }]).unwrap();
    let whole = Packed::new(&[Block { prefix: ids.clone(), suffixes: vec![] }]).unwrap();
    let normed = model.head().normalise(&model.forward(&whole, None).unwrap());
    let hidden = model.forward(&packed, None).unwrap();
    let far = farthest(&normed.narrow(1, 0, 16), &golden.floats("hidden_final_head16"));
    assert!(far <= 2e-3, "hidden states: {far:e}");
    let rows = hidden.index_select(0, &packed.head_row_tensor());
    let pass = model.head().forward(model.embedding(), &rows, &HeadLeaves::new(&packed, 1.0), true);
    let far = farthest(&pass.logp, &golden.floats("logprobs_next"));
    assert!(far <= 1e-3, "log-probabilities: {far:e}");
    let far = farthest(&pass.entropy.unwrap(), &golden.floats("entropy").narrow(0, 0, 68));
    assert!(far <= 1e-3, "entropies: {far:e}");

    // The same prompt through prefill, then 48 greedy tokens over the cache, end of sequence suppressed.
    let (mut prefixes, mut hidden) = model.prefill(&[&ids], None).unwrap();
    let far = farthest(&model.logits(&hidden).squeeze(), &golden.floats("logits_last"));
    assert!(far <= 2e-3, "last logits: {far:e}");
    let mut cache = KvCache::new(&model.config, Kind::Float, 1, 48);
    let place = cache.insert(prefixes.remove(0));
    let mut drawn = Vec::new();
    for step in 0..48 {
        let logits = model.logits(&hidden);
        let _ = logits.select(1, EOS).fill_(f64::NEG_INFINITY);
        let token = i64::try_from(logits.argmax(-1, false).view([-1]).get(0)).unwrap();
        drawn.push(token);
        let row = DecodeRow { slot: 0, own_len: step, prefix: place, prefix_len: ids.len() as i64 };
        hidden = model.decode(&[token as u32], vec![row], &cache, None).unwrap();
    }
    assert_eq!(drawn, golden.ints("greedy_ids"));
    let _: Tensor = hidden;
}
