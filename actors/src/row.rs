//! One completion while it grows.

use collimate_text::{StopMatcher, StreamDecoder, Tokenizer};
use collimate_types::{Finish, Rollout, RolloutRequest, Seed, TokenId, WeightsVersion};

use crate::{ActorError, sampler::Drawn};

/// A row of the decoding batch.
#[derive(Debug)]
pub(crate) struct Row<'t> {
    /// Index of its request in the batch.
    pub(crate) request: usize,
    /// Index inside its group.
    pub(crate) member: usize,
    /// Its place in the own cache.
    pub(crate) slot: usize,
    /// Its prompt's place in the cache.
    pub(crate) prefix: usize,
    /// Tokens of the prompt.
    pub(crate) prefix_len: usize,
    /// The row's address; token t draws the t-th uniform number.
    pub(crate) seed: Seed,
    /// Tokens drawn so far.
    pub(crate) tokens: Vec<TokenId>,
    /// Where the rows that predicted its second token and those after it are recorded, if they are: tape row and head row.
    pub(crate) places: Option<Vec<(usize, usize)>>,
    logp: Vec<f32>,
    behaviour: Vec<f32>,
    room: Room,
    decoder: StreamDecoder<'t>,
    stops: StopMatcher,
    text: String,
    finish: Option<Finish>,
}

/// How long a row may get, and what ends it then.
#[derive(Debug, Clone, Copy)]
struct Room {
    tokens: usize,
    by_context: bool,
}

impl<'t> Row<'t> {
    /// A row before its first token.
    pub(crate) fn new(
        tokenizer: &'t Tokenizer,
        request: &RolloutRequest,
        (index, member): (usize, usize),
        (slot, prefix): (usize, usize),
        context: usize,
        recorded: bool,
    ) -> Self {
        let prefix_len = request.prompt.tokens.len();
        let left = context.saturating_sub(prefix_len);
        let wanted = request.sampling.max_new_tokens;
        Self {
            request: index,
            member,
            slot,
            prefix,
            prefix_len,
            seed: request.seed.fork("member", member as u64),
            tokens: Vec::with_capacity(wanted.min(left)),
            places: recorded.then(Vec::new),
            logp: Vec::new(),
            behaviour: Vec::new(),
            room: Room { tokens: wanted.min(left), by_context: left < wanted },
            decoder: StreamDecoder::new(tokenizer),
            stops: StopMatcher::new(&request.sampling.stop),
            text: String::new(),
            finish: None,
        }
    }

    /// Takes a token; returns the text that became final, for streaming.
    pub(crate) fn push(&mut self, drawn: Drawn, eos: &[TokenId]) -> Result<String, ActorError> {
        self.tokens.push(drawn.token);
        self.logp.push(drawn.logp);
        self.behaviour.push(drawn.behaviour.unwrap_or(drawn.logp));
        if eos.contains(&drawn.token) {
            let piece = self.flush()?;
            self.finish = Some(Finish::Eos);
            return Ok(piece);
        }
        let piece = self.decoder.push(drawn.token)?.unwrap_or_default();
        let found = self.stops.push(&piece);
        self.text.push_str(&found.text);
        if found.stopped {
            self.finish = Some(Finish::Stop);
            return Ok(found.text);
        }
        if self.tokens.len() < self.room.tokens {
            return Ok(found.text);
        }
        let mut piece = found.text;
        piece.push_str(&self.flush()?);
        self.finish.get_or_insert(if self.room.by_context { Finish::Budget } else { Finish::Length });
        Ok(piece)
    }

    /// What decoder and stop matcher held back.
    fn flush(&mut self) -> Result<String, ActorError> {
        let rest = self.decoder.finish()?;
        let mut found = self.stops.push(&rest);
        if found.stopped {
            self.finish = Some(Finish::Stop);
        } else {
            found.text.push_str(&self.stops.finish());
        }
        self.text.push_str(&found.text);
        Ok(found.text)
    }

    /// Whether the row has ended.
    pub(crate) fn done(&self) -> bool {
        self.finish.is_some()
    }

    /// The finished completion.
    pub(crate) fn into_rollout(self, behaviour_differs: bool, version: WeightsVersion) -> Rollout {
        let trained = vec![true; self.tokens.len()];
        Rollout {
            tokens: self.tokens,
            text: self.text,
            logp: self.logp,
            logp_behaviour: behaviour_differs.then_some(self.behaviour),
            trained,
            finish: self.finish.unwrap_or_else(|| Finish::Broken("the row was not finished".into())),
            versions: (version, version),
        }
    }
}
