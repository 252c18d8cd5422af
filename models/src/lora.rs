//! Low-rank adapters (Hu et al. 2021, arXiv:2106.09685): what is added, and how a pass uses it.

use std::path::Path;

use collimate_types::Seed;
use serde::{Deserialize, Serialize};

use crate::{Packed, dropout};

/// The shape of the adapters of a model.
///
/// A projection `y = x Wᵀ` becomes `y = x Wᵀ + s · drop(x) Aᵀ Bᵀ` with `A [rank, in]` and `B [out, rank]`; W stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// Rows of A and columns of B.
    pub rank: i64,
    /// The scale `s` is `alpha / rank`, or `alpha / √rank` with [`LoraConfig::rslora`].
    pub alpha: f64,
    /// The share of an adapter's input that is set to zero in a training pass; the rest is divided by `1 − dropout`.
    pub dropout: f64,
    /// Which projections: the last part of their names in a Hugging Face checkpoint, such as `q_proj`.
    pub targets: Vec<String>,
    /// The scale that keeps activations of one size whatever the rank (Kalajdzievski 2023, arXiv:2312.03732).
    pub rslora: bool,
}

impl LoraConfig {
    /// What the product of the adapter is multiplied with.
    #[must_use]
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// Whether `module` (such as `model.layers.0.self_attn.q_proj`) is one of the targets.
    #[must_use]
    pub fn wants(&self, module: &str) -> bool {
        let last = module.rsplit('.').next().unwrap_or(module);
        self.targets.iter().any(|t| t == last)
    }
}

/// How adapters take part in the passes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdapterMode {
    /// They are added without dropout: sampling, scoring, evaluation.
    #[default]
    On,
    /// They are added with the dropout of this address, so that a backward pass, or one run again, sees the same masks.
    Training(Seed),
    /// As they were before training: absent, or the adapter that training began from. The reference.
    Start,
}

/// What the projections must know of a pass.
#[derive(Debug, Clone, Default)]
pub struct AdapterPass {
    /// Whether the adapters are those before training.
    pub(crate) start: bool,
    /// The address of each row's mask, `[N]`, where there is dropout.
    pub(crate) rows: Option<Vec<u64>>,
}

impl AdapterPass {
    /// For rows that have no dropout.
    pub(crate) fn plain(mode: AdapterMode) -> Self {
        Self { start: mode == AdapterMode::Start, rows: None }
    }

    /// For the rows of a batch.
    pub(crate) fn packed(mode: AdapterMode, packed: &Packed) -> Self {
        match mode {
            AdapterMode::Training(seed) => Self { start: false, rows: Some(dropout::addresses(packed, seed)) },
            _ => Self::plain(mode),
        }
    }
}

/// Whether a directory holds an adapter in PEFT's layout and no model.
#[must_use]
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(crate::peft::ADAPTER_CONFIG).is_file() && !dir.join("model.safetensors").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_the_papers_and_a_target_is_the_last_part_of_a_name() {
        let mut config = LoraConfig { rank: 16, alpha: 32.0, dropout: 0.0, targets: vec!["q_proj".into()], rslora: false };
        assert_eq!(config.scale(), 2.0);
        config.rslora = true;
        assert_eq!(config.scale(), 8.0);
        assert!(config.wants("model.layers.0.self_attn.q_proj") && !config.wants("model.layers.0.self_attn.k_proj"));
    }
}
