//! The tiny model in float64, small rows, and a gradient read off one update.

use std::path::Path;

use collimate_algorithms::{AlgoState, Data, Method, Objective, method};
use collimate_learners::{GivenAnswer, GivenLearner, GivenRow, LearnerConfig, Lesson, OptimizerConfig, Schedule, Shape};
use collimate_models::{Fresh, Model, ScoreModel, Source, Tape, open};
use collimate_types::{Metrics, Seed};
use serde_json::Value;
use tch::{Kind, Tensor};

pub fn source() -> Source {
    open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/tiny")).unwrap()
}

pub fn tiny() -> Model {
    source().load(Kind::Double).unwrap()
}

pub fn scorer() -> ScoreModel {
    source().load_scores(Kind::Double, Some(Fresh::Normal(Seed(3)))).unwrap()
}

pub fn answer(tokens: &[u32], logp_ref: Option<f64>) -> GivenAnswer {
    GivenAnswer { tokens: tokens.to_vec(), trained: vec![true; tokens.len()], logp_ref }
}

pub fn config(micro_tokens: usize, lr: f64) -> LearnerConfig {
    let schedule = Schedule { shape: Shape::Constant, lr, warmup: 0, total: 1, min_ratio: 0.0, decay_share: 0.0 };
    let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 0.0 };
    LearnerConfig { epochs: 1, minibatches: 1, micro_tokens, max_new_tokens: 8, max_skips: 2, optimizer, schedule }
}

/// Rows of pairs: prompts of unequal length, one that two rows share, answers with and without a common beginning, one of a single token.
pub fn pairs<L: Clone>(label: L) -> Vec<GivenRow<L>> {
    let row = |prompt: &[u32], chosen: &[u32], rejected: &[u32], at: f64| GivenRow {
        prompt: prompt.to_vec(),
        answers: vec![answer(chosen, Some(-9.0 - at)), answer(rejected, Some(-8.0 + at))],
        label: label.clone(),
    };
    vec![
        row(&[5, 6, 7, 8, 9], &[20, 21, 22], &[20, 30], 0.0),
        row(&[5, 6, 7], &[44], &[50, 51, 52, 53], 0.5),
        row(&[11, 12, 13, 14], &[60, 61, 62, 63, 64], &[60, 61, 70], 1.0),
        row(&[11, 12, 13, 14], &[80, 81], &[82, 83], 1.5),
    ]
}

/// Demonstrations: with a prompt, with a part that is not learnt, and a text without prompt.
pub fn demonstrations() -> Vec<GivenRow> {
    let row = |prompt: &[u32], answer: GivenAnswer| GivenRow { prompt: prompt.to_vec(), answers: vec![answer], label: () };
    let mut turns = answer(&[40, 41, 42, 43], None);
    turns.trained = vec![true, false, false, true];
    let mut text = answer(&[70, 71, 72, 73, 74], None);
    text.trained[0] = false;
    vec![row(&[5, 6, 7, 8], answer(&[20, 21, 22], None)), row(&[9, 10], turns), row(&[], text)]
}

/// The objective of a name.
pub trait Named: Data + Sized {
    fn named(name: &str, knobs: Value) -> Box<dyn Objective<Self>>;
}

macro_rules! named {
    ($($data:ident),+) => {
        $(impl Named for collimate_algorithms::$data {
            fn named(name: &str, knobs: Value) -> Box<dyn Objective<Self>> {
                match method(name, &knobs).unwrap() {
                    Method::$data(objective) => objective,
                    other => panic!("{other:?}"),
                }
            }
        })+
    };
}

named! { Pairs, Labelled, Demonstrations, Comparisons }

/// One update: its metrics and the gradient of every parameter by name.
///
/// AdamW's first step is `lr·g / (|g| + eps)`: with an eps of 1e15 and a rate of 1e21 the weights move by 1e6 times the gradient.
pub fn update<D: Lesson>(
    model: &Model<D::Head>,
    objective: &dyn Objective<D>,
    rows: &[GivenRow<D::Label>],
    micro_tokens: usize,
    tape: Tape,
) -> (Metrics, Vec<(String, Tensor)>) {
    let _guard = tch::no_grad_guard();
    let mut config = config(micro_tokens, 1e21);
    config.optimizer.eps = 1e15;
    let values = || -> Vec<(String, Tensor)> {
        let params = model.params().into_iter();
        params.flat_map(|p| p.pieces().iter().map(|s| (s.name.clone(), p.piece(s).detach().copy()))).collect()
    };
    let before = values();
    let mut learner = GivenLearner::new::<D>(model, config, tape);
    let report = learner.step::<D>(model, (objective, &mut AlgoState::default()), rows, (1, 0)).unwrap();
    let grads = before.into_iter().zip(values()).map(|((name, before), (_, after))| (name, (before - after) * 1e-6));
    (report.metrics, grads.collect())
}

/// Asserts that gradients are equal, parameter by parameter.
#[track_caller]
pub fn assert_near(what: &str, ours: &[(String, Tensor)], theirs: &[(String, Tensor)], within: f64) {
    assert_eq!(ours.len(), theirs.len());
    let whole: f64 = theirs.iter().map(|(_, g)| f64::try_from(g.square().sum(Kind::Double)).unwrap()).sum::<f64>().sqrt();
    assert!(whole > 1e-9, "{what}: there is a gradient");
    for ((name, a), (other, b)) in ours.iter().zip(theirs) {
        assert_eq!(name, other);
        let far = f64::try_from((a - b).norm()).unwrap() / whole;
        assert!(far <= within, "{what}, {name}: {far:e}");
    }
}
