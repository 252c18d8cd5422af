//! Trunk and head together.

use std::cell::Cell;

use collimate_bridge::DecodeRow;
use collimate_types::{Seed, TokenId};
use tch::{Device, Kind, Tensor};

use crate::{
    AdapterMode, Block, Ctx, DecodeRows, Head, KvCache, Linear, LoraConfig, ModelConfig, ModelError, Packed, Param, PrefixKv, Recording,
    Rope, Saved, Segment, Tape, VocabHead, packed::Span, segment::rerun_backward,
};

/// A trunk (embedding and segments) with a head: a language model, or with another head a reward model or a critic. Call everything under a
/// no-grad guard; [`crate::segment`] opens autograd where it needs it.
#[derive(Debug)]
pub struct Model<H = VocabHead> {
    /// Its dimensions.
    pub config: ModelConfig,
    /// The name of its architecture in the roster.
    pub arch: &'static str,
    embedding: Param,
    segments: Vec<Box<dyn Segment>>,
    head: H,
    rope: Rope,
    kind: Kind,
    lora: Option<(LoraConfig, Seed)>,
    mode: Cell<AdapterMode>,
}

/// Sets a mode back, also where the work panics.
struct Back<'a>(&'a Cell<AdapterMode>, AdapterMode);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// One segment's backward.
type BackOf = fn(&(dyn Segment + 'static), &Saved, &Tensor, &Ctx<'_>) -> Tensor;

/// The parts an architecture builds.
#[derive(Debug)]
pub struct Parts {
    /// `[V, hidden]`.
    pub embedding: Param,
    /// The layers.
    pub segments: Vec<Box<dyn Segment>>,
    /// The weight of the final normalisation, `[hidden]`: the head's.
    pub norm: Param,
    /// The rotation.
    pub rope: Rope,
}

impl<H: Head> Model<H> {
    /// Puts the parts together; `head` gets the weight of the final normalisation.
    #[must_use]
    pub fn new(arch: &'static str, config: ModelConfig, parts: Parts, head: impl FnOnce(Param) -> H) -> Self {
        let kind = parts.embedding.kind();
        let Parts { embedding, segments, norm, rope } = parts;
        Self { config, arch, embedding, segments, head: head(norm), rope, kind, lora: None, mode: Cell::default() }
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

    /// The layers.
    #[must_use]
    pub fn segments(&self) -> &[Box<dyn Segment>] {
        &self.segments
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &H {
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
        self.head.params_mut().into_iter().for_each(Param::freeze);
    }

    /// Takes the model out of training and gives the projections that are wanted (by their modules, such as
    /// `model.layers.0.self_attn.q_proj`) adapters, which alone are trained. At first they change nothing. `seed` is the address of their
    /// first values and of their dropout.
    ///
    /// # Errors
    /// When no projection is wanted.
    pub fn adapt(&mut self, config: &LoraConfig, wanted: &dyn Fn(&str) -> bool, seed: Seed) -> Result<(), ModelError> {
        self.freeze();
        self.install(config, wanted, seed)
    }

    /// The same without taking anything out of training.
    pub(crate) fn install(&mut self, config: &LoraConfig, wanted: &dyn Fn(&str) -> bool, seed: Seed) -> Result<(), ModelError> {
        let mut linears = self.linears_mut();
        if !linears.iter().flat_map(|l| l.modules()).any(wanted) {
            let there: std::collections::BTreeSet<&str> =
                linears.iter().flat_map(|l| l.modules()).map(|m| m.rsplit('.').next().unwrap_or(m)).collect();
            let there = there.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ModelError::config("lora.targets", "names no projection of this model", format!("it has: {there}")));
        }
        linears.iter_mut().for_each(|l| l.adapt(wanted, config, seed));
        self.lora = Some((config.clone(), seed.fork("dropout", 0)));
        Ok(())
    }

    /// The adapters as they are now become what [`AdapterMode::Start`] sees: training goes on from an adapter, not from the bare model.
    pub fn keep_start(&mut self) {
        self.linears_mut().into_iter().for_each(Linear::keep_start);
    }

    /// Makes the adapters a part of the weights, where the weights lie.
    pub fn merge(&mut self) {
        self.linears_mut().into_iter().for_each(Linear::merge);
        self.lora = None;
    }

    /// The shape of the adapters, if there are any.
    #[must_use]
    pub fn lora(&self) -> Option<&LoraConfig> {
        self.lora.as_ref().map(|(config, _)| config)
    }

    /// Does some work with the adapters in a mode; afterwards they are in the one before.
    pub fn with_adapters<T>(&self, mode: AdapterMode, work: impl FnOnce() -> T) -> T {
        let _back = Back(&self.mode, self.mode.replace(mode));
        work()
    }

    /// The mode of the forward and backward passes of an update.
    #[must_use]
    pub fn training_mode(&self, update: u64) -> AdapterMode {
        match &self.lora {
            Some((config, seed)) if config.dropout > 0.0 => AdapterMode::Training(seed.fork("update", update)),
            _ => AdapterMode::On,
        }
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.segments.iter_mut().flat_map(|s| s.linears_mut()).collect()
    }

    fn ctx<'p>(&self, packed: &'p Packed) -> Ctx<'p> {
        Ctx::new(&self.rope, packed, self.kind, self.mode.get())
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
        let ctx = self.ctx(packed);
        let Some(tape) = tape else { return Ok(self.trunk(&packed.token_tensor(), &ctx, |_, _| {})) };
        tape.restart(self, packed.rows());
        let hidden = self.trunk(&packed.token_tensor(), &ctx, |segment, saved| tape.push(segment, saved, packed.rows()));
        tape.advance(packed.rows());
        Ok(hidden)
    }

    /// The trunk made of differentiable operations alone: what [`Model::forward`] is tested against.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn run(&self, packed: &Packed) -> Result<Tensor, ModelError> {
        self.check(&packed.tokens, &packed.positions)?;
        let ctx = self.ctx(packed);
        let embedded = self.embedding.value().index_select(0, &packed.token_tensor());
        Ok(self.segments.iter().fold(embedded, |x, segment| segment.run(&x, &ctx)))
    }

    /// Back through the trunk: accumulates every parameter's gradient. `dhead [R, hidden]` is the gradient of the head's rows.
    ///
    /// # Errors
    /// When the tape does not hold the batch's forward pass.
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

    /// The same from what the sampler recorded: `rows` are the batch's rows in the recording (see [`Recording::find`]).
    ///
    /// # Errors
    /// When `rows` are not as many as the batch's.
    pub fn backward_recorded(&self, packed: &Packed, recording: &Recording, rows: &[i64], dhead: &Tensor) -> Result<(), ModelError> {
        if rows.len() != packed.rows() {
            return Err(ModelError::Batch(format!("{} rows were found in the recording for {} of the batch", rows.len(), packed.rows())));
        }
        let rows = Tensor::from_slice(rows);
        let back = |segment: usize, dx: &Tensor, ctx: &Ctx<'_>| {
            let saved = recording.saved(segment, &rows);
            self.segments[segment].backward(&saved, dx, ctx)
        };
        self.backward_through(packed, dhead, back);
        Ok(())
    }

    fn backward_with(&self, packed: &Packed, tape: &mut Tape, dhead: &Tensor, back: BackOf) -> Result<(), ModelError> {
        if !tape.holds(self.segments.len(), packed.rows()) {
            return Err(ModelError::Batch(format!("the tape does not hold {} rows of {} segments", packed.rows(), self.segments.len())));
        }
        let back = |segment: usize, dx: &Tensor, ctx: &Ctx<'_>| {
            let saved = tape.saved(segment, None);
            let dx = back(self.segments[segment].as_ref(), &saved, dx, ctx);
            tape.drop_last_input();
            dx
        };
        self.backward_through(packed, dhead, back);
        Ok(())
    }

    fn backward_through(&self, packed: &Packed, dhead: &Tensor, mut back: impl FnMut(usize, &Tensor, &Ctx<'_>) -> Tensor) {
        let ctx = self.ctx(packed);
        let dx = Tensor::zeros([packed.rows() as i64, self.config.hidden], (self.kind, Device::Cpu));
        let _ = dx.shallow_clone().index_copy_(0, &packed.head_row_tensor(), dhead);
        let dx = (0..self.segments.len()).rev().fold(dx, |dx, segment| {
            let _span = tracing::trace_span!("backward_layer").entered();
            back(segment, &dx, &ctx)
        });
        self.embedding_backward(packed, &dx);
    }

    fn trunk(&self, tokens: &Tensor, ctx: &Ctx<'_>, mut keep: impl FnMut(usize, &Saved)) -> Tensor {
        let embedded = self.embedding.value().index_select(0, tokens);
        self.segments.iter().enumerate().fold(embedded, |x, (i, segment)| {
            let _span = tracing::trace_span!("forward_layer").entered();
            let (y, saved) = segment.forward(&x, ctx);
            keep(i, &saved);
            y
        })
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

/// What sampling needs.
impl Model {
    /// Keys and values of prompts, and the hidden state of each prompt's last token `[prompts, hidden]`. A prompt is computed once.
    ///
    /// `keep` records the rows of the first prompts, as many as it says.
    ///
    /// # Errors
    /// When a prompt is empty, or a token or a position lies outside the model.
    pub fn prefill(&self, prompts: &[&[TokenId]], keep: Option<(&mut Recording, usize)>) -> Result<(Vec<PrefixKv>, Tensor), ModelError> {
        if prompts.iter().any(|p| p.is_empty()) {
            return Err(ModelError::Batch("a prompt without tokens cannot be continued".into()));
        }
        let all = prompts;
        let block = |p: &&[TokenId]| Block { prefix: p.to_vec(), suffixes: Vec::new() };
        let packed = Packed::new(&prompts.iter().map(block).collect::<Vec<_>>())?;
        self.check(&packed.tokens, &packed.positions)?;
        let ctx = self.ctx(&packed).keeping_kv();
        let (root, spans, tokens) = (packed.root as i64, &packed.spans, packed.token_tensor());
        let hidden = match keep {
            Some((recording, prompts)) if prompts > 0 => {
                let rows = (root + spans[..prompts.min(spans.len())].iter().map(|s| s.prefix).sum::<i64>()) as usize;
                let hidden = self.trunk(&tokens, &ctx, |segment, saved| recording.push(segment, saved, rows));
                recording.advance(rows);
                recording.add_prompts(packed.root, &all[..prompts]);
                hidden
            }
            _ => self.trunk(&tokens, &ctx, |_, _| {}),
        };
        let layers = ctx.kv.map(std::cell::RefCell::into_inner).unwrap_or_default();
        let cut = |t: &Tensor, s: &Span| Tensor::cat(&[t.narrow(0, 0, root), t.narrow(0, s.start, s.prefix)], 0);
        let prefix = |s: &Span| PrefixKv::new(layers.iter().map(|(k, v)| (cut(k, s), cut(v, s))), (root + s.prefix) as usize);
        let last: Vec<i64> = spans.iter().map(|s| s.start + s.prefix - 1).collect();
        Ok((spans.iter().map(prefix).collect(), hidden.index_select(0, &Tensor::from_slice(&last))))
    }

    /// One new token per row: appends to the cache and returns the hidden states `[n, hidden]`.
    ///
    /// `keep` records the first rows, as many as it says.
    ///
    /// # Errors
    /// When a token lies outside the vocabulary, or rows and cache do not fit.
    pub fn decode(
        &self,
        tokens: &[TokenId],
        rows: Vec<DecodeRow>,
        cache: &KvCache,
        mut keep: Option<(&mut Recording, usize)>,
    ) -> Result<Tensor, ModelError> {
        let positions: Vec<i64> = rows.iter().map(|r| r.prefix_len + r.own_len).collect();
        self.check(tokens, &positions)?;
        let rows = DecodeRows::new(rows, &self.rope, self.kind, self.mode.get());
        let ids: Vec<i64> = tokens.iter().map(|t| i64::from(*t)).collect();
        let mut x = self.embedding.value().index_select(0, &Tensor::from_slice(&ids));
        for (layer, segment) in self.segments.iter().enumerate() {
            let _span = tracing::trace_span!("decode_layer").entered();
            let (y, saved) = segment.decode(&x, &rows, cache, layer)?;
            if let Some((recording, count)) = keep.as_mut().filter(|(_, count)| *count > 0) {
                recording.push(layer, &saved, *count);
            }
            x = y;
        }
        if let Some((recording, count)) = keep {
            recording.advance(count);
        }
        Ok(x)
    }

    /// Logits of hidden states: `[n, hidden]` → `[n, V]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        self.head.logits(&self.embedding, hidden)
    }

    /// Logits of decoding rows: `[n, hidden]` → `[n, V]`, fast for few rows.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn decode_logits(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.head.decode(&self.embedding, hidden)?)
    }
}
