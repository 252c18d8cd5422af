//! Rotary position embedding (Su et al. 2021, arXiv:2104.09864), halves rotated as in transformers' Llama.

use std::f64::consts::PI;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::ModelError;

/// How frequencies are stretched for long contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// `θ_i = base^(−2i/d)`.
    Default,
    /// All frequencies divided by a factor (Chen et al. 2023, arXiv:2306.15595).
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3.1's rule: long wave lengths divided by the factor, short ones kept, a ramp between.
    Llama3 {
        /// Divides the long wave lengths.
        factor: f64,
        /// Wave lengths above `original / low` are divided.
        low: f64,
        /// Wave lengths below `original / high` are kept.
        high: f64,
        /// The context the model was trained with first.
        original: f64,
    },
}

/// The rotation of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    head_dim: i64,
    inverse: Vec<f64>,
}

impl Rope {
    /// Frequencies for heads of `head_dim`, an even number.
    #[must_use]
    pub fn new(head_dim: i64, base: f64, scaling: RopeScaling) -> Self {
        let plain = (0..head_dim / 2).map(|i| base.powf(-2.0 * i as f64 / head_dim as f64));
        Self { head_dim, inverse: plain.map(|f| scaled(f, scaling)).collect() }
    }

    /// Reads `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before) of a `config.json`.
    ///
    /// # Errors
    /// When the kind is not one of default, linear, llama3, or a key is missing.
    pub fn from_hf(config: &Value, head_dim: i64, place: &str) -> Result<Self, ModelError> {
        let parameters = config.get("rope_parameters").filter(|v| v.is_object());
        let scaling = config.get("rope_scaling").filter(|v| v.is_object());
        let from = parameters.or(scaling);
        let theta = parameters.and_then(|p| p.get("rope_theta")).or_else(|| config.get("rope_theta"));
        let base = theta.and_then(Value::as_f64).unwrap_or(10_000.0);
        let key = if parameters.is_some() { "rope_parameters" } else { "rope_scaling" };
        let number = |name: &str| {
            let value = from.and_then(|f| f.get(name)).and_then(Value::as_f64).filter(|v| v.is_finite() && *v > 0.0);
            value.ok_or_else(|| ModelError::config(format!("{place}: {key}.{name}"), "is missing or not a positive number", "give it"))
        };
        let kind = from.and_then(|f| f.get("rope_type").or_else(|| f.get("type"))).and_then(Value::as_str).unwrap_or("default");
        let scaling = match kind {
            "default" => RopeScaling::Default,
            "linear" => RopeScaling::Linear { factor: number("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                original: number("original_max_position_embeddings")?,
            },
            other => {
                let mend = "supported are default, linear and llama3";
                return Err(ModelError::config(format!("{place}: {key}.rope_type"), format!("is `{other}`"), mend));
            }
        };
        if !(base.is_finite() && base > 0.0) || head_dim <= 0 || head_dim % 2 != 0 {
            let what = format!("rope_theta {base} with head_dim {head_dim} cannot rotate");
            return Err(ModelError::config(place, what, "head_dim must be even and rope_theta positive"));
        }
        Ok(Self::new(head_dim, base, scaling))
    }

    /// Cosines and sines of each position's angles.
    ///
    /// # Shapes
    /// `positions [N]` → two of `[N, head_dim / 2]`
    pub fn table(&self, positions: &[i64], kind: Kind) -> (Tensor, Tensor) {
        let half = self.inverse.len();
        let mut cos = Vec::with_capacity(positions.len() * half);
        let mut sin = Vec::with_capacity(positions.len() * half);
        for &p in positions {
            for &f in &self.inverse {
                // transformers takes the angle in float32; float64 is for tests of exactness.
                let angle = if kind == Kind::Float { f64::from(p as f32 * f as f32) } else { p as f64 * f };
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
        let shape = [positions.len() as i64, half as i64];
        let tensor = |v: &[f64]| Tensor::from_slice(v).to_kind(kind).to_device(Device::Cpu).view(shape);
        (tensor(&cos), tensor(&sin))
    }

    /// Width of a head.
    #[must_use]
    pub fn head_dim(&self) -> i64 {
        self.head_dim
    }
}

/// Rotates rows of heads: `(a, b) → (a cos − b sin, b cos + a sin)` for the halves a, b of each head.
///
/// # Shapes
/// `x [N, heads, head_dim]`, `cos`, `sin [N, head_dim / 2]` → `[N, heads, head_dim]`
pub(crate) fn rotate(x: &Tensor, (cos, sin): (&Tensor, &Tensor)) -> Tensor {
    let halves = x.chunk(2, -1);
    let (cos, sin) = (cos.unsqueeze(1), sin.unsqueeze(1));
    let (a, b) = (&halves[0], &halves[1]);
    Tensor::cat(&[a * &cos - b * &sin, b * &cos + a * &sin], -1)
}

fn scaled(frequency: f64, scaling: RopeScaling) -> f64 {
    match scaling {
        RopeScaling::Default => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 { factor, low, high, original } => {
            let wave = 2.0 * PI / frequency;
            if wave > original / low {
                frequency / factor
            } else if wave < original / high {
                frequency
            } else {
                let smooth = (original / wave - low) / (high - low);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn llama3_keeps_short_waves_and_stretches_long_ones() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
        let plain = Rope::new(128, 500_000.0, RopeScaling::Default);
        let rope = Rope::new(128, 500_000.0, scaling);
        assert_eq!(rope.inverse[0], plain.inverse[0]);
        assert!((rope.inverse[63] * 8.0 - plain.inverse[63]).abs() < 1e-18);
        // Pair 30: wave length 2π·500000^(60/128) = 2947 lies on the ramp; worked out by hand from the published rule.
        let wave = 2.0 * PI / plain.inverse[30];
        let smooth = (8192.0 / wave - 1.0) / 3.0;
        let wanted = plain.inverse[30] * ((1.0 - smooth) / 8.0 + smooth);
        assert!((2048.0..8192.0).contains(&wave) && (rope.inverse[30] - wanted).abs() < 1e-15);
    }

    #[test]
    fn an_unknown_kind_is_refused_by_name() {
        let config = json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}});
        let error = Rope::from_hf(&config, 64, "config.json").unwrap_err().to_string();
        assert!(error.contains("yarn") && error.contains("rope_scaling.rope_type") && error.contains("llama3"), "{error}");
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let old = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}});
        let new = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0}});
        assert_eq!(Rope::from_hf(&old, 64, "c").unwrap(), Rope::from_hf(&new, 64, "c").unwrap());
    }
}
