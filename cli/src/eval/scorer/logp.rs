//! The model's own log-probability of an answer.

use collimate_models::Model;
use serde_json::{Map, Value, json};

use super::{Scorer, logps};
use crate::exit::Exit;
use crate::render::RenderedPair;

/// `ln π(answer | prompt)`, or its mean over the tokens.
pub(super) struct Logp {
    pub(super) model: Model,
    pub(super) per_token: bool,
}

impl Scorer for Logp {
    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("scorer".to_owned(), json!("logp")), ("per_token".to_owned(), json!(self.per_token))])
    }

    fn context(&self) -> usize {
        self.model.config.max_positions
    }

    fn score(&self, pairs: &[&RenderedPair]) -> Result<Vec<[f64; 2]>, Exit> {
        logps(&self.model, pairs, self.per_token)
    }
}
