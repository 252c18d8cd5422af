//! What a model file may hold at most. Lengths are bounded by the file itself; these bound what costs more memory than its bytes on disk.

/// Length of a safetensors header in bytes, as the format's own library caps it.
pub const HEADER_BYTES: u64 = 100_000_000;

/// Tensors in one file. The largest public model has fewer than 100,000 in all of its files.
pub const TENSORS: usize = 1 << 17;

/// Metadata entries in one file.
pub const METADATA: usize = 1 << 16;

/// Dimensions of a safetensors tensor.
pub const RANK: usize = 16;

/// Dimensions of a GGUF tensor (GGML's own limit).
pub const GGUF_RANK: usize = 4;

/// Length in bytes of a GGUF metadata key (the format's own limit) or tensor name.
pub const GGUF_NAME: u64 = 65_535;

/// Shards that an index may name.
pub const SHARDS: usize = 10_000;
