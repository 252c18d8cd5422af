//! The scalar head: one number a row. It makes a reward model (the number at a text's last token) and a critic (the numbers of all states).

use collimate_bridge::rms_norm_backward;
use collimate_types::{Seed, TokenId};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use crate::{Block, Head, Model, ModelError, Packed, Param, Piece, Suffix, arch::Arch};

/// A trunk with a scalar head: a reward model or a critic.
pub type ScoreModel = Model<ScalarHead>;

/// The name of the head's weight in a Hugging Face checkpoint.
pub(crate) const WEIGHT: &str = "score.weight";
/// The spread of transformers' fresh weights where `config.json` has no `initializer_range`.
const INITIALIZER_RANGE: f64 = 0.02;

/// Where a scalar head comes from if the checkpoint has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// All zeros: every score is 0 before the first update, as a critic likes it.
    Zero,
    /// Normal numbers of mean 0 and standard deviation `initializer_range` (0.02 if `config.json` has none), as transformers makes them;
    /// the n-th number depends on the seed and n alone.
    Normal(Seed),
}

impl Fresh {
    /// The weight `[1, hidden]`.
    pub(crate) fn weight(self, hidden: i64, config: &Value, kind: Kind) -> Param {
        let range = config.get("initializer_range").and_then(Value::as_f64).unwrap_or(INITIALIZER_RANGE);
        let numbers: Vec<f64> = match self {
            Self::Zero => vec![0.0; hidden as usize],
            Self::Normal(seed) => (0..hidden as u64).map(|n| range * normal(seed, n)).collect(),
        };
        let value = Tensor::from_slice(&numbers).view([1, hidden]).to_kind(kind);
        Param::new(&value, vec![Piece { name: WEIGHT.into(), start: 0, rows: 1 }])
    }
}

/// The n-th standard normal number of an address (Box and Muller 1958).
fn normal(seed: Seed, n: u64) -> f64 {
    let (a, b) = (seed.uniform(2 * n), seed.uniform(2 * n + 1));
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos() // 1 − a lies in (0, 1]
}

/// Final normalisation and one row of weights: `s = w·rms(h)`, without bias, as `LlamaForSequenceClassification` of one label.
///
/// Back, with `g = dL/ds`: `dL/dw = Σ g·rms(h)`, `dL/drms = g·w`, and through the normalisation.
#[derive(Debug)]
pub struct ScalarHead {
    norm: Param,
    eps: f64,
    weight: Param,
}

impl Head for ScalarHead {
    fn class(arch: &Arch) -> &'static str {
        arch.classifier
    }

    fn params(&self) -> Vec<&Param> {
        vec![&self.norm, &self.weight]
    }

    fn params_mut(&mut self) -> Vec<&mut Param> {
        vec![&mut self.norm, &mut self.weight]
    }

    /// One label, and the problem it is for: transformers would make two labels otherwise.
    fn describe(config: &mut Map<String, Value>) {
        config.insert("id2label".into(), json!({"0": "LABEL_0"}));
        config.insert("label2id".into(), json!({"LABEL_0": 0}));
        config.remove("num_labels");
    }
}

impl ScalarHead {
    /// `norm [hidden]`, `weight [1, hidden]`.
    #[must_use]
    pub fn new(norm: Param, eps: f64, weight: Param) -> Self {
        Self { norm, eps, weight }
    }

    /// The weight `[1, hidden]`.
    #[must_use]
    pub fn weight(&self) -> &Param {
        &self.weight
    }

    /// Scores of rows, made of differentiable operations; `hidden` are hidden states before the final normalisation.
    ///
    /// # Shapes
    /// `hidden [R, hidden]` → `[R]`
    pub fn forward(&self, hidden: &Tensor) -> Tensor {
        let normed = hidden.rms_norm(hidden.size()[1], Some(self.norm.value()), self.eps);
        normed.mv(&self.weight.value().view([-1]))
    }

