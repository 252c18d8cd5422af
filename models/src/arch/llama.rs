//! Llama (Touvron et al. 2023, arXiv:2302.13971): RMS normalisation, rotary positions, grouped-query attention, SwiGLU.

use collimate_bridge::{
    BridgeError, DecodeShape, decode_attention, rms_norm, rms_norm_backward, rotate_heads, silu_mul, silu_mul_backward,
};
use collimate_weights::gguf::Gguf;
use serde_json::{Value, json};
use tch::Tensor;

use super::{Arch, Layout};
use crate::{
    AdapterPass, Ctx, DecodeRows, KvCache, Linear, ModelConfig, ModelError, Param, Rope, Saved, Segment, attention, load::Loader,
    model::Parts, rope,
};

/// The card of the architecture.
pub(super) static ARCH: Arch = Arch {
    name: "llama",
    class: "LlamaForCausalLM",
    classifier: "LlamaForSequenceClassification",
    gguf: "llama",
    config_from_gguf,
    gguf_tensor,
    build,
};

/// A decoder layer: `h = x + O(attention(rms(x)))`, `y = h + D(silu(G(rms(h))) ⊙ U(rms(h)))`.
#[derive(Debug)]
struct Layer {
    attention_norm: Param,
    /// q, k and v fused.
    qkv: Linear,
    out: Linear,
    mlp_norm: Param,
    /// Gate and up fused.
    gate_up: Linear,
    down: Linear,
    shape: DecodeShape,
    eps: f64,
}

impl Layer {
    fn norm(&self, x: &Tensor, weight: &Param) -> Tensor {
        x.rms_norm(x.size()[1], Some(weight.value()), self.eps)
    }

    fn mlp(&self, h: &Tensor, pass: &AdapterPass) -> Tensor {
        let gate_up = self.gate_up.forward(&self.norm(h, &self.mlp_norm), pass).chunk(2, -1);
        h + self.down.forward(&(gate_up[0].silu() * &gate_up[1]), pass)
    }
}

/// The backward pass by hand. What is kept of a row: input, rotated q and k with v, gate and up. Attention runs again under autograd in
/// any case, so its output is there for nothing, and the MLP's input is one small product behind it; both normalisations and the gating
/// are computed again, which costs less than reading them back would.
impl Layer {
    fn forward_by_hand(&self, x: &Tensor, ctx: &Ctx<'_>) -> Result<(Tensor, Saved), BridgeError> {
        let DecodeShape { heads, kv_heads, .. } = self.shape;
        let qkv = self.qkv.forward(&rms_norm(x, self.attention_norm.value(), self.eps)?, &ctx.adapters);
        rotate_heads(&qkv, heads + kv_heads, (&ctx.cos, &ctx.sin), false)?;
        let [q, k, v] = self.heads_of(&qkv);
        if let Some(kept) = &ctx.kv {
            kept.borrow_mut().push((k.shallow_clone(), v.shallow_clone()));
        }
        let attended = attention::packed(&q, &k, &v, ctx);
        let h = self.out.forward(&attended, &ctx.adapters).g_add_(x);
        let gate_up = self.gate_up.forward(&rms_norm(&h, self.mlp_norm.value(), self.eps)?, &ctx.adapters);
        let y = self.down.forward(&silu_mul(&gate_up)?, &ctx.adapters).g_add_(&h);
        Ok((y, Saved::Tensors(vec![x.shallow_clone(), qkv, gate_up])))
    }

