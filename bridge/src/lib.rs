//! The one crate that talks C++ to LibTorch: what `tch` does not bind.
//!
//! Tensors cross the border as addresses of `at::Tensor`, held alive by the borrowed `tch::Tensor` for the length of the call. C++
//! exceptions come back as [`BridgeError`]. Every unsafe line that touches LibTorch stands in this crate.

#![allow(unsafe_code)]

mod decode;
mod ffi;
mod layer;
mod memory;
mod optimizer;
mod runtime;
mod sample;

pub use decode::{DecodeRow, DecodeShape, KEY_LANES, PrefixCache, decode_attention};
pub use layer::{few_rows_linear, rms_norm, rms_norm_backward, rotate_heads, silu_mul, silu_mul_backward};
pub use memory::{bytes, fill_f32};
pub use optimizer::{AdamW, foreach_mul, foreach_norm, foreach_zero, fused_adamw};
pub use runtime::{keep_large_allocations, rng_state, set_deterministic, set_rng_state, show_config};
pub use sample::{Draw, DrawnToken, draw_rows};

/// What went wrong on the other side of the border.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// LibTorch threw.
    #[error("libtorch: {0}")]
    Cxx(#[from] cxx::Exception),
    /// A tensor is not of the form that is needed.
    #[error("{what}: the tensor is {got}, wanted {wanted}")]
    Form {
        /// The call.
        what: &'static str,
        /// What came.
        got: String,
        /// What is needed.
        wanted: &'static str,
    },
}

/// The address C++ knows a tensor by. Valid as long as the tensor is borrowed.
fn address(tensor: &tch::Tensor) -> usize {
    tensor.as_ptr() as usize
}

/// The addresses of a list of tensors.
fn addresses<'a>(tensors: impl IntoIterator<Item = &'a tch::Tensor>) -> Vec<usize> {
    tensors.into_iter().map(address).collect()
}
