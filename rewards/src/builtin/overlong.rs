//! Punishes answers that come near the limit of length, softly.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// L_max: the length from which on the whole punishment is due.
    max: u32,
    /// L_cache: over how many tokens before that it grows.
    buffer: u32,
}

impl Default for Knobs {
    /// The lengths of the paper: 16,384 tokens that cost nothing and 4,096 in which the punishment grows.
    fn default() -> Self {
        Self { max: 20_480, buffer: 4096 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "overlong",
    claim: "DAPO's soft overlong punishment: 0 up to max - buffer tokens, then linear down to -1 at max (arXiv:2503.14476, equation 13).",
    knobs: &[
        KnobCard {
            name: "max",
            help: "Tokens from which on the score is -1; at most sampling.max_new_tokens, else nothing reaches it.",
            default: "20480",
        },
        KnobCard { name: "buffer", help: "Over how many tokens before `max` the score falls; from 1 to max.", default: "4096" },
    ],
    cases: &[
        CardCase::new("null", "three tokens", 0.0),
        CardCase::new("null", "three tokens", -0.5).with(r#"{"max": 4, "buffer": 2}"#),
        CardCase::new("null", "three tokens", -1.0).with(r#"{"max": 3, "buffer": 2}"#),
    ],
};

/// The roster's entry.
pub(super) struct Entry;

pub(super) static BUILTIN: Entry = Entry;

impl Builtin for Entry {
    fn card(&self) -> &'static RewardCard {
        &CARD
    }

    fn build(&self, given: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let knobs: Knobs = knobs::read(&CARD, given)?;
        if knobs.buffer == 0 || knobs.buffer > knobs.max {
            let wanted = format!("from 1 to `max` ({})", knobs.max);
            return Err(vec![knobs::impossible(&CARD, "buffer", &json!(knobs.buffer), wanted)]);
        }
        Ok(Box::new(knobs))
    }
}

impl Reward for Knobs {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        Ok(Verdict::score_of(self.punishment(answer.tokens.len())))
    }
}

impl Knobs {
    /// R(L) = 0 for L ≤ L_max − L_cache; ((L_max − L_cache) − L) / L_cache up to L_max; −1 beyond.
    fn punishment(&self, length: usize) -> f64 {
        let free = f64::from(self.max - self.buffer);
        ((free - length as f64) / f64::from(self.buffer)).clamp(-1.0, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn the_punishment_is_that_of_the_paper() {
        let knobs = Knobs::default();
        let wanted = [(0, 0.0), (16_384, 0.0), (16_385, -1.0 / 4096.0), (18_432, -0.5), (20_480, -1.0), (20_481, -1.0), (1 << 20, -1.0)];
        for (length, punishment) in wanted {
            assert_eq!(knobs.punishment(length), punishment, "{length}");
        }
    }

    #[test]
    fn a_buffer_that_does_not_fit_is_refused() {
        for (max, buffer) in [(10, 0), (10, 11), (0, 0)] {
            assert!(BUILTIN.build(&Map::from_iter([("max".to_owned(), json!(max)), ("buffer".to_owned(), json!(buffer))])).is_err());
        }
    }
}
