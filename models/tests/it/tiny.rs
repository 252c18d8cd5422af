//! The tiny model against transformers: logits, greedy continuation, loss, gradients, one AdamW step.

use collimate_bridge::{AdamW, DecodeRow, foreach_mul, foreach_norm, fused_adamw};
use collimate_models::{Block, HeadLeaves, KvCache, LeafGrads, Model, Packed, Suffix, Tape};
use tch::{Kind, Tensor};

use crate::support::{Golden, farthest, gradients, relative, tiny};

const ROWS: usize = 4;
const LENGTH: usize = 20;

/// The tokens of each row without padding.
fn rows(golden: &Golden, side: &str) -> Vec<Vec<u32>> {
    let (ids, mask) = (golden.ints(&format!("{side}_ids")), golden.ints(&format!("{side}_mask")));
    let row = |r: usize| (r * LENGTH..(r + 1) * LENGTH).filter(|i| mask[*i] == 1).map(|i| ids[i] as u32).collect();
    (0..ROWS).map(row).collect()
}

fn packed(rows: &[Vec<u32>]) -> Packed {
    let block = |(row, tokens): (usize, &Vec<u32>)| {
        let suffix = Suffix { tokens: tokens.clone(), scored: vec![true; tokens.len()], row };
        Block { prefix: vec![], suffixes: vec![suffix] }
    };
    Packed::new(&rows.iter().enumerate().map(block).collect::<Vec<_>>()).unwrap()
}

#[test]
fn logits_equal_transformers() {
    let _guard = tch::no_grad_guard();
    let (golden, model) = (Golden::open("tiny_model_ref.safetensors"), tiny(Kind::Float));
    let rows = rows(&golden, "right");
    // The last token of a suffix has no row, so one more stands behind it.
    let longer: Vec<Vec<u32>> = rows.iter().map(|r| [r.as_slice(), &[0]].concat()).collect();
    let logits = model.logits(&model.forward(&packed(&longer), None).unwrap());
    let reference = golden.floats("logits_right");
    let mut at = 0;
    for (r, tokens) in rows.iter().enumerate() {
        let n = tokens.len() as i64;
        let far = farthest(&logits.narrow(0, at, n), &reference.select(0, r as i64).narrow(0, 0, n));
        assert!(far <= 1e-4, "row {r}: {far:e}");
        at += n;
    }
}

/// Greedy decoding over the cache gives transformers' tokens for left-padded rows.
#[test]
fn greedy_continuation_equals_transformers() {
    let _guard = tch::no_grad_guard();
    let (golden, model) = (Golden::open("tiny_model_ref.safetensors"), tiny(Kind::Float));
    let rows = rows(&golden, "left");
    let wanted = golden.ints("greedy_left");
    let mut cache = KvCache::new(&model.config, Kind::Float, ROWS, 16);
    let (prefixes, mut hidden) = model.prefill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), None).unwrap();
    let places: Vec<usize> = prefixes.into_iter().map(|p| cache.insert(p)).collect();
    for step in 0..16_usize {
        let next = Vec::<i64>::try_from(model.logits(&hidden).argmax(-1, false)).unwrap();
        for (r, token) in next.iter().enumerate() {
            // After a row's own end transformers pads; there is nothing to compare.
            let ended = wanted[r * 16..r * 16 + step].contains(&2);
            assert!(ended || *token == wanted[r * 16 + step], "row {r}, token {step}");
        }
        let at = |(r, slot): (usize, i64)| DecodeRow { slot, own_len: step as i64, prefix: places[r], prefix_len: rows[r].len() as i64 };
        let tokens: Vec<u32> = next.iter().map(|t| *t as u32).collect();
        hidden = model.decode(&tokens, (0..ROWS).zip(0..).map(at).collect(), &cache, None).unwrap();
    }
}

