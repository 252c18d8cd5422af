//! The dimensions every part of a model agrees on.

use serde_json::Value;

use crate::ModelError;

/// Dimensions of a model, read from its `config.json`. What only one architecture knows is read by its own file.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// V.
    pub vocab: i64,
    /// Width of a hidden state.
    pub hidden: i64,
    /// How many segments.
    pub layers: usize,
    /// Query heads.
    pub heads: i64,
    /// Key and value heads.
    pub kv_heads: i64,
    /// Width of a head.
    pub head_dim: i64,
    /// Width of the MLP.
    pub intermediate: i64,
    /// The longest context the model knows.
    pub max_positions: usize,
    /// Added to the mean square in RMS normalisation.
    pub norm_eps: f64,
    /// Whether the head uses the embedding's weight.
    pub tied: bool,
    /// The pad token, whose embedding row gets no input gradient, as in transformers (`padding_idx`).
    pub pad: Option<i64>,
    /// The whole file, to be written back.
    pub raw: Value,
}

/// Limits far above any real model, so that a hostile file cannot ask for more memory than a machine has.
const LARGEST: i64 = 1 << 24;

impl ModelConfig {
    /// Reads the common keys.
    ///
    /// # Errors
    /// When a key is missing, has another type, or numbers do not fit together.
    pub fn from_hf(raw: &Value, place: &str) -> Result<Self, ModelError> {
        let hidden = dimension(raw, "hidden_size", place)?;
        let heads = dimension(raw, "num_attention_heads", place)?;
        let kv_heads =
            if raw.get("num_key_value_heads").is_none_or(Value::is_null) { heads } else { dimension(raw, "num_key_value_heads", place)? };
        let head_dim = if raw.get("head_dim").is_none_or(Value::is_null) { hidden / heads } else { dimension(raw, "head_dim", place)? };
        if heads % kv_heads != 0 {
            let what = format!("num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}");
            return Err(ModelError::config(place, what, "correct one of them"));
        }
        let eps = raw.get("rms_norm_eps").and_then(Value::as_f64).unwrap_or(1e-6);
        Ok(Self {
            vocab: dimension(raw, "vocab_size", place)?,
            hidden,
            layers: dimension(raw, "num_hidden_layers", place)? as usize,
            heads,
            kv_heads,
            head_dim,
            intermediate: dimension(raw, "intermediate_size", place)?,
            max_positions: dimension(raw, "max_position_embeddings", place)? as usize,
            norm_eps: eps,
            tied: raw.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false),
            pad: raw.get("pad_token_id").and_then(Value::as_i64),
            raw: raw.clone(),
        })
    }

    /// Numbers of the trunk's linear layers, `N_lin`.
    #[must_use]
    pub fn linear_params(&self) -> usize {
        let attention = self.hidden * self.head_dim * (self.heads + 2 * self.kv_heads) + self.heads * self.head_dim * self.hidden;
        self.layers * (attention + 3 * self.hidden * self.intermediate) as usize
    }

    /// Numbers of the vocabulary head, `N_head`.
    #[must_use]
    pub fn head_params(&self) -> usize {
        (self.vocab * self.hidden) as usize
    }
}

fn dimension(raw: &Value, key: &str, place: &str) -> Result<i64, ModelError> {
    let wanted = || {
        ModelError::config(
            format!("{place}: {key}"),
            format!("is {}", raw.get(key).unwrap_or(&Value::Null)),
            "it must be a whole number above 0",
        )
    };
    raw.get(key).and_then(Value::as_i64).filter(|v| (1..=LARGEST).contains(v)).ok_or_else(wanted)
}
