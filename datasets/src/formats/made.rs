//! What generators share: questions from addresses, held out by a hash of the question itself.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use collimate_types::Seed;
use serde_json::{Map, Value};

use crate::digest::word;
use crate::{DataError, Generated, Row};

/// How many questions are made of which part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maker {
    pub(super) name: &'static str,
    pub(super) rows: usize,
    pub(super) heldout_rows: usize,
    pub(super) heldout_share: f64,
}

impl Maker {
    /// Makes both parts. `question` may refuse an address. The held-out questions are the same for every seed.
    pub(super) fn make(&self, seed: Seed, question: impl Fn(Seed) -> Option<Map<String, Value>>) -> Result<Generated, DataError> {
        let part = |seed: Seed, rows: usize, heldout: bool| {
            let share = if heldout { self.heldout_share } else { 1.0 - self.heldout_share };
            let patience = 1_000 + (20.0 * rows as f64 / share) as u64;
            let mut taken = HashSet::new();
            let fresh = (0..patience).filter_map(|i| question(seed.fork("question", i)));
            let mine = fresh.filter(|q| (self.heldout(q) == heldout) && taken.insert(hash(q)));
            mine.take(rows).collect::<Vec<_>>()
        };
        let train = part(seed.fork(self.name, 0), self.rows, false);
        let heldout = part(Seed(0).fork(self.name, 1), self.heldout_rows, true);
        if heldout.len() < self.heldout_rows {
            let wanted = format!("only {} questions are held out; lower it, or widen the knobs of {}", heldout.len(), self.name);
            return Err(DataError::Setting { key: "heldout_rows".into(), value: self.heldout_rows.to_string(), wanted });
        }
        let file: Arc<Path> = Path::new(&format!("<{}>", self.name)).into();
        let rows = |questions: Vec<Map<String, Value>>| {
            let row = |(i, json)| Row { json, file: Arc::clone(&file), line: i as u64 + 1 };
            questions.into_iter().enumerate().map(row).collect()
        };
        Ok(Generated { train: rows(train), heldout: rows(heldout) })
    }

    fn heldout(&self, question: &Map<String, Value>) -> bool {
        // 2^-64: the hash as a number in [0, 1).
        (hash(question) as f64) * 2.0_f64.powi(-64) < self.heldout_share
    }
}

fn hash(question: &Map<String, Value>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    crate::digest::feed_value(&mut hasher, &Value::Object(question.clone()));
    word(hasher.finalize().into())
}

/// Checks of a generator's knobs.
pub(super) struct Wanted(pub(super) &'static str);

impl Wanted {
    pub(super) fn that(&self, good: bool, key: &str, value: impl std::fmt::Display, wanted: &str) -> Option<DataError> {
        let setting = || DataError::Setting { key: format!("{}.{key}", self.0), value: value.to_string(), wanted: wanted.into() };
        (!good).then(setting)
    }

    pub(super) fn share(&self, share: f64) -> Option<DataError> {
        self.that(share > 0.0 && share <= 0.5, "heldout_share", share, "more than 0 and at most 0.5")
    }
}
