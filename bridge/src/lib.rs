//! The one crate that talks C++: fused AdamW, foreach, RNG state, deterministic mode, decode kernels.
