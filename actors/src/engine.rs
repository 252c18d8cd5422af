//! The generation engine: continuous batching over a cache in which a group's prompt lies once, and a recording of what was computed for
//! the training pass that follows.

use collimate_bridge::DecodeRow;
use collimate_models::{Extent, KvCache, Model, Recording};
use collimate_text::Tokenizer;
use collimate_types::{Rollout, RolloutGroup, RolloutRequest, TokenId, WeightsVersion};
use tch::Tensor;

use crate::{
    ActorError,
    row::Row,
    sampler::{self, Draw, Drawn},
};

/// How many prompt tokens are computed in one forward pass at most (one prompt may be longer).
const PREFILL_TOKENS: usize = 4096;

/// What happened, for a progress line or a stream of text.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A completion grew by this text (which may be empty).
    Text {
        /// Index of the request.
        request: usize,
        /// Index inside the group.
        member: usize,
        /// The new text.
        text: &'a str,
    },
    /// A completion is finished.
    Done {
        /// Index of the request.
        request: usize,
        /// Index inside the group.
        member: usize,
        /// The completion.
        rollout: &'a Rollout,
    },
}

/// Generates completions. Its cache is kept from batch to batch.
#[derive(Debug, Default)]
pub struct Engine {
    cache: Option<KvCache>,
    /// Prompt tokens computed since the engine was made.
    pub prefilled: u64,
    /// Tokens drawn since the engine was made.
    pub drawn: u64,
}

/// A prompt whose members have not all started.
struct Waiting {
    request: usize,
    next_member: usize,
    /// Its place in the cache and the hidden state of its last token, once it is prefilled.
    ready: Option<(usize, Tensor)>,
}