    /// Accumulates the gradients of weight and norm and returns dL/dhidden. `dscores` is dL/ds of each row.
    ///
    /// # Shapes
    /// `hidden [R, hidden]`, `dscores [R]` → `[R, hidden]`
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn backward(&self, hidden: &Tensor, dscores: &Tensor) -> Result<Tensor, ModelError> {
        let hidden = hidden.contiguous();
        let g = dscores.unsqueeze(-1);
        if self.weight.trainable() {
            let normed = hidden.rms_norm(hidden.size()[1], Some(self.norm.value()), self.eps);
            let _ = self.weight.grad().addmm_(&g.tr(), &normed);
        }
        let dnormed = g.matmul(self.weight.value());
        let dhidden = hidden.zeros_like();
        rms_norm_backward(&hidden, self.norm.value(), self.eps, &dnormed, &dhidden, &self.norm.grad_or_scratch())?;
        Ok(dhidden)
    }
}

impl ScoreModel {
    /// The scores of a batch's leaves, without gradient: of leaf i the score of the row before its token, so the value of the state that the
    /// token was drawn in. In a batch of [`scored_blocks`] the score of each text.
    ///
    /// # Shapes
    /// → `[L]`, in the order of [`Packed::leaves`]
    ///
    /// # Errors
    /// When a token or a position lies outside the model.
    pub fn scores(&self, packed: &Packed) -> Result<Tensor, ModelError> {
        let _guard = tch::no_grad_guard();
        let hidden = self.forward(packed, None)?.index_select(0, &packed.head_row_tensor());
        Ok(packed.leaves_of_rows(&self.head().forward(&hidden)))
    }

    /// Names the pad token where the model has none: the score of a text is the one at its last token that is no pad token, and a saved
    /// model must say which that is.
    pub fn name_pad(&mut self, pad: TokenId) {
        if self.config.pad.is_none() {
            self.config.pad = Some(i64::from(pad));
            if let Some(map) = self.config.raw.as_object_mut() {
                map.insert("pad_token_id".into(), json!(pad));
            }
        }
    }
}

impl Packed {
    /// Numbers of the head's rows `[R]` as numbers of the leaves `[L]`.
    pub fn leaves_of_rows(&self, rows: &Tensor) -> Tensor {
        rows.index_select(0, &self.leaf_rows())
    }

    /// The gradient of [`Packed::leaves_of_rows`]: of the leaves `[L]` to the head's rows `[R]`. Rows with several leaves get their sum.
    pub fn rows_of_leaves(&self, leaves: &Tensor) -> Tensor {
        Tensor::zeros([self.head_rows.len() as i64], (leaves.kind(), Device::Cpu)).index_add(0, &self.leaf_rows(), leaves)
    }

    /// Scores of leaves `[L]` by the text they are of, `[texts]`: [`scored_blocks`] gave each text one leaf. 0 where there is none.
    pub fn texts_of_leaves(&self, leaves: &Tensor, texts: usize) -> Tensor {
        let out = Tensor::zeros([texts as i64], (leaves.kind(), Device::Cpu));
        let _ = out.shallow_clone().index_copy_(0, &self.texts(), leaves);
        out
    }

    /// Back: numbers of texts as numbers of the leaves `[L]`.
    pub fn leaves_of_texts(&self, texts: &Tensor) -> Tensor {
        texts.index_select(0, &self.texts())
    }

    fn texts(&self) -> Tensor {
        Tensor::from_slice(&self.leaves.iter().map(|l| l.row as i64).collect::<Vec<_>>())
    }

    fn leaf_rows(&self) -> Tensor {
        Tensor::from_slice(&self.leaves.iter().map(|l| l.head_row as i64).collect::<Vec<_>>())
    }
}