    fn backward_by_hand(&self, kept: &[Tensor], dy: &Tensor, ctx: &Ctx<'_>) -> Result<Tensor, BridgeError> {
        let [x, qkv, gate_up] = kept else { unreachable!("forward keeps three tensors") };
        let DecodeShape { heads, kv_heads, .. } = self.shape;
        let (leaf, graph) = self.attention_graph(qkv, ctx);
        let attended = graph.detach();
        let dh = dy.copy();
        {
            let h = self.out.forward(&attended, &ctx.adapters).g_add_(x);
            let dact = self.down.input_gradient(dy, &ctx.adapters);
            let (act, dgate_up) = silu_mul_backward(gate_up, &dact)?;
            self.down.accumulate(&act, dy, &ctx.adapters);
            let normed = rms_norm(&h, self.mlp_norm.value(), self.eps)?;
            let dnormed = self.gate_up.backward(&normed, &dgate_up, &ctx.adapters);
            rms_norm_backward(&h, self.mlp_norm.value(), self.eps, &dnormed, &dh, &self.mlp_norm.grad_or_scratch())?;
        }
        let dattended = self.out.backward(&attended, &dh, &ctx.adapters);
        let dqkv = attention_backward(&leaf, &graph, &dattended);
        rotate_heads(&dqkv, heads + kv_heads, (&ctx.cos, &ctx.sin), true)?;
        let normed = rms_norm(x, self.attention_norm.value(), self.eps)?;
        let dnormed = self.qkv.backward(&normed, &dqkv, &ctx.adapters);
        rms_norm_backward(x, self.attention_norm.value(), self.eps, &dnormed, &dh, &self.attention_norm.grad_or_scratch())?;
        Ok(dh)
    }

    /// Attention under autograd: its leaf and its output. The graph of one layer's attention is all that lives.
    fn attention_graph(&self, qkv: &Tensor, ctx: &Ctx<'_>) -> (Tensor, Tensor) {
        let leaf = qkv.detach().set_requires_grad(true);
        let _restore = tch::no_grad_guard();
        let graph = tch::with_grad(|| {
            let [q, k, v] = self.heads_of(&leaf);
            attention::packed(&q, &k, &v, ctx)
        });
        (leaf, graph)
    }

    /// `[N, (heads + 2·kv_heads)·d]` as q, k, v of `[N, heads, d]` each.
    fn heads_of(&self, qkv: &Tensor) -> [Tensor; 3] {
        let DecodeShape { heads, kv_heads, head_dim, .. } = self.shape;
        let qkv = qkv.view([-1, heads + 2 * kv_heads, head_dim]);
        let mut parts = qkv.split_with_sizes([heads, kv_heads, kv_heads], 1).into_iter();
        std::array::from_fn(|_| parts.next().unwrap_or_else(|| qkv.shallow_clone()))
    }
}

/// Back through what [`Layer::attention_graph`] made.
fn attention_backward(leaf: &Tensor, graph: &Tensor, dy: &Tensor) -> Tensor {
    let _restore = tch::no_grad_guard();
    let mut grads = tch::with_grad(|| {
        let scalar = (graph * dy).sum(dy.kind());
        Tensor::run_backward(&[scalar], &[leaf], false, false)
    });
    grads.swap_remove(0).contiguous()
}

/// Past the model's checks a kernel can fail by our fault only.
#[expect(clippy::panic, reason = "as every plain tch operation does past a checked door")]
fn kernels<T>(result: Result<T, BridgeError>) -> T {
    result.unwrap_or_else(|e| panic!("a layer's kernel refused its own tensors: {e}"))
}

impl Segment for Layer {
    fn run(&self, x: &Tensor, ctx: &Ctx<'_>) -> Tensor {
        let [q, k, v] = self.heads_of(&self.qkv.forward(&self.norm(x, &self.attention_norm), &ctx.adapters));
        let angles = (&ctx.cos, &ctx.sin);
        let (q, k) = (rope::rotate(&q, angles), rope::rotate(&k, angles));
        let h = x + self.out.forward(&attention::packed(&q, &k, &v, ctx), &ctx.adapters);
        self.mlp(&h, &ctx.adapters)
    }

    fn decode(&self, x: &Tensor, rows: &DecodeRows, cache: &KvCache, layer: usize) -> Result<(Tensor, Saved), ModelError> {
        let qkv = self.qkv.decode(&rms_norm(x, self.attention_norm.value(), self.eps)?, &rows.adapters)?;
        let attended = Tensor::empty([x.size()[0], self.shape.heads * self.shape.head_dim], (x.kind(), x.device()));
        let prefixes = cache.prefixes(layer);
        decode_attention(&qkv, (&rows.cos, &rows.sin), cache.own(layer), &attended, &rows.rows, &prefixes, self.shape)?;
        let h = self.out.decode(&attended, &rows.adapters)?.g_add_(x);
        let gate_up = self.gate_up.decode(&rms_norm(&h, self.mlp_norm.value(), self.eps)?, &rows.adapters)?;
        let y = self.down.decode(&silu_mul(&gate_up)?, &rows.adapters)?.g_add_(&h);
        Ok((y, Saved::Tensors(vec![x.shallow_clone(), qkv, gate_up])))
    }

