//! The packed, shared-prefix, chunked batch has the gradient of the naive padded forward, in float64.

use collimate_models::{Block, HeadLeaves, LeafGrads, Model, Packed, Suffix, Tape};
use tch::{Kind, Tensor};

use crate::support::{gradients, relative, tiny};

fn suffix(tokens: &[u32], row: usize) -> Suffix {
    Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row }
}

/// Two prompts with completions of unequal length, one completion of a single token, and a block without prefix.
pub(crate) fn blocks() -> Vec<Block> {
    vec![
        Block { prefix: vec![5, 6, 7, 8, 9], suffixes: vec![suffix(&[20, 21, 22], 0), suffix(&[20, 30], 1), suffix(&[44], 2)] },
        Block { prefix: vec![11, 12], suffixes: vec![suffix(&[50, 51, 52, 53], 3), suffix(&[50, 60, 61, 62], 4)] },
        Block { prefix: vec![], suffixes: vec![suffix(&[70, 71, 72], 5)] },
    ]
}

/// Three prompts that begin alike, one of them all of what is shared and a token more, two of them equal.
pub(crate) fn rooted() -> Vec<Block> {
    vec![
        Block { prefix: vec![5, 6, 7, 8, 9], suffixes: vec![suffix(&[20, 21, 22], 0), suffix(&[44], 1)] },
        Block { prefix: vec![5, 6, 7, 12], suffixes: vec![suffix(&[50, 51, 52, 53], 2), suffix(&[50, 60], 3)] },
        Block { prefix: vec![5, 6, 7, 12], suffixes: vec![suffix(&[70, 71], 4)] },
    ]
}

/// Weights of each leaf by `(row, column)`: any linear functional of the log-probabilities shows the whole gradient.
fn weight(row: usize, column: usize) -> f64 {
    ((row * 7 + column * 3) as f64 * 0.37).sin() + 0.2
}

/// Which backward pass.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    ByHand,
    Recomputed,
    Autograd,
}

pub(crate) fn packed_gradients(
    model: &Model,
    micro: &[Vec<Block>],
    temperature: f64,
    way: Way,
) -> (Vec<(usize, usize, f64)>, Vec<(String, Tensor)>) {
    let mut logp = Vec::new();
    for blocks in micro {
        let packed = Packed::new(blocks).unwrap();
        let mut tape = if matches!(way, Way::ByHand) { Tape::new() } else { Tape::inputs_only() };
        let hidden = model.forward(&packed, Some(&mut tape)).unwrap().index_select(0, &packed.head_row_tensor());
        let leaves = HeadLeaves::new(&packed, temperature);
        let pass = model.head().forward(model.embedding(), &hidden, &leaves, false);
        let values = Vec::<f64>::try_from(&pass.logp).unwrap();
        logp.extend(packed.leaves.iter().zip(values).map(|(l, v)| (l.row, l.column, v)));
        let dlogp: Vec<f64> = packed.leaves.iter().map(|l| weight(l.row, l.column)).collect();
        let dlogp = Tensor::from_slice(&dlogp);
        let dhead = model.head().backward(model.embedding(), &hidden, &leaves, &pass, LeafGrads { logp: &dlogp, entropy: None });
        match way {
            Way::Autograd => model.backward_by_autograd(&packed, &mut tape, &dhead).unwrap(),
            _ => model.backward(&packed, &mut tape, &dhead).unwrap(),
        }
    }
    logp.sort_by_key(|(r, c, _)| (*r, *c));
    (logp, gradients(model))
}

/// One row after another, each with its own copy of the prompt, padded to one length, the whole vocabulary at once, all under autograd.
pub(crate) fn naive_gradients(model: &Model, blocks: &[Block], temperature: f64) -> (Vec<(usize, usize, f64)>, Vec<(String, Tensor)>) {
    let rows: Vec<(Vec<u32>, usize, usize)> = blocks
        .iter()
        .flat_map(|b| b.suffixes.iter().map(|s| ([b.prefix.clone(), s.tokens.clone()].concat(), b.prefix.len(), s.row)).collect::<Vec<_>>())
        .collect();
    let longest = rows.iter().map(|r| r.0.len()).max().unwrap();
    let padded: Vec<Block> = rows
        .iter()
        .map(|(tokens, _, row)| {
            let mut tokens = tokens.clone();
            tokens.resize(longest + 1, 3); // the last token of a suffix has no row
            Block { prefix: vec![], suffixes: vec![suffix(&tokens, *row)] }
        })
        .collect();
    let packed = Packed::new(&padded).unwrap();
    let params: Vec<_> = model.params().into_iter().filter(|p| p.trainable()).collect();
    let (logp, grads) = tch::with_grad(|| {
        let logits = model.logits(&model.run(&packed).unwrap()).view([rows.len() as i64, longest as i64, -1]);
        let all = (logits / temperature).log_softmax(-1, Kind::Double);
        let mut logp = Vec::new();
        let mut scalar = Tensor::from(0.0_f64);
        for (i, (tokens, prefix, row)) in rows.iter().enumerate() {
            for column in 0..tokens.len() - prefix {
                let Some(before) = (prefix + column).checked_sub(1) else { continue };
                let leaf = all.select(0, i as i64).select(0, before as i64).select(0, i64::from(tokens[prefix + column]));
                logp.push((*row, column, f64::try_from(leaf.detach()).unwrap()));
                scalar += leaf * weight(*row, column);
            }
        }
        (logp, Tensor::run_backward(&[scalar], &params.iter().map(|p| p.value()).collect::<Vec<_>>(), false, false))
    });
    let named = params
        .iter()
        .zip(grads)
        .flat_map(|(p, g)| p.pieces().iter().map(|s| (s.name.clone(), g.narrow(0, s.start, s.rows))).collect::<Vec<_>>());
    (logp, named.collect())
}

#[test]
fn packing_sharing_and_chunking_change_nothing() {
    let _guard = tch::no_grad_guard();
    for (temperature, all) in [(1.0, blocks()), (0.7, blocks()), (0.7, rooted())] {
        // The naive twin is plain autograd through differentiable operations: layout, prefix sharing, kernels, head and backward differ.
        let (logp, wanted) = naive_gradients(&tiny(Kind::Double), &all, temperature);
        let cuts = [
            vec![all.clone()],
            vec![vec![all[2].clone(), all[0].clone()], vec![all[1].clone()]],
            all.iter().map(|b| vec![b.clone()]).collect(),
        ];
        for (micro, way) in cuts.iter().flat_map(|c| [Way::ByHand, Way::Recomputed, Way::Autograd].map(|w| (c, w))) {
            let (ours, grads) = packed_gradients(&tiny(Kind::Double), micro, temperature, way);
            assert_eq!(ours.len(), logp.len());
            for (a, b) in ours.iter().zip(&logp) {
                assert!((a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() < 1e-11, "{a:?} against {b:?}");
            }
            for ((name, grad), (_, wanted)) in grads.iter().zip(&wanted) {
                let far = relative(grad, wanted);
                assert!(far <= 1e-9, "{name}, {way:?}: {far:e}");
            }
        }
    }
}
