//! Trunk and head together.

use collimate_bridge::DecodeRow;
use collimate_types::TokenId;
use tch::{Device, Kind, Tensor};

use crate::{
    Ctx, DecodeRows, KvCache, ModelConfig, ModelError, Packed, Param, PrefixKv, Rope, Saved, Segment, Tape, VocabHead, packed::Span,
    segment::rerun_backward,
};

/// A language model: embedding, segments, head. Call everything under a no-grad guard; [`crate::segment`] opens autograd where it needs it.
#[derive(Debug)]
pub struct Model {
    /// Its dimensions.
    pub config: ModelConfig,
    /// The name of its architecture in the roster.
    pub arch: &'static str,
    embedding: Param,
    segments: Vec<Box<dyn Segment>>,
    head: VocabHead,
    rope: Rope,
    kind: Kind,
}

/// One segment's backward.
type Back = fn(&(dyn Segment + 'static), &Saved, &Tensor, &Ctx<'_>) -> Tensor;

/// The parts an architecture builds.
#[derive(Debug)]
pub struct Parts {
    /// `[V, hidden]`.
    pub embedding: Param,
    /// The layers.
    pub segments: Vec<Box<dyn Segment>>,
    /// The head.
    pub head: VocabHead,
    /// The rotation.
    pub rope: Rope,
}

impl Model {
    /// Puts the parts together.
    #[must_use]
    pub fn new(arch: &'static str, config: ModelConfig, parts: Parts) -> Self {
        let kind = parts.embedding.kind();
        let Parts { embedding, segments, head, rope } = parts;
        Self { config, arch, embedding, segments, head, rope, kind }
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The rotation.
    #[must_use]
    pub fn rope(&self) -> &Rope {
        &self.rope
    }

    /// The vocabulary head.
    #[must_use]
    pub fn head(&self) -> &VocabHead {
        &self.head
    }

    /// The token embedding, `[V, hidden]`.
    #[must_use]
    pub fn embedding(&self) -> &Param {
        &self.embedding
    }

    /// All parameters, always in the same order.
    #[must_use]
    pub fn params(&self) -> Vec<&Param> {
        let trunk = self.segments.iter().flat_map(|s| s.params());
        std::iter::once(&self.embedding).chain(trunk).chain(self.head.params()).collect()
    }

    /// Takes the whole model out of training.
    pub fn freeze(&mut self) {
        self.embedding.freeze();
        self.segments.iter_mut().flat_map(|s| s.params_mut()).for_each(Param::freeze);
        self.head.params_mut().for_each(Param::freeze);
    }

    /// The trunk over a packed batch; with a tape, backward can follow.
    ///
    /// # Shapes
    /// → `[N, hidden]`, before the final normalisation
    ///
    /// # Errors
    /// When a token or a position lies outside the model.
    pub fn forward(&self, packed: &Packed, tape: Option<&mut Tape>) -> Result<Tensor, ModelError> {
        self.check(&packed.tokens, &packed.positions)?;
        let ctx = Ctx::new(&self.rope, &packed.positions, &packed.spans, self.kind);
        Ok(self.trunk(&packed.token_tensor(), &ctx, tape))
    }

    /// The trunk made of differentiable operations alone: what [`Model::forward`] is tested against.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn run(&self, packed: &Packed) -> Result<Tensor, ModelError> {
        self.check(&packed.tokens, &packed.positions)?;
        let ctx = Ctx::new(&self.rope, &packed.positions, &packed.spans, self.kind);
        let embedded = self.embedding.value().index_select(0, &packed.token_tensor());
        Ok(self.segments.iter().fold(embedded, |x, segment| segment.run(&x, &ctx)))
    }

    /// Back through the trunk: accumulates every parameter's gradient. `dhead [R, hidden]` is the gradient of the head's rows.
    ///
    /// # Errors
    /// When the tape does not hold one entry per segment.
    pub fn backward(&self, packed: &Packed, tape: &mut Tape, dhead: &Tensor) -> Result<(), ModelError> {
        self.backward_with(packed, tape, dhead, |segment, saved, dy, ctx| segment.backward(saved, dy, ctx))
    }

    /// The same by the default backward of every segment (see [`crate::segment::rerun_backward`]), for a tape of inputs: the reference
    /// that a backward written by hand is tested against.
    ///
    /// # Errors
    /// As [`Model::backward`].
    pub fn backward_by_autograd(&self, packed: &Packed, tape: &mut Tape, dhead: &Tensor) -> Result<(), ModelError> {
        self.backward_with(packed, tape, dhead, rerun_backward::<dyn Segment>)
    }

    fn backward_with(&self, packed: &Packed, tape: &mut Tape, dhead: &Tensor, back: Back) -> Result<(), ModelError> {
        if tape.len() != self.segments.len() {
            return Err(ModelError::Batch(format!("the tape holds {} of {} segments", tape.len(), self.segments.len())));
        }
        let ctx = Ctx::new(&self.rope, &packed.positions, &packed.spans, self.kind);
        let mut dx = Tensor::zeros([packed.rows() as i64, self.config.hidden], (self.kind, Device::Cpu));
        let _ = dx.index_copy_(0, &packed.head_row_tensor(), dhead);
        for segment in self.segments.iter().rev() {
            if let Some(saved) = tape.pop() {
                dx = back(segment.as_ref(), &saved, &dx, &ctx);
            }
        }
        self.embedding_backward(packed, &dx);
        Ok(())
    }

    /// Keys and values of prompts, and the hidden state of each prompt's last token `[prompts, hidden]`. A prompt is computed once.
    ///
    /// # Errors
    /// When a prompt is empty, or a token or a position lies outside the model.
    pub fn prefill(&self, prompts: &[&[TokenId]]) -> Result<(Vec<PrefixKv>, Tensor), ModelError> {
        let tokens: Vec<TokenId> = prompts.iter().flat_map(|p| p.iter().copied()).collect();
        let positions: Vec<i64> = prompts.iter().flat_map(|p| 0..p.len() as i64).collect();
        self.check(&tokens, &positions)?;
        let mut spans = Vec::with_capacity(prompts.len());
        let (mut start, mut last) = (0, Vec::with_capacity(prompts.len()));
        for prompt in prompts {
            let length = prompt.len() as i64;
            if length == 0 {
                return Err(ModelError::Batch("a prompt without tokens cannot be continued".into()));
            }
            spans.push(Span { start, prefix: length, suffixes: Vec::new() });
            start += length;
            last.push(start - 1);
        }
        let ids: Vec<i64> = tokens.iter().map(|t| i64::from(*t)).collect();
        let ctx = Ctx::new(&self.rope, &positions, &spans, self.kind).keeping_kv();
        let hidden = self.trunk(&Tensor::from_slice(&ids), &ctx, None);
        let layers = ctx.kv.map(std::cell::RefCell::into_inner).unwrap_or_default();
        // Contiguous and of its own, so that the batch's rows can be freed.
        let cut = |t: &Tensor, s: &Span| t.narrow(0, s.start, s.prefix).transpose(0, 1).contiguous();
        let prefix =
            |s: &Span| PrefixKv { layers: layers.iter().map(|(k, v)| (cut(k, s), cut(v, s))).collect(), length: s.prefix as usize };
        Ok((spans.iter().map(prefix).collect(), hidden.index_select(0, &Tensor::from_slice(&last))))
    }

    /// One new token per row: appends to the cache and returns the hidden states `[n, hidden]`.
    ///
    /// # Errors
    /// When a token lies outside the vocabulary, or rows and cache do not fit.
    pub fn decode(&self, tokens: &[TokenId], rows: Vec<DecodeRow>, cache: &KvCache) -> Result<Tensor, ModelError> {
        let positions: Vec<i64> = rows.iter().map(|r| r.prefix_len + r.own_len).collect();
        self.check(tokens, &positions)?;
        let rows = DecodeRows::new(rows, &self.rope, self.kind);
        let ids: Vec<i64> = tokens.iter().map(|t| i64::from(*t)).collect();
        let mut x = self.embedding.value().index_select(0, &Tensor::from_slice(&ids));
        for (layer, segment) in self.segments.iter().enumerate() {
            x = segment.decode(&x, &rows, cache, layer)?;
        }
        Ok(x)
    }

    /// Logits of hidden states: `[n, hidden]` → `[n, V]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        self.head.logits(&self.embedding, hidden)
    }

    fn trunk(&self, tokens: &Tensor, ctx: &Ctx<'_>, mut tape: Option<&mut Tape>) -> Tensor {
        let mut x = self.embedding.value().index_select(0, tokens);
        for segment in &self.segments {
            let (y, saved) = segment.forward(&x, ctx);
            if let Some(tape) = tape.as_deref_mut() {
                tape.push(&x, saved);
            }
            x = y;
        }
        x
    }

    fn embedding_backward(&self, packed: &Packed, dx: &Tensor) {
        if !self.embedding.trainable() {
            return;
        }
        if let Some(pad) = self.config.pad {
            let rows: Vec<i64> = (0_i64..).zip(&packed.tokens).filter(|(_, t)| i64::from(**t) == pad).map(|(i, _)| i).collect();
            let _ = dx.shallow_clone().index_fill_(0, &Tensor::from_slice(&rows), 0.0);
        }
        let _ = self.embedding.grad().index_add_(0, &packed.token_tensor(), dx);
    }

    fn check(&self, tokens: &[TokenId], positions: &[i64]) -> Result<(), ModelError> {
        if let Some(id) = tokens.iter().find(|t| i64::from(**t) >= self.config.vocab) {
            return Err(ModelError::Batch(format!("token {id} lies outside the model's vocabulary of {}", self.config.vocab)));
        }
        match positions.iter().max() {
            Some(p) if *p as usize >= self.config.max_positions => {
                let (p, max) = (p + 1, self.config.max_positions);
                Err(ModelError::Batch(format!("a text of {p} tokens is longer than the model's context of {max}; shorten it")))
            }
            _ => Ok(()),
        }
    }
}
