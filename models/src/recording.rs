//! The sampler's activations, found again by what was sampled.
//!
//! Prefill and decoding compute, for every token, exactly what the training forward would compute on the same weights. A recording keeps
//! it, so that the first optimizer pass over an on-policy batch starts at its backward pass. A row is found by its content (prompt tokens
//! and completion tokens): equal content on equal weights has equal activations, so no identity has to travel with a rollout.

use std::collections::HashMap;

use collimate_types::{TokenId, WeightsVersion};
use tch::{Device, Kind, Tensor};

use crate::{Model, Saved, Tape};

/// Where the row that predicts or continues a token lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Row of the tape.
    row: u32,
    /// Row of the head's buffers.
    head: u32,
}

/// A prompt and what was drawn after it.
#[derive(Debug)]
struct RecordedPrompt {
    /// Its rows on the tape, `[P]`, and its last row's head row.
    rows: Vec<u32>,
    head: Option<u32>,
    /// For each completion the places of its tokens but the last, which nothing was computed from.
    completions: HashMap<Vec<TokenId>, Vec<Place>>,
}

/// Rows of a group: of its prompt, then of its completions one after another.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// Rows of the tape, `[N]`.
    pub rows: Vec<i64>,
    /// For each of them its row of the head's buffers, `[N]`; −1 for rows nothing was drawn from: the prompt's but the last.
    pub heads: Vec<i64>,
}

impl Found {
    /// The rows of several groups in the order in which [`crate::Packed`] lays them out, whose root has `root` rows.
    #[must_use]
    pub fn join(groups: &[Self], root: usize) -> Self {
        let mut all = Self::default();
        if let Some(first) = groups.first() {
            all.rows.extend(&first.rows[..root]);
            all.heads.extend(&first.heads[..root]);
        }
        for group in groups {
            all.rows.extend(&group.rows[root..]);
            all.heads.extend(&group.heads[root..]);
        }
        all
    }
}

/// What prefill and decoding of one weights version left, kept in buffers from step to step under a limit of bytes.
#[derive(Debug, Default)]
pub struct Recording {
    tape: Tape,
    /// Bytes for everything; the tape may take what the head's rows of this version leave.
    limit: Option<usize>,
    /// Whether the sampler may record; otherwise only the tape is used.
    on: bool,
    version: WeightsVersion,
    temperature: f64,
    prompts: HashMap<Vec<TokenId>, RecordedPrompt>,
    /// `[capacity, hidden]` hidden states before the final normalisation, one a head row.
    hidden: Option<Tensor>,
    /// `[capacity, V]` `exp(z/τ − max)`, one a head row.
    weights: Option<Tensor>,
    /// Σ of each row of `weights`.
    totals: Vec<f64>,
    head_capacity: usize,
    /// Trunk rows and head rows that the present version may fill. The buffers may be larger, from an earlier step; what is recorded must
    /// not depend on that, or a resumed run would differ.
    reserved: (usize, usize),
}

/// How large a request can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Tokens of its prompt.
    pub prompt: usize,
    /// Completions.
    pub group: usize,
    /// Tokens of a completion at most.
    pub new_tokens: usize,
}

impl Extent {
    /// Trunk rows: the last token of a completion is drawn but never computed.
    #[must_use]
    pub fn rows(self) -> usize {
        self.prompt + self.group * self.new_tokens.saturating_sub(1)
    }

    /// Head rows.
    #[must_use]
    pub fn heads(self) -> usize {
        1 + self.group * self.new_tokens.saturating_sub(1)
    }
}

