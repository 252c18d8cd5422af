//! Attention over blocks: one call for a prefix, one for all suffixes that share it.

use tch::Tensor;

use crate::{Ctx, packed::Span};

/// Attention of packed rows: the root attends causally to itself; the rest of a prefix attends to the root and causally to itself; a suffix
/// attends to its whole prefix and causally to itself. Keys and values of a prefix are computed once and expanded over its suffixes, so its
/// gradient is the sum over them, and so is the root's over the blocks.
///
/// Padding happens here only, at the end of shorter suffixes, where a causal row cannot see it.
///
/// # Shapes
/// `q [N, heads, d]`, `k`, `v [N, kv_heads, d]` → `[N, heads·d]`
pub fn packed(q: &Tensor, k: &Tensor, v: &Tensor, ctx: &Ctx<'_>) -> Tensor {
    let width = q.size()[1] * q.size()[2];
    let sizes: Vec<i64> = (ctx.root > 0).then_some(ctx.root).into_iter().chain(ctx.spans.iter().flat_map(pieces)).collect();
    if sizes.is_empty() {
        return q.reshape([0, width]);
    }
    // One split and one cat: their backward passes are one cat and one split.
    let (q, k, v) = (q.split_with_sizes(&sizes, 0), k.split_with_sizes(&sizes, 0), v.split_with_sizes(&sizes, 0));
    let mut out = Vec::with_capacity(sizes.len());
    let alone = |i: usize| [&q, &k, &v].map(|t| heads_first(&t[i].unsqueeze(0)));
    let flat = |y: &Tensor, rows: i64| y.squeeze_dim(0).view([rows, width]);
    let root = (ctx.root > 0).then(|| {
        let [q, k, v] = alone(0);
        out.push(flat(&sdpa(&q, &k, &v, None), ctx.root));
        (k, v)
    });
    let mut next = out.len();
    for (span, [own_mask, mask]) in ctx.spans.iter().zip(&ctx.masks) {
        let prefix = (span.prefix > 0).then(|| {
            let [q, mut k, mut v] = alone(next);
            if let Some((rk, rv)) = &root {
                (k, v) = (Tensor::cat(&[rk, &k], 2), Tensor::cat(&[rv, &v], 2));
            }
            out.push(flat(&sdpa(&q, &k, &v, own_mask.as_ref()), span.prefix));
            next += 1;
            (k, v)
        });
        let last = next + span.suffixes.len();
        if !span.suffixes.is_empty() {
            let (sq, sk, sv) = (&q[next..last], &k[next..last], &v[next..last]);
            out.extend(suffixes([sq, sk, sv], prefix.as_ref(), mask.as_ref(), span, width));
        }
        next = last;
    }
    Tensor::cat(&out, 0)
}

fn pieces(span: &Span) -> impl Iterator<Item = i64> {
    (span.prefix > 0).then_some(span.prefix).into_iter().chain(span.suffixes.iter().copied())
}

fn suffixes([q, k, v]: [&[Tensor]; 3], prefix: Option<&(Tensor, Tensor)>, mask: Option<&Tensor>, span: &Span, width: i64) -> Vec<Tensor> {
    let longest = span.suffixes.iter().copied().max().unwrap_or(0);
    let count = span.suffixes.len() as i64;
    let [q, mut k, mut v] = [q, k, v].map(|rows| heads_first(&stack(rows, longest)));
    if let Some((pk, pv)) = prefix {
        let join = |p: &Tensor, own: &Tensor| Tensor::cat(&[p.expand([count, -1, -1, -1], false), own.shallow_clone()], 2);
        (k, v) = (join(pk, &k), join(pv, &v));
    }
    let rows = sdpa(&q, &k, &v, mask).reshape([count, longest, width]).unbind(0);
    let cut = |(row, &length): (&Tensor, &i64)| if length == longest { row.shallow_clone() } else { row.narrow(0, 0, length) };
    rows.iter().zip(&span.suffixes).map(cut).collect()
}

/// Rows of unequal length as one tensor `[G, longest, heads, d]`, zeros at the end.
fn stack(rows: &[Tensor], longest: i64) -> Tensor {
    let pad = |t: &Tensor| {
        let missing = longest - t.size()[0];
        if missing == 0 { t.shallow_clone() } else { t.constant_pad_nd([0, 0, 0, 0, 0, missing]) }
    };
    Tensor::stack(&rows.iter().map(pad).collect::<Vec<_>>(), 0)
}

/// `[G, S, heads, d]` → `[G, heads, S, d]`
fn heads_first(x: &Tensor) -> Tensor {
    x.transpose(1, 2)
}

/// Scaled dot-product attention; causal if there is no mask. `[G, heads, S, d]` → `[G, S, heads, d]`, contiguous.
fn sdpa(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let grouped = q.size()[1] != k.size()[1];
    // `is_causal` aligns upper-left, so it is right only where queries and keys are the same rows.
    let y = Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, mask.is_none(), None::<f64>, grouped);
    y.transpose(1, 2).contiguous()
}
