//! The declarations both languages share. Nothing outside this crate sees an address.

#[cxx::bridge(namespace = "collimate")]
pub(crate) mod raw {
    /// Hyper-parameters of one AdamW step.
    struct AdamWKnobs {
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
    }

    /// The attention shape of a model.
    struct DecodeShape {
        heads: i64,
        kv_heads: i64,
        head_dim: i64,
        scale: f64,
    }

    /// Where a decoding row stands.
    #[derive(Debug, Clone, Copy)]
    struct DecodeRow {
        /// Its place in the own cache.
        slot: i64,
        /// How many own tokens are cached already.
        own_len: i64,
        /// Which prefix it continues.
        prefix: usize,
        /// How many tokens that prefix has.
        prefix_len: i64,
    }

    /// What must be known to draw for one row; the suppressed tokens stand in a list of their own.
    struct DrawRow {
        uniform: f64,
        inverse_temperature: f64,
        greedy: bool,
        suppressed_start: usize,
        suppressed_end: usize,
    }

    /// A drawn token.
    struct DrawnRow {
        token: i64,
        total: f64,
        allowed: f64,
        weight: f64,
    }

    unsafe extern "C++" {
        include!("bridge.h");

        fn set_deterministic(on: bool);
        fn keep_large_allocations();
        fn show_config() -> String;
        fn rng_state() -> Result<Vec<u8>>;
        fn set_rng_state(state: &[u8]) -> Result<()>;
        fn data_address(tensor: usize) -> Result<usize>;
        fn is_plain(tensor: usize) -> bool;
        fn fused_adamw(
            params: &[usize],
            grads: &[usize],
            exp_avg: &[usize],
            exp_avg_sq: &[usize],
            steps: &[usize],
            knobs: &AdamWKnobs,
        ) -> Result<()>;
        fn foreach_norm(tensors: &[usize]) -> Result<f64>;
        fn foreach_mul(tensors: &[usize], factor: f64) -> Result<()>;
        fn foreach_zero(tensors: &[usize]) -> Result<()>;
        fn rms_norm(x: usize, weight: usize, eps: f64, out: usize) -> Result<()>;
        fn rms_norm_backward(x: usize, weight: usize, eps: f64, dy: usize, dx: usize, dweight: usize) -> Result<()>;
        fn silu_mul(gate_up: usize, out: usize) -> Result<()>;
        fn silu_mul_backward(gate_up: usize, dy: usize, out: usize, dgate_up: usize) -> Result<()>;
        fn rotate_heads(x: usize, heads: i64, cos: usize, sin: usize, back: bool) -> Result<()>;
        fn few_rows_linear(x: usize, weight: usize, bias: usize, out: usize) -> Result<()>;
        fn draw_rows(logits: usize, rows: &[DrawRow], suppressed: &[u32], out: &mut [DrawnRow]) -> Result<()>;
        #[allow(clippy::too_many_arguments)]
        fn decode_attention(
            qkv: usize,
            cos: usize,
            sin: usize,
            own_k: usize,
            own_v: usize,
            out: usize,
            rows: &[DecodeRow],
            prefix_k: &[usize],
            prefix_v: &[usize],
            shape: &DecodeShape,
        ) -> Result<()>;
    }
}