impl Recording {
    /// Without a limit of bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { on: true, ..Self::default() }
    }

    /// With a limit of bytes for everything it keeps.
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self { tape: Tape::with_limit(bytes), limit: Some(bytes), on: true, ..Self::default() }
    }

    /// Only a tape for training passes: nothing of the sampler is kept.
    #[must_use]
    pub fn off(tape: Tape) -> Self {
        Self { tape, ..Self::default() }
    }

    /// Bytes a request takes at most.
    #[must_use]
    pub fn extent_bytes(model: &Model, extent: Extent) -> usize {
        extent.rows() * Tape::row_bytes(model) + extent.heads() * Self::head_bytes(model)
    }

    fn head_bytes(model: &Model) -> usize {
        (model.config.hidden + model.config.vocab) as usize * model.kind().elt_size_in_bytes()
    }

    /// The tape, for a forward pass whose rows are not recorded. What was recorded is gone.
    pub fn tape(&mut self) -> &mut Tape {
        self.forget();
        &mut self.tape
    }

    /// How many rows a training pass may have so that all it needs is kept.
    #[must_use]
    pub fn room(&self, model: &Model) -> usize {
        self.tape.room(model)
    }

    /// Bytes of all buffers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |t: &Option<Tensor>| t.as_ref().map_or(0, |t| t.numel() * t.kind().elt_size_in_bytes());
        self.tape.bytes() + of(&self.hidden) + of(&self.weights)
    }

    /// How many trunk rows are recorded.
    #[must_use]
    pub fn tape_rows(&self) -> usize {
        self.tape.rows()
    }

    /// Forgets what was recorded; buffers stay.
    pub fn forget(&mut self) {
        self.prompts.clear();
        self.totals.clear();
    }

    /// Makes ready for requests that will be answered with the weights `version` at `temperature`. Returns how many of the first requests
    /// are recorded: as many as fit the limit even if all completions become as long as they may.
    ///
    /// A second call for the same version adds to the first one if there is room, and records nothing otherwise.
    pub fn begin(&mut self, model: &Model, version: WeightsVersion, temperature: f64, requests: &[Extent]) -> usize {
        if !self.on {
            return 0;
        }
        let more = !self.prompts.is_empty() && self.version == version && (self.temperature - temperature).abs() < f64::EPSILON;
        if more {
            let (mut rows, mut heads) = (self.reserved.0 - self.tape.rows(), self.reserved.1 - self.totals.len());
            let fits = |e: &&Extent| {
                let fits = e.rows() <= rows && e.heads() <= heads;
                (rows, heads) = (rows.saturating_sub(e.rows()), heads.saturating_sub(e.heads()));
                fits
            };
            return requests.iter().take_while(fits).count();
        }
        self.forget();
        (self.version, self.temperature) = (version, temperature);
        let mut left = self.limit.unwrap_or(usize::MAX);
        let fits = |e: &&Extent| {
            let bytes = Self::extent_bytes(model, **e);
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        let count = requests.iter().take_while(fits).count();
        self.reserved = (requests[..count].iter().map(|e| e.rows()).sum(), requests[..count].iter().map(|e| e.heads()).sum());
        let heads = self.reserved.1 * Self::head_bytes(model);
        self.tape.set_limit(self.limit.map(|limit| limit.saturating_sub(heads)));
        if count > 0 {
            self.make_heads(model, self.reserved.1);
            self.tape.restart(model, self.reserved.0);
        }
        count
    }

    fn make_heads(&mut self, model: &Model, rows: usize) {
        if rows <= self.head_capacity && self.hidden.is_some() {
            return;
        }
        (self.hidden, self.weights) = (None, None);
        self.head_capacity = rows;
        let make = |width: i64| Some(Tensor::empty([rows as i64, width], (model.kind(), Device::Cpu)));
        (self.hidden, self.weights) = (make(model.config.hidden), make(model.config.vocab));
    }

    /// Records what a segment saved for the first `count` rows of a pass.
    pub(crate) fn push(&mut self, segment: usize, saved: &Saved, count: usize) {
        self.tape.push(segment, saved, count);
    }

    /// All segments have recorded `count` rows.
    pub(crate) fn advance(&mut self, count: usize) {
        self.tape.advance(count);
    }

    /// Keeps head rows: `hidden [n, hidden]`, `weights [n, V]` = `exp(z/τ − max)` and their sums. Returns the first one's place.
    pub fn keep_heads(&mut self, hidden: &Tensor, weights: &Tensor, totals: impl IntoIterator<Item = f64>) -> usize {
        let (at, n) = (self.totals.len(), hidden.size()[0]);
        for (buffer, rows) in [(&self.hidden, hidden), (&self.weights, weights)] {
            if let Some(buffer) = buffer {
                buffer.narrow(0, at as i64, n).copy_(rows);
            }
        }
        self.totals.extend(totals);
        at
    }

    /// The pass that was recorded last was these prompts' prefill: `root` rows they have in common, then the rest of each.
    pub(crate) fn add_prompts(&mut self, root: usize, prompts: &[&[TokenId]]) {
        let own: usize = prompts.iter().map(|p| p.len() - root).sum();
        let start = self.tape.rows() - own - root;
        let mut next = start + root;
        for prompt in prompts {
            let rows = (start..start + root).chain(next..next + prompt.len() - root).map(|r| r as u32).collect();
            next += prompt.len() - root;
            self.prompts.entry(prompt.to_vec()).or_insert_with(|| RecordedPrompt { rows, head: None, completions: HashMap::new() });
        }
    }

    /// The head row of a prompt's last token.
    pub fn set_prompt_head(&mut self, prompt: &[TokenId], head: usize) {
        if let Some(recorded) = self.prompts.get_mut(prompt) {
            recorded.head.get_or_insert(head as u32);
        }
    }

    /// A completion is whole; `places` are tape row and head row of its tokens but the last.
    pub fn add_completion(&mut self, prompt: &[TokenId], tokens: &[TokenId], places: &[(usize, usize)]) {
        if let Some(recorded) = self.prompts.get_mut(prompt) {
            let place = |(row, head): &(usize, usize)| Place { row: *row as u32, head: *head as u32 };
            recorded.completions.entry(tokens.to_vec()).or_insert_with(|| places.iter().map(place).collect());
        }
    }

    /// The rows of a prompt with completions sampled by the weights `version` at `temperature`, if all are recorded.
    #[must_use]
    pub fn find(&self, version: WeightsVersion, temperature: f64, prompt: &[TokenId], completions: &[&[TokenId]]) -> Option<Found> {
        if version != self.version || (temperature - self.temperature).abs() > f64::EPSILON {
            return None;
        }
        let recorded = self.prompts.get(prompt)?;
        let mut found = Found { rows: recorded.rows.iter().map(|r| i64::from(*r)).collect(), heads: vec![-1; prompt.len()] };
        if let Some(last) = found.heads.last_mut() {
            *last = i64::from(recorded.head?);
        }
        for tokens in completions {
            for place in recorded.completions.get(*tokens)? {
                found.rows.push(i64::from(place.row));
                found.heads.push(i64::from(place.head));
            }
        }
        Some(found)
    }

    /// What a segment saved for the rows found.
    pub(crate) fn saved(&self, segment: usize, rows: &Tensor) -> Saved {
        self.tape.saved(segment, Some(rows))
    }

    /// Hidden states of head rows, `[R, hidden]`.
    ///
    /// # Panics
    /// When nothing was recorded.
    pub fn hidden(&self, heads: &Tensor) -> Tensor {
        let Some(hidden) = &self.hidden else { unreachable!("rows were found, so they were kept") };
        hidden.index_select(0, heads)
    }

    /// Probabilities of head rows as weights with their sums: `[R, V]` and `[R]`.
    pub(crate) fn weights(&self, heads: &[i64]) -> (Tensor, Tensor) {
        let Some(weights) = &self.weights else { unreachable!("rows were found, so they were kept") };
        let totals: Vec<f64> = heads.iter().map(|h| self.totals[*h as usize]).collect();
        (weights.index_select(0, &Tensor::from_slice(heads)), Tensor::from_slice(&totals).to_kind(Kind::Double))
    }
}
