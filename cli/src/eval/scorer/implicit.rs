//! The implicit reward of direct preference optimization.

use collimate_models::Model;
use serde_json::{Map, Value, json};

use super::{Scorer, logps};
use crate::exit::Exit;
use crate::render::RenderedPair;

/// `β (ln π(answer | prompt) − ln π_ref(answer | prompt))` (Rafailov et al. 2023, arXiv:2305.18290, eq. 5, up to a term of the prompt alone,
/// which a pair shares).
pub(super) struct Implicit {
    pub(super) model: Model,
    pub(super) reference: Model,
    pub(super) beta: f64,
    pub(super) per_token: bool,
}

impl Scorer for Implicit {
    fn settings(&self) -> Map<String, Value> {
        let settings = [("scorer", json!("implicit")), ("beta", json!(self.beta)), ("per_token", json!(self.per_token))];
        settings.map(|(k, v)| (k.to_owned(), v)).into_iter().collect()
    }

    fn context(&self) -> usize {
        self.model.config.max_positions.min(self.reference.config.max_positions)
    }

    fn score(&self, pairs: &[&RenderedPair]) -> Result<Vec<[f64; 2]>, Exit> {
        let (policy, reference) = (logps(&self.model, pairs, self.per_token)?, logps(&self.reference, pairs, self.per_token)?);
        let reward = |(p, r): (&[f64; 2], &[f64; 2])| [self.beta * (p[0] - r[0]), self.beta * (p[1] - r[1])];
        Ok(policy.iter().zip(&reference).map(reward).collect())
    }
}
