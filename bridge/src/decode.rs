//! Attention of one decoding step over a shared prompt and a row's own tokens.

use tch::Tensor;

pub use crate::ffi::raw::DecodeRow;
use crate::{BridgeError, address, ffi::raw};

/// The attention shape of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeShape {
    /// Query heads.
    pub heads: i64,
    /// Key and value heads; divides `heads`.
    pub kv_heads: i64,
    /// Width of a head.
    pub head_dim: i64,
    /// Multiplies the scores: usually `1/√head_dim`.
    pub scale: f64,
}

/// Rows of cached keys are padded to a multiple of so many positions: so many scores are made at once.
pub const KEY_LANES: i64 = 16;

/// The keys and values of one prompt in one layer, contiguous; keys are rotated already and lie with the position innermost.
#[derive(Debug, Clone, Copy)]
pub struct PrefixCache<'a> {
    /// Keys, `[kv_heads, head_dim, P padded to KEY_LANES]`.
    pub k: &'a Tensor,
    /// Values, `[kv_heads, P, head_dim]`.
    pub v: &'a Tensor,
}

/// One decoding step of attention for `n` rows.
///
/// Rotates the new queries and keys in place (halves rotated, as in transformers' Llama), appends the new key and value at `own_len` of each row's
/// slot, attends to the row's prefix and own tokens, and writes the result to `out`.
///
/// # Shapes
/// `qkv [n, (heads + 2·kv_heads)·head_dim]`, `cos`, `sin [n, head_dim/2]`, `own_k [slots, kv_heads, head_dim, capacity]`,
/// `own_v [slots, kv_heads, capacity, head_dim]` with a capacity that is a multiple of [`KEY_LANES`], `out [n, heads·head_dim]`; float32 or float64.
///
/// # Errors
/// When a shape, a kind or a row does not fit.
pub fn decode_attention(
    qkv: &Tensor,
    (cos, sin): (&Tensor, &Tensor),
    (own_k, own_v): (&Tensor, &Tensor),
    out: &Tensor,
    rows: &[DecodeRow],
    prefixes: &[PrefixCache<'_>],
    shape: DecodeShape,
) -> Result<(), BridgeError> {
    let mut keys = Vec::with_capacity(prefixes.len());
    let mut values = Vec::with_capacity(prefixes.len());
    for p in prefixes {
        for t in [p.k, p.v] {
            let fits = t.kind() == qkv.kind() && raw::is_plain(address(t)) && t.numel() as i64 % (shape.kv_heads * shape.head_dim) == 0;
            if !fits {
                let got = format!("{:?} {:?}", t.kind(), t.size());
                return Err(BridgeError::Form { what: "decode_attention", got, wanted: "a plain prefix of qkv's kind" });
            }
        }
        keys.push(raw::data_address(address(p.k))?);
        values.push(raw::data_address(address(p.v))?);
    }
    for row in rows {
        let width = shape.kv_heads * shape.head_dim;
        let lengths = prefixes.get(row.prefix).map(|p| (p.k.numel() as i64 / width, p.v.numel() as i64 / width));
        if lengths != Some(((row.prefix_len + KEY_LANES - 1) / KEY_LANES * KEY_LANES, row.prefix_len)) {
            let got = format!("prefix {} with room for {lengths:?} keys and values", row.prefix);
            return Err(BridgeError::Form { what: "decode_attention", got, wanted: "a prefix of the row's prefix_len" });
        }
    }
    let shape = raw::DecodeShape { heads: shape.heads, kv_heads: shape.kv_heads, head_dim: shape.head_dim, scale: shape.scale };
    let (own_k, own_v) = (address(own_k), address(own_v));
    Ok(raw::decode_attention(address(qkv), address(cos), address(sin), own_k, own_v, address(out), rows, &keys, &values, &shape)?)
}
