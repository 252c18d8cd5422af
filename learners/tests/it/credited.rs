//! Credited batches for a critic of the tiny model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use collimate_learners::CriticConfig;
use collimate_models::{Fresh, ScoreModel, open};
use collimate_types::{CreditedBatch, CreditedGroup, CreditedRow, CriticRow, Prompt, Seed, Task, TokenId};
use tch::Kind;

pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn tiny(kind: Kind, fresh: Fresh) -> ScoreModel {
    open(&beside("models/tests/data/tiny")).unwrap().load_scores(kind, Some(fresh)).unwrap()
}

pub(crate) fn prompt(id: &str, tokens: &[TokenId]) -> Arc<Prompt> {
    let task = Task { id: id.into(), text: Some("x".into()), messages: vec![], truth: serde_json::Value::Null, reward: None };
    Arc::new(Prompt { task: Arc::new(task), text: "x".into(), tokens: tokens.to_vec() })
}

/// Two prompts with completions of unequal length; what a critic should have said depends on row and token.
pub(crate) fn batch() -> CreditedBatch {
    let row = |tokens: &[TokenId], at: f32| CreditedRow {
        tokens: tokens.to_vec(),
        trained: tokens.iter().map(|t| *t != 99).collect(),
        logp_old: vec![-1.0; tokens.len()],
        logp_ref: None,
        logp_behaviour: None,
        advantage: vec![0.5; tokens.len()],
        critic: Some(CriticRow { values: vec![0.1; tokens.len()], returns: (0..tokens.len()).map(|t| (at + t as f32).sin()).collect() }),
        version: 0,
    };
    let groups = vec![
        CreditedGroup { prompt: prompt("a", &[5, 6, 7]), rows: vec![row(&[20, 21, 22], 0.3), row(&[30, 99, 31, 32], 1.1)] },
        CreditedGroup { prompt: prompt("b", &[5, 8]), rows: vec![row(&[40, 41], 2.0), row(&[50], 2.6), row(&[60, 61, 62], 0.9)] },
    ];
    CreditedBatch { groups, temperature: 1.0, ..CreditedBatch::default() }
}

pub(crate) fn config(lr: f64, micro_tokens: usize) -> CriticConfig {
    CriticConfig { warmup_steps: 2, learner: crate::support::config(micro_tokens, lr) }
}

pub(crate) const SEED: Fresh = Fresh::Normal(Seed(3));