/// Mean cross-entropy over predicted tokens and its gradients, through head and trunk.
fn train(model: &Model, rows: &[Vec<u32>]) -> f64 {
    let packed = packed(rows);
    let mut tape = Tape::new();
    let hidden = model.forward(&packed, Some(&mut tape)).unwrap().index_select(0, &packed.head_row_tensor());
    let leaves = HeadLeaves::new(&packed, 1.0);
    let pass = model.head().forward(model.embedding(), &hidden, &leaves, false);
    let dlogp = pass.logp.full_like(-1.0 / leaves.len() as f64);
    let dhead = model.head().backward(model.embedding(), &hidden, &leaves, &pass, LeafGrads { logp: &dlogp, entropy: None });
    model.backward(&packed, &mut tape, &dhead).unwrap();
    -f64::try_from(pass.logp.mean(Kind::Double)).unwrap()
}

#[test]
fn loss_gradients_and_one_step_equal_transformers() {
    let _guard = tch::no_grad_guard();
    let (golden, model) = (Golden::open("tiny_model_ref.safetensors"), tiny(Kind::Float));
    let loss = train(&model, &rows(&golden, "right"));
    let wanted = f64::try_from(golden.floats("loss").to_kind(Kind::Double)).unwrap();
    assert!((loss - wanted).abs() / wanted <= 1e-5, "loss {loss} against {wanted}");

    let params = model.params();
    let grads: Vec<Tensor> = params.iter().map(|p| p.grad()).collect();
    let norm = foreach_norm(&grads).unwrap();
    let wanted = f64::try_from(golden.floats("grad_norm").to_kind(Kind::Double)).unwrap();
    assert!((norm - wanted).abs() / wanted <= 1e-5, "norm {norm} against {wanted}");
    foreach_mul(&grads, 1.0 / (norm + 1e-6)).unwrap();
    for (name, grad) in gradients(&model) {
        let far = relative(&grad, &golden.floats(&format!("clipped_grad.{name}")));
        assert!(far <= 1e-5, "{name}: {far:e}");
    }

    step(&params.iter().map(|p| p.value().detach()).collect::<Vec<_>>(), &grads);
    for param in params {
        for piece in param.pieces() {
            let after = golden.floats(&format!("after_adamw.{}", piece.name));
            let clipped = golden.floats(&format!("clipped_grad.{}", piece.name));
            // AdamW's first step is lr·sign(g) where |g| is far above eps: below that the sign itself is rounding.
            let counted = clipped.abs().ge(1e-6).to_kind(Kind::Double);
            let far = f64::try_from(((param.piece(piece) - after).abs().to_kind(Kind::Double) * counted).max()).unwrap();
            assert!(far <= 1e-6, "{}: {far:e}", piece.name);
        }
    }
}

fn step(params: &[Tensor], grads: &[Tensor]) {
    let zeros: Vec<(Tensor, Tensor)> = params.iter().map(|p| (p.zeros_like(), p.zeros_like())).collect();
    let counts: Vec<Tensor> = params.iter().map(|_| Tensor::from(0.0_f32)).collect();
    let knobs = AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };
    let (m, v): (Vec<Tensor>, Vec<Tensor>) = zeros.into_iter().unzip();
    fused_adamw(
        &params.iter().collect::<Vec<_>>(),
        &grads.iter().collect::<Vec<_>>(),
        &m.iter().collect::<Vec<_>>(),
        &v.iter().collect::<Vec<_>>(),
        &counts.iter().collect::<Vec<_>>(),
        knobs,
    )
    .unwrap();
}

/// The optimizer alone: fed transformers' clipped gradients it gives transformers' parameters.
#[test]
fn adamw_fed_the_stored_gradients_gives_the_stored_parameters() {
    let _guard = tch::no_grad_guard();
    let (golden, model) = (Golden::open("tiny_model_ref.safetensors"), tiny(Kind::Float));
    for param in model.params() {
        for piece in param.pieces() {
            let value = param.piece(piece).copy();
            step(&[value.shallow_clone()], &[golden.floats(&format!("clipped_grad.{}", piece.name))]);
            let far = farthest(&value, &golden.floats(&format!("after_adamw.{}", piece.name)));
            assert!(far <= 1e-7, "{}: {far:e}", piece.name);
        }
    }
}