    fn saved_widths(&self, hidden: i64) -> Vec<i64> {
        let DecodeShape { heads, kv_heads, head_dim, .. } = self.shape;
        vec![hidden, (heads + 2 * kv_heads) * head_dim, self.gate_up.out()]
    }

    fn forward(&self, x: &Tensor, ctx: &Ctx<'_>) -> (Tensor, Saved) {
        kernels(self.forward_by_hand(x, ctx))
    }

    fn backward(&self, saved: &Saved, dy: &Tensor, ctx: &Ctx<'_>) -> Tensor {
        match saved {
            Saved::Input(x) => {
                // Recompute by the same kernels: autograd would keep more and be slower.
                let (_, saved) = self.forward(x, ctx);
                self.backward(&saved, dy, ctx)
            }
            Saved::Tensors(kept) => kernels(self.backward_by_hand(kept, dy, ctx)),
        }
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        vec![&mut self.qkv, &mut self.out, &mut self.gate_up, &mut self.down]
    }

    fn params(&self) -> Vec<&Param> {
        let Self { attention_norm, qkv, out, mlp_norm, gate_up, down, .. } = self;
        let first = std::iter::once(attention_norm).chain(qkv.params()).chain(out.params());
        first.chain([mlp_norm]).chain(gate_up.params()).chain(down.params()).collect()
    }

    fn params_mut(&mut self) -> Vec<&mut Param> {
        let Self { attention_norm, qkv, out, mlp_norm, gate_up, down, .. } = self;
        let first = std::iter::once(attention_norm).chain(qkv.params_mut()).chain(out.params_mut());
        first.chain([mlp_norm]).chain(gate_up.params_mut()).chain(down.params_mut()).collect()
    }
}