impl Engine {
    /// A new engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers every request; groups come back in the order of the requests.
    ///
    /// A prompt is computed once and its keys and values are shared by its group. `slots` rows are decoded at once: a finished row leaves,
    /// a waiting one enters. `observe` sees every piece of text; `false` interrupts.
    ///
    /// # Errors
    /// When a prompt does not fit the model, the model gives numbers that are not finite, or `observe` interrupts.
    pub fn generate(
        &mut self,
        model: &Model,
        tokenizer: &Tokenizer,
        requests: &[RolloutRequest],
        slots: usize,
        version: WeightsVersion,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<Vec<RolloutGroup>, ActorError> {
        self.run((model, tokenizer), requests, slots, version, None, observe)
    }

    /// The same, keeping the activations of as many groups as fit the recording's limit for the training pass that follows.
    ///
    /// # Errors
    /// As [`Engine::generate`].
    pub fn record(
        &mut self,
        parts: (&Model, &Tokenizer),
        requests: &[RolloutRequest],
        slots: usize,
        version: WeightsVersion,
        recording: &mut Recording,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<Vec<RolloutGroup>, ActorError> {
        self.run(parts, requests, slots, version, Some(recording), observe)
    }

    fn run(
        &mut self,
        (model, tokenizer): (&Model, &Tokenizer),
        requests: &[RolloutRequest],
        slots: usize,
        version: WeightsVersion,
        recording: Option<&mut Recording>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<Vec<RolloutGroup>, ActorError> {
        let _guard = tch::no_grad_guard();
        let context = model.config.max_positions;
        for r in requests {
            if r.prompt.tokens.len() >= context {
                let (prompt, tokens) = (r.prompt.task.id.clone(), r.prompt.tokens.len());
                return Err(ActorError::PromptTooLong { prompt, tokens, context });
            }
        }
        let cache = self.take_cache(model, requests, slots);
        let mut run = Run::new(model, tokenizer, requests, cache, version);
        if let Some(recording) = recording {
            run.recorded = begin(recording, model, requests, version);
            run.recording = Some(recording);
        }
        let outcome = run.finish(observe);
        self.prefilled += run.prefilled;
        self.drawn += run.drawn;
        run.cache.clear_prefixes();
        let (cache, done) = (run.cache, run.done);
        self.cache = Some(cache);
        outcome?;
        let group = |(request, rollouts): (&RolloutRequest, Vec<Option<Rollout>>)| RolloutGroup {
            prompt: request.prompt.clone(),
            rollouts: rollouts.into_iter().flatten().collect(),
        };
        Ok(requests.iter().zip(done).map(group).collect())
    }

    /// Gives the cache's memory back to the process, for a training pass that follows; the next batch makes a new one.
    pub fn release(&mut self) {
        self.cache = None;
    }

    /// The kept cache if it fits, else a new one.
    fn take_cache(&mut self, model: &Model, requests: &[RolloutRequest], slots: usize) -> KvCache {
        let rows: usize = requests.iter().map(|r| r.group).sum();
        let slots = slots.clamp(1, rows.max(1));
        let capacity = requests.iter().map(|r| r.sampling.max_new_tokens).max().unwrap_or(1).min(model.config.max_positions);
        match self.cache.take() {
            Some(cache) if cache.slots() == slots && cache.capacity() >= capacity && cache.kind() == model.kind() => cache,
            _ => KvCache::new(&model.config, model.kind(), slots, capacity),
        }
    }
}

/// One batch on its way.
struct Run<'a> {
    model: &'a Model,
    tokenizer: &'a Tokenizer,
    requests: &'a [RolloutRequest],
    version: WeightsVersion,
    cache: KvCache,
    waiting: std::collections::VecDeque<Waiting>,
    free: Vec<usize>,
    active: Vec<Row<'a>>,
    /// What is computed for the first `recorded` requests is kept here.
    recording: Option<&'a mut Recording>,
    recorded: usize,
    /// How many members of each request have not finished.
    unfinished: Vec<usize>,
    done: Vec<Vec<Option<Rollout>>>,
    prefilled: u64,
    drawn: u64,
}

type Observer<'o> = &'o mut dyn FnMut(Progress<'_>) -> bool;

impl<'a> Run<'a> {
    fn new(model: &'a Model, tokenizer: &'a Tokenizer, requests: &'a [RolloutRequest], cache: KvCache, version: WeightsVersion) -> Self {
        let waiting =
            (0..requests.len()).filter(|i| requests[*i].group > 0).map(|request| Waiting { request, next_member: 0, ready: None });
        let unfinished = requests.iter().map(|r| r.group).collect();
        let done = requests.iter().map(|r| (0..r.group).map(|_| None).collect()).collect();
        let free = (0..cache.slots()).rev().collect();
        let waiting = waiting.collect();
        Self {
            model,
            tokenizer,
            requests,
            version,
            cache,
            waiting,
            free,
            active: Vec::new(),
            recording: None,
            recorded: 0,
            unfinished,
            done,
            prefilled: 0,
            drawn: 0,
        }
    }

    fn finish(&mut self, observe: Observer<'_>) -> Result<(), ActorError> {
        loop {
            self.admit(observe)?;
            if self.active.is_empty() {
                return Ok(());
            }
            self.step(observe)?;
        }
    }

    /// Waiting members take free slots and draw their first token from the prompt's last hidden state. Repeats, since a row may end at once.
    fn admit(&mut self, observe: Observer<'_>) -> Result<(), ActorError> {
        while !self.free.is_empty() && !self.waiting.is_empty() {
            self.prefill()?;
            let (mut entering, mut hidden) = (Vec::new(), Vec::new());
            while let (Some(slot), Some(front)) = (self.free.last().copied(), self.waiting.front_mut()) {
                let Some((prefix, last)) = &front.ready else { break };
                let (request, member) = (front.request, front.next_member);
                let asked = &self.requests[request];
                let place = (slot, *prefix);
                let recorded = request < self.recorded;
                entering.push(Row::new(self.tokenizer, asked, (request, member), place, self.model.config.max_positions, recorded));
                hidden.push(last.shallow_clone());
                self.free.pop();
                front.next_member += 1;
                if front.next_member == asked.group {
                    self.waiting.pop_front();
                }
            }
            // One vector a prompt and one row of logits a member: the head is small beside what it saves.
            let hidden = Tensor::stack(&hidden, 0);
            let logits = self.model.decode_logits(&hidden)?;
            let start = self.active.len();
            self.active.append(&mut entering);
            let drawn = self.draw(&logits, start)?;
            self.record_prompts(start, (&hidden, &logits), &drawn.totals);
            self.take(drawn.drawn, start, observe)?;
        }
        Ok(())
    }

    /// Computes prompts that will be needed for the free slots, several in one pass.
    fn prefill(&mut self) -> Result<(), ActorError> {
        let (mut room, mut tokens, mut places) = (self.free.len(), 0, Vec::new());
        for (place, w) in self.waiting.iter().enumerate() {
            let (length, members) = (self.requests[w.request].prompt.tokens.len(), self.requests[w.request].group - w.next_member);
            if room == 0 || (!places.is_empty() && tokens + length > PREFILL_TOKENS) {
                break;
            }
            if w.ready.is_none() {
                tokens += length;
                places.push(place);
            }
            room = room.saturating_sub(members);
        }
        if places.is_empty() {
            return Ok(());
        }
        let prompts: Vec<&[TokenId]> = places.iter().map(|p| self.requests[self.waiting[*p].request].prompt.tokens.as_slice()).collect();
        let _span = tracing::trace_span!("prefill").entered();
        let kept = places.iter().filter(|p| self.waiting[**p].request < self.recorded).count();
        let (prefixes, hidden) = self.model.prefill(&prompts, self.recording.as_deref_mut().map(|r| (r, kept)))?;
        self.prefilled += tokens as u64;
        for ((place, prefix), row) in places.into_iter().zip(prefixes).zip(0_i64..) {
            self.waiting[place].ready = Some((self.cache.insert(prefix), hidden.select(0, row)));
        }
        Ok(())
    }

    /// One token for every active row.
    fn step(&mut self, observe: Observer<'_>) -> Result<(), ActorError> {
        let _span = tracing::trace_span!("decode_step").entered();
        let tokens: Vec<TokenId> = self.active.iter().map(|r| r.tokens.last().copied().unwrap_or_default()).collect();
        let place = |r: &Row<'_>| DecodeRow {
            slot: r.slot as i64,
            own_len: r.tokens.len() as i64 - 1,
            prefix: r.prefix,
            prefix_len: r.prefix_len as i64,
        };
        let rows = self.active.iter().map(place).collect();
        // Requests enter in order, so the rows that are recorded come first.
        let kept = self.active.iter().take_while(|r| r.places.is_some()).count();
        let keep = self.recording.as_deref_mut().map(|r| (r, kept));
        let hidden = self.model.decode(&tokens, rows, &self.cache, keep)?;
        let logits = tracing::trace_span!("decode_head").in_scope(|| self.model.decode_logits(&hidden))?;
        let drawn = self.draw(&logits, 0)?;
        self.record(kept, (&hidden, &logits), &drawn.totals);
        self.take(drawn.drawn, 0, observe)
    }

    /// Draws for `active[start..]`, whose logits these are; they become weights.
    fn draw(&mut self, logits: &Tensor, start: usize) -> Result<sampler::Step, ActorError> {
        let _span = tracing::trace_span!("draw").entered();
        let eos = self.tokenizer.eos_ids();
        let draws: Vec<Draw<'_>> = self.active[start..].iter().map(|r| draw_of(r, self.requests, eos)).collect();
        self.drawn += draws.len() as u64;
        sampler::draw(logits, &draws)
    }

    /// Keeps what the first `kept` rows of a decoding step left for the head.
    fn record(&mut self, kept: usize, (hidden, weights): (&Tensor, &Tensor), totals: &[f64]) {
        let Some(recording) = self.recording.as_deref_mut().filter(|_| kept > 0) else { return };
        let _span = tracing::trace_span!("record_heads").entered();
        let cut = |t: &Tensor| t.narrow(0, 0, kept as i64);
        let head = recording.keep_heads(&cut(hidden), &cut(weights), totals[..kept].iter().copied());
        let row = recording.tape_rows() - kept;
        for (i, place) in self.active[..kept].iter_mut().filter_map(|r| r.places.as_mut()).enumerate() {
            place.push((row + i, head + i));
        }
    }

    /// Keeps the last row of each prompt whose first member is among `active[start..]`: all members were drawn from it.
    fn record_prompts(&mut self, start: usize, (hidden, weights): (&Tensor, &Tensor), totals: &[f64]) {
        let Some(recording) = self.recording.as_deref_mut() else { return };
        for (i, row) in self.active[start..].iter().enumerate().filter(|(_, r)| r.places.is_some() && r.member == 0) {
            let cut = |t: &Tensor| t.narrow(0, i as i64, 1);
            let head = recording.keep_heads(&cut(hidden), &cut(weights), [totals[i]]);
            recording.set_prompt_head(&self.requests[row.request].prompt.tokens, head);
        }
    }

    /// `active[start..]` take their tokens; finished rows go.
    fn take(&mut self, drawn: Vec<Option<Drawn>>, start: usize, observe: Observer<'_>) -> Result<(), ActorError> {
        let eos = self.tokenizer.eos_ids();
        for (row, drawn) in self.active[start..].iter_mut().zip(drawn) {
            let Some(drawn) = drawn else {
                let prompt = self.requests[row.request].prompt.task.id.clone();
                return Err(ActorError::NotFinite { prompt, token: row.tokens.len() });
            };
            let text = row.push(drawn, eos)?;
            if !observe(Progress::Text { request: row.request, member: row.member, text: &text }) {
                return Err(ActorError::Interrupted);
            }
        }
        self.release(start, observe);
        Ok(())
    }

    /// Takes finished rows out; their slots, and their prompt's place after the last of a group, are free again.
    fn release(&mut self, start: usize, observe: Observer<'_>) {
        let (done, kept): (Vec<_>, Vec<_>) = self.active.drain(start..).partition(Row::done);
        self.active.extend(kept);
        for row in done {
            let (request, member, slot, prefix) = (row.request, row.member, row.slot, row.prefix);
            let sampling = &self.requests[request].sampling;
            let differs = sampling.truncates() || sampling.greedy() || sampling.min_new_tokens > 0;
            if let (Some(recording), Some(places)) = (&mut self.recording, &row.places) {
                recording.add_completion(&self.requests[request].prompt.tokens, &row.tokens, places);
            }
            let rollout = row.into_rollout(differs, self.version);
            observe(Progress::Done { request, member, rollout: &rollout });
            self.done[request][member] = Some(rollout);
            self.free.push(slot);
            self.unfinished[request] -= 1;
            if self.unfinished[request] == 0 {
                self.cache.remove(prefix);
            }
        }
    }
}

/// Makes a recording ready for requests; returns how many of the first are recorded.
fn begin(recording: &mut Recording, model: &Model, requests: &[RolloutRequest], version: WeightsVersion) -> usize {
    let extent = |r: &RolloutRequest| Extent {
        prompt: r.prompt.tokens.len(),
        group: r.group,
        new_tokens: r.sampling.max_new_tokens.min(model.config.max_positions - r.prompt.tokens.len()),
    };
    // One law a recording: log-probabilities of all rows are taken at one temperature.
    let Some(temperature) = requests.first().map(|r| r.sampling.policy_temperature()) else { return 0 };
    let same = |r: &&RolloutRequest| (r.sampling.policy_temperature() - temperature).abs() < f64::EPSILON;
    let extents: Vec<Extent> = requests.iter().take_while(same).map(extent).collect();
    recording.begin(model, version, temperature, &extents)
}

/// What the sampler must know of a row.
fn draw_of<'r>(row: &'r Row<'_>, requests: &'r [RolloutRequest], eos: &'r [TokenId]) -> Draw<'r> {
    let request = &requests[row.request];
    let suppressed = if row.tokens.len() < request.sampling.min_new_tokens { eos } else { &[] };
    let seen = [request.prompt.tokens.as_slice(), row.tokens.as_slice()];
    Draw { sampling: &request.sampling, uniform: row.seed.uniform(row.tokens.len() as u64), suppressed, seen }
}
