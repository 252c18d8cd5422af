//! Transformers on LibTorch: packed forward, heads, tape, KV cache, load and save.
