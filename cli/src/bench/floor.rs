//! The time a step would take if every product ran at the measured ceiling.

use collimate_models::ModelConfig;
use collimate_types::RolloutGroup;

use crate::bench::ceilings::Ceilings;

/// The work of one GRPO step, from what was generated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Floor {
    /// Floating-point operations of training and prefill, no forward pass repeated.
    pub train_flops: f64,
    /// Seconds of decoding.
    pub decode_s: f64,
    /// Seconds of the whole step.
    pub seconds: f64,
}

impl Floor {
    /// `(6 N_lin (P + R) + 6 N_head R + attention) / sgemm`, plus for each decoding step
    /// `max(2 (N_lin + N_head) rows / sgemm, 4 (N_lin + N_head) / read)`. P and R are distinct prompt and completion rows.
    ///
    /// With `reuse` the decode's products are the training forward's: they count once.
    #[must_use]
    pub fn of(config: &ModelConfig, groups: &[RolloutGroup], ceilings: Ceilings, reuse: bool) -> Self {
        let (linear, head) = (config.linear_params() as f64, config.head_params() as f64);
        let prompts: f64 = groups.iter().map(|g| g.prompt.tokens.len() as f64).sum();
        let lengths = || groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.len());
        let rows = lengths().sum::<usize>() as f64;
        let gemm = ceilings.sgemm_gflops * 1e9;
        // Forward and backward of attention are three times its forward.
        let attention = 3.0 * groups.iter().map(|g| attention_forward(config, g)).sum::<f64>();
        let repeated = if reuse { 2.0 * (linear + head) * rows } else { 0.0 };
        let train_flops = 6.0 * linear * (prompts + rows) + 6.0 * head * rows + attention - repeated;
        // The first token comes from the prompt; step t decodes every completion longer than t.
        let steps = lengths().max().unwrap_or(0);
        let decode = |t: usize| {
            let alive = lengths().filter(|l| *l > t).count() as f64;
            (2.0 * (linear + head) * alive / gemm).max(4.0 * (linear + head) / (ceilings.read_gbs * 1e9))
        };
        let decode_s = (1..steps).map(decode).sum();
        Self { train_flops, decode_s, seconds: train_flops / gemm + decode_s }
    }
}

/// Products of queries with keys and of weights with values: 4·heads·d for each pair of positions that see each other, in every layer.
fn attention_forward(config: &ModelConfig, group: &RolloutGroup) -> f64 {
    let p = group.prompt.tokens.len() as f64;
    let completion = |r: &collimate_types::Rollout| {
        let t = r.tokens.len() as f64;
        p * t + t * (t + 1.0) / 2.0
    };
    let pairs = p * (p + 1.0) / 2.0 + group.rollouts.iter().map(completion).sum::<f64>();
    4.0 * (config.heads * config.head_dim) as f64 * config.layers as f64 * pairs
}
