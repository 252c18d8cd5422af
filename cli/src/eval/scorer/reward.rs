//! A reward model.

use collimate_models::{Block, Packed, ScoreModel, scored_blocks};
use serde_json::{Map, Value, json};
use tch::Kind;

use super::Scorer;
use crate::exit::{Exit, OrExit};
use crate::render::RenderedPair;

/// The number that a reward model says at the end of prompt and answer.
pub(super) struct Reward {
    pub(super) model: ScoreModel,
}

impl Scorer for Reward {
    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("scorer".to_owned(), json!("reward"))])
    }

    fn context(&self) -> usize {
        self.model.config.max_positions
    }

    fn score(&self, pairs: &[&RenderedPair]) -> Result<Vec<[f64; 2]>, Exit> {
        let blocks = |(at, pair): (usize, &&RenderedPair)| {
            let [chosen, rejected] = pair.replies.each_ref().map(|r| r.tokens.as_slice());
            scored_blocks(&pair.prompt, &[chosen, rejected], self.model.config.pad, 2 * at)
        };
        let packed = Packed::new(&pairs.iter().enumerate().flat_map(blocks).collect::<Vec<Block>>()).or_failed()?;
        let scores = packed.texts_of_leaves(&self.model.scores(&packed).or_failed()?, 2 * pairs.len());
        let scores = Vec::<f64>::try_from(scores.to_kind(Kind::Double)).or_failed()?;
        Ok(scores.chunks(2).map(|pair| [pair[0], pair[1]]).collect())
    }
}