fn build(loader: &Loader<'_>) -> Result<Parts, ModelError> {
    let c = &loader.config;
    let act = c.raw.get("hidden_act").and_then(Value::as_str).unwrap_or("silu");
    if act != "silu" {
        return Err(ModelError::config(format!("{}: hidden_act", loader.config_place()), format!("is `{act}`"), "Llama here has `silu`"));
    }
    let flag = |key: &str| c.raw.get(key).and_then(Value::as_bool).unwrap_or(false);
    let (attention_bias, mlp_bias) = (flag("attention_bias"), flag("mlp_bias"));
    let embedding = loader.matrix(&[("model.embed_tokens.weight".into(), c.vocab)], c.hidden)?;
    let mut segments: Vec<Box<dyn Segment>> = Vec::with_capacity(c.layers);
    for i in 0..c.layers {
        let name = |part: &str| format!("model.layers.{i}.{part}");
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let qkv = [("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)];
        let gate_up = [("mlp.gate_proj", c.intermediate), ("mlp.up_proj", c.intermediate)];
        let linear =
            |parts: &[(&str, i64)], input, bias| loader.linear(&parts.iter().map(|(p, n)| (name(p), *n)).collect::<Vec<_>>(), input, bias);
        segments.push(Box::new(Layer {
            attention_norm: loader.vector(&[(name("input_layernorm.weight"), c.hidden)])?,
            qkv: linear(&qkv, c.hidden, attention_bias)?,
            out: linear(&[("self_attn.o_proj", c.hidden)], q, attention_bias)?,
            mlp_norm: loader.vector(&[(name("post_attention_layernorm.weight"), c.hidden)])?,
            gate_up: linear(&gate_up, c.hidden, mlp_bias)?,
            down: linear(&[("mlp.down_proj", c.hidden)], c.intermediate, mlp_bias)?,
            shape: DecodeShape { heads: c.heads, kv_heads: c.kv_heads, head_dim: c.head_dim, scale: 1.0 / (c.head_dim as f64).sqrt() },
            eps: c.norm_eps,
        }));
    }
    let norm = loader.vector(&[("model.norm.weight".into(), c.hidden)])?;
    let rope = Rope::from_hf(&c.raw, c.head_dim, &loader.config_place())?;
    Ok(Parts { embedding, segments, norm, rope })
}

fn gguf_tensor(name: &str, config: &ModelConfig) -> Option<(String, Layout)> {
    let whole = match name {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some((whole.into(), Layout::Plain));
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, ending) = part.rsplit_once('.')?;
    let (there, layout) = match part {
        "self_attn.q_proj" => ("attn_q", Layout::Interleaved { heads: config.heads }),
        "self_attn.k_proj" => ("attn_k", Layout::Interleaved { heads: config.kv_heads }),
        "self_attn.v_proj" => ("attn_v", Layout::Plain),
        "self_attn.o_proj" => ("attn_output", Layout::Plain),
        "mlp.gate_proj" => ("ffn_gate", Layout::Plain),
        "mlp.up_proj" => ("ffn_up", Layout::Plain),
        "mlp.down_proj" => ("ffn_down", Layout::Plain),
        "input_layernorm" => ("attn_norm", Layout::Plain),
        "post_attention_layernorm" => ("ffn_norm", Layout::Plain),
        _ => return None,
    };
    Some((format!("blk.{layer}.{there}.{ending}"), layout))
}

fn config_from_gguf(file: &Gguf) -> Result<Value, ModelError> {
    let missing =
        |key: &str| ModelError::config(format!("GGUF metadata `{key}`"), "is missing or has another type", "convert the model again");
    let int = |key: &str| file.get(key).and_then(|v| v.as_u64());
    let need = |key: &str| int(key).ok_or_else(|| missing(key));
    let float = |key: &str| file.get(key).and_then(|v| v.as_f64());
    let (hidden, heads) = (need("llama.embedding_length")?, need("llama.attention.head_count")?);
    let vocab = match int("llama.vocab_size") {
        Some(v) => v,
        None => {
            file.get("tokenizer.ggml.tokens").and_then(|v| v.as_strings().map(|s| s.len())).ok_or_else(|| missing("llama.vocab_size"))?
                as u64
        }
    };
    let head_dim =
        int("llama.rope.dimension_count").or_else(|| hidden.checked_div(heads)).ok_or_else(|| missing("llama.attention.head_count"))?;
    let has = |name: &str| collimate_weights::TensorSource::find(file, name).is_some();
    let mut rope = json!({"rope_type": "default", "rope_theta": float("llama.rope.freq_base").unwrap_or(10_000.0)});
    match file.get("llama.rope.scaling.type").and_then(|v| v.as_str()) {
        None | Some("none") => {}
        Some("linear") => {
            rope["rope_type"] = json!("linear");
            rope["factor"] = json!(float("llama.rope.scaling.factor").ok_or_else(|| missing("llama.rope.scaling.factor"))?);
        }
        Some(other) => rope["rope_type"] = json!(other), // refused by name when the rotation is built
    }
    if has("rope_freqs.weight") {
        let mend = "use the original Hugging Face directory, whose config.json names the scaling";
        return Err(ModelError::config("GGUF tensor `rope_freqs.weight`", "holds stretched frequencies, which are not read", mend));
    }
    Ok(json!({
        "architectures": [ARCH.class],
        "model_type": ARCH.name,
        "hidden_act": "silu",
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": need("llama.feed_forward_length")?,
        "num_hidden_layers": need("llama.block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": int("llama.attention.head_count_kv").unwrap_or(heads),
        "head_dim": head_dim,
        "max_position_embeddings": need("llama.context_length")?,
        "rms_norm_eps": float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
        "rope_parameters": rope,
        "tie_word_embeddings": !has("output.weight"),
        "attention_bias": has("blk.0.attn_q.bias"),
        "mlp_bias": has("blk.0.ffn_gate.bias"),
        "bos_token_id": int("tokenizer.ggml.bos_token_id"),
        "eos_token_id": int("tokenizer.ggml.eos_token_id"),
        "pad_token_id": int("tokenizer.ggml.padding_token_id"),
    }))
}