/// Texts that begin with `prefix`, laid out so that each has one leaf, whose row is the text's last token that is not `pad`: the place
/// where transformers reads a score. Text i is row `first_row + i` ([`Packed::texts_of_leaves`]).
///
/// What comes after that token changes nothing and is left out. A text of pad tokens alone is read at its first token; one without a token
/// has no leaf.
#[must_use]
pub fn scored_blocks(prefix: &[TokenId], continuations: &[&[TokenId]], pad: Option<i64>, first_row: usize) -> Vec<Block> {
    let end = |tokens: &[TokenId]| match pad {
        None => tokens.len(),
        Some(pad) => tokens.iter().rposition(|t| i64::from(*t) != pad).map_or(0, |last| last + 1),
    };
    let suffix = |tokens: &[TokenId], row: usize| Suffix {
        tokens: tokens.iter().copied().chain([0]).collect(), // a last token has no row: this one's leaf asks the row before it
        scored: std::iter::repeat_n(false, tokens.len()).chain([true]).collect(),
        row,
    };
    let prefix_end = end(prefix);
    let (mut whole, mut early) = (Vec::new(), Vec::new());
    for (row, text) in (first_row..).zip(continuations) {
        match end(text) {
            0 if prefix.is_empty() => whole.push(suffix(&text[..text.len().min(1)], row)),
            0 if prefix_end < prefix.len() => early.push(suffix(&[], row)),
            own => whole.push(suffix(&text[..own], row)),
        }
    }
    let shared = Block { prefix: prefix.to_vec(), suffixes: whole };
    let begins = Block { prefix: prefix[..prefix_end.max(1).min(prefix.len())].to_vec(), suffixes: early };
    [shared, begins].into_iter().filter(|b| !b.suffixes.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_at_its_last_token_that_is_no_pad_token() {
        let read = |prefix: &[TokenId], texts: &[&[TokenId]], pad| {
            let packed = Packed::new(&scored_blocks(prefix, texts, pad, 0)).unwrap();
            let mut at: Vec<_> = packed.leaves.iter().map(|l| (l.row, packed.tokens[packed.head_rows[l.head_row] as usize])).collect();
            at.sort_unstable();
            at
        };
        // An answer's end of sequence is the pad token of many models: the token before it is read.
        assert_eq!(read(&[5, 6], &[&[7, 8, 2], &[9], &[2]], Some(2)), [(0, 8), (1, 9), (2, 6)]);
        assert_eq!(read(&[5, 6], &[&[7, 8, 2], &[9], &[2]], None), [(0, 2), (1, 9), (2, 2)]);
        // A pad token inside counts for nothing; one at a prefix's end is passed over too.
        assert_eq!(read(&[5, 6, 2], &[&[7, 2, 8], &[2, 2]], Some(2)), [(0, 8), (1, 6)]);
        assert_eq!(read(&[], &[&[2, 2], &[4, 5]], Some(2)), [(0, 2), (1, 5)]);
        assert_eq!(read(&[2, 2], &[&[2]], Some(2)), [(0, 2)]);
    }

    #[test]
    fn a_prefix_is_laid_out_once_for_all_its_texts() {
        let blocks = scored_blocks(&[5, 6], &[&[7, 8], &[9]], Some(2), 3);
        let packed = Packed::new(&blocks).unwrap();
        assert_eq!(packed.tokens, [5, 6, 7, 8, 9]);
        let scores = Tensor::from_slice(&[0.5, -1.5]);
        let texts = packed.texts_of_leaves(&scores, 5);
        assert_eq!(Vec::<f64>::try_from(&texts).unwrap(), [0.0, 0.0, 0.0, 0.5, -1.5]);
        assert_eq!(packed.leaves_of_texts(&texts), scores);
    }

    #[test]
    fn fresh_weights_are_as_wide_as_the_configuration_says_and_depend_on_the_seed_alone() {
        let of = |seed| Fresh::Normal(Seed(seed)).weight(4096, &json!({"initializer_range": 0.5}), Kind::Double).value().detach();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let (mean, spread) = (of(1).mean(Kind::Double), of(1).std(true));
        assert!(mean.double_value(&[]).abs() < 0.04 && (spread.double_value(&[]) - 0.5).abs() < 0.03); // 5 standard errors
        let default = Fresh::Normal(Seed(1)).weight(4096, &Value::Null, Kind::Double).value().std(true);
        assert!((default.double_value(&[]) - INITIALIZER_RANGE).abs() < 0.0012);
        assert_eq!(Fresh::Zero.weight(3, &Value::Null, Kind::Double).value().detach(), Tensor::from_slice(&[0.0; 3]).view([1, 3]));
    }
}
