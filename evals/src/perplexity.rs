//! Perplexity of texts.

use serde::{Deserialize, Serialize};

use crate::table::{Table, short};
use crate::{Bootstrap, EvalError, Unit, ratio};

/// A text with what a model says of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScoredText {
    /// `−Σ ln p` over its scored tokens, in nats.
    pub nats: f64,
    /// How many tokens were scored.
    pub tokens: u64,
    /// How many bytes of text they are.
    pub bytes: u64,
}

/// Perplexity over texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerplexityResult {
    /// `exp(Σ nats / Σ tokens)`: of all tokens, so that a long text weighs more.
    pub perplexity: f64,
    /// The interval of it: texts are drawn anew, since the tokens of one text are not independent. None of a single text.
    pub interval: Option<[f64; 2]>,
    /// `Σ nats / Σ tokens`.
    pub nats_per_token: f64,
    /// `Σ nats / (ln 2 · Σ bytes)`: may be compared between models whose tokenizers differ.
    pub bits_per_byte: f64,
    /// How many tokens were scored.
    pub tokens: u64,
    /// How many bytes they are.
    pub bytes: u64,
    /// How many texts.
    pub n: u64,
    /// How many texts had nothing to score, or a number that is not finite. They are part of nothing else.
    pub unscorable: u64,
}

impl PerplexityResult {
    /// Sums up texts.
    ///
    /// # Errors
    /// If no text could be scored.
    pub fn of(texts: &[ScoredText], bootstrap: Bootstrap) -> Result<Self, EvalError> {
        let scored: Vec<&ScoredText> = texts.iter().filter(|t| t.tokens > 0 && t.nats.is_finite()).collect();
        let units: Vec<Unit> = scored.iter().map(|t| Unit { sum: t.nats, weight: t.tokens as f64 }).collect();
        let unscorable = (texts.len() - scored.len()) as u64;
        let nats_per_token = ratio(&units).ok_or(EvalError::NothingJudged { unscorable })?;
        let (tokens, bytes) = scored.iter().fold((0, 0), |(t, b), text| (t + text.tokens, b + text.bytes));
        let nats: f64 = scored.iter().map(|t| t.nats).sum();
        let interval = if scored.len() < 2 { None } else { bootstrap.of_ratio(&units) };
        Ok(Self {
            perplexity: nats_per_token.exp(),
            interval: interval.map(|i| i.map(f64::exp)),
            nats_per_token,
            bits_per_byte: nats / (std::f64::consts::LN_2 * bytes.max(1) as f64),
            tokens,
            bytes,
            n: scored.len() as u64,
            unscorable,
        })
    }

    /// The table of the result.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("Perplexity", &["", "value", "95% interval", "n"]);
        let interval = self.interval.map_or_else(String::new, |[low, high]| format!("{} to {}", short(low), short(high)));
        table.row(["perplexity".into(), short(self.perplexity), interval, format!("{} texts", self.n)]);
        table.row(["nats a token".into(), short(self.nats_per_token), String::new(), format!("{} tokens", self.tokens)]);
        table.row(["bits a byte".into(), short(self.bits_per_byte), String::new(), format!("{} bytes", self.bytes)]);
        if self.unscorable > 0 {
            table.row(["not scored".into(), String::new(), String::new(), self.unscorable.to_string()]);
        }
        vec![table]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Seed;

    #[test]
    fn a_model_that_guesses_among_v_tokens_has_perplexity_v() {
        let text = |tokens: u64| ScoredText { nats: tokens as f64 * 50.0_f64.ln(), tokens, bytes: 4 * tokens };
        let result = PerplexityResult::of(&[text(3), text(40), text(0)], Bootstrap::default()).unwrap();
        assert!((result.perplexity - 50.0).abs() < 1e-9);
        assert!((result.bits_per_byte - 50.0_f64.log2() / 4.0).abs() < 1e-12);
        assert_eq!((result.tokens, result.n, result.unscorable), (43, 2, 1));
    }

    #[test]
    fn long_texts_weigh_more_and_the_interval_holds_the_perplexity() {
        let texts: Vec<ScoredText> = (0..60)
            .map(|i| {
                let tokens = 10 + 9 * (i % 7);
                ScoredText { nats: tokens as f64 * (1.0 + Seed(2).uniform(i)), tokens, bytes: 5 * tokens }
            })
            .collect();
        let result = PerplexityResult::of(&texts, Bootstrap::default()).unwrap();
        let (nats, tokens) = texts.iter().fold((0.0, 0), |(n, t), text| (n + text.nats, t + text.tokens));
        assert!((result.nats_per_token - nats / tokens as f64).abs() < 1e-12);
        let [low, high] = result.interval.unwrap();
        assert!(low < result.perplexity && result.perplexity < high);
        let single = PerplexityResult::of(&texts[..1], Bootstrap::default()).unwrap();
        assert_eq!(single.interval, None);
        assert!(PerplexityResult::of(&[ScoredText::default()], Bootstrap::default()).is_err());
    }
}
