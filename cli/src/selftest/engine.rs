//! Sampler against learner, and one gradient however the batch is cut and whatever is kept of it.

use std::path::Path;
use std::sync::Arc;

use collimate_actors::{Engine, mismatch};
use collimate_algorithms::{AlgoState, build};
use collimate_learners::{LearnerConfig, OptimizerConfig, PolicyLearner, Schedule, Shape, Told, credit};
use collimate_models::{LoraConfig, Model, Recording, Source, Tape, open};
use collimate_text::{Tokenizer, testing::byte_tokenizer};
use collimate_types::{Prompt, RolloutGroup, RolloutRequest, Sampling, ScoredGroup, Seed, Task, Verdict};
use collimate_weights::{TensorSource, safetensors::SafetensorsFile};
use serde_json::{Value, json};
use tch::Kind;

use super::{Outcome, check};
use crate::exit::{Exit, OrExit};

/// Rounding of float32 through the tiny model, in nats.
const SAMPLED: f64 = 1e-5;
/// The gradients are computed in float64 and written in float32.
const WRITTEN: f64 = 1e-6;
const TEMPERATURE: f64 = 0.9;
const NEW_TOKENS: usize = 12;

/// The checks on a model directory.
pub(super) fn checks(model: &Path) -> Vec<Outcome> {
    let whole = gradient(model, 4096, Recording::off(Tape::new()));
    let against = |micro, recording| {
        let other = gradient(model, micro, recording)?;
        whole.as_ref().map(|whole| distance(whole, &other)).map_err(ToString::to_string).or_failed()
    };
    vec![
        check("sampler against learner, log-probabilities", SAMPLED, || sampled(model, None)),
        check("the same with adapters", SAMPLED, || sampled(model, Some(&adapters()))),
        check("gradient accumulated against the whole batch's", WRITTEN, || against(40, Recording::off(Tape::new()))),
        check("gradient of recomputed against kept activations", WRITTEN, || against(4096, Recording::off(Tape::inputs_only()))),
        check("gradient of the sampler's against new activations", WRITTEN, || against(4096, Recording::new())),
    ]
}

fn adapters() -> LoraConfig {
    let targets = ["q_proj", "v_proj", "down_proj"].map(str::to_owned).to_vec();
    LoraConfig { rank: 4, alpha: 8.0, dropout: 0.0, targets, rslora: false }
}

fn requests(tokenizer: &Tokenizer) -> Result<Vec<RolloutRequest>, Exit> {
    let sampling = Sampling { max_new_tokens: NEW_TOKENS, temperature: TEMPERATURE, min_new_tokens: 2, ..Sampling::default() };
    let sampling = Arc::new(sampling);
    let texts = ["Q: 12 + 3 =", "Q: a", "Q: which of these is the longest?", "Q: the same", "Q: the same"];
    let one = |(i, text): (u64, &&str)| {
        let task = Task { id: i.to_string(), text: Some((*text).to_owned()), messages: vec![], truth: Value::Null, reward: None };
        let prompt: Arc<Prompt> = Arc::new(tokenizer.prompt(Arc::new(task)).or_failed()?);
        Ok(RolloutRequest { prompt, group: 4, sampling: sampling.clone(), seed: Seed(5).fork("prompt", i) })
    };
    (0..).zip(&texts).map(one).collect()
}

fn source(model: &Path) -> Result<Source, Exit> {
    open(model).or_model()
}

/// The farthest log-probability of a sampled token from the learner's forward.
fn sampled(model: &Path, lora: Option<&LoraConfig>) -> Result<f64, Exit> {
    let (source, tokenizer) = (source(model)?, byte_tokenizer());
    let mut model = source.load(Kind::Float).or_model()?;
    if let Some(config) = lora {
        source.adapt(&mut model, config, Seed(2)).or_model()?;
        let _guard = tch::no_grad_guard();
        for param in model.params().into_iter().filter(|p| p.is_adapter()) {
            let _ = param.value().detach().g_add_scalar_(0.05); // B begins at zero
        }
    }
    let groups = Engine::new().generate(&model, &tokenizer, &requests(&tokenizer)?, 7, 0, &mut |_| true).or_failed()?;
    let mut far = 0.0_f64;
    for group in &groups {
        far = far.max(mismatch(&model, group, TEMPERATURE).or_failed()?.max);
    }
    Ok(far)
}

/// The gradient of a step of REINFORCE: AdamW's first moment after one step from zero, at rate 0.
fn gradient(model: &Path, micro_tokens: usize, mut recording: Recording) -> Result<Vec<f32>, Exit> {
    let tokenizer = byte_tokenizer();
    let model = source(model)?.load(Kind::Double).or_model()?;
    let algorithm = build("reinforce", &json!({})).or_failed()?;
    let mut learner = learner(&model, micro_tokens);
    let groups = Engine::new().record((&model, &tokenizer), &requests(&tokenizer)?, 7, 3, &mut recording, &mut |_| true).or_failed()?;
    let scored: Vec<ScoredGroup> = groups.into_iter().map(scored).collect();
    let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &scored, Told::default(), TEMPERATURE).or_failed()?;
    learner.step((&model, None), algorithm.as_ref(), &batch, (1, 3), &mut recording).or_failed()?;
    moments(&learner, &model)
}

/// Scores that differ between answers.
fn scored(group: RolloutGroup) -> ScoredGroup {
    let verdicts = group.rollouts.iter().map(|r| Verdict::score_of(f64::from(r.tokens.iter().sum::<u32>() % 17))).collect();
    ScoredGroup { group, verdicts }
}

fn learner(model: &Model, micro_tokens: usize) -> PolicyLearner {
    let schedule = Schedule { shape: Shape::Constant, lr: 0.0, warmup: 0, total: 1, min_ratio: 0.0, decay_share: 0.0 };
    let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 0.0 };
    let config = LearnerConfig { epochs: 1, minibatches: 1, micro_tokens, max_new_tokens: NEW_TOKENS, max_skips: 1, optimizer, schedule };
    PolicyLearner::new(model, config)
}

fn moments(learner: &PolicyLearner, model: &Model) -> Result<Vec<f32>, Exit> {
    let file = tempfile::NamedTempFile::new().or_failed()?;
    learner.optimizer().write(model, &mut file.as_file()).or_failed()?;
    let stored = SafetensorsFile::open(file.path()).or_failed()?;
    let mut all = Vec::new();
    for info in stored.tensors().iter().filter(|t| t.name.starts_with("exp_avg.")) {
        let mut values = vec![0.0; info.shape.iter().product()];
        stored.read_f32(&info.name, &mut values).or_failed()?;
        all.extend(values);
    }
    Ok(all)
}

/// ‖a − b‖ / ‖a‖; not a number where there is no gradient.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    if a.len() != b.len() {
        return f64::NAN;
    }
    norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b))) / norm(&mut a.iter().map(|x| f64::from(*x)))
}
