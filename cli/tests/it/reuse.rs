//! The sampler's activations as the training forward: the gradient is the one of a forward pass made anew, whatever the memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use collimate_actors::Engine;
use collimate_algorithms::{AlgoState, build};
use collimate_learners::{LearnerConfig, OptimizerConfig, PolicyLearner, Schedule, Shape, Told, credit};
use collimate_models::{Model, Recording, Source, Tape, open};
use collimate_text::{Tokenizer, testing::byte_tokenizer};
use collimate_types::{Prompt, RolloutRequest, Sampling, ScoredGroup, Seed, Task, Verdict};
use collimate_weights::{TensorSource, safetensors::SafetensorsFile};
use serde_json::json;
use tch::{Kind, Tensor};

/// How a step's activations are kept.
#[derive(Debug, Clone, Copy)]
enum Memory {
    Unlimited,
    /// A share of what the unlimited recording takes.
    Share(f64),
    Off,
    /// Every layer is run again.
    Recompute,
}

struct Outcome {
    tokens: Vec<Vec<u32>>,
    /// 0.1 · gradient of each parameter: AdamW's first moment after one step from zero.
    moments: Vec<(String, Tensor)>,
    bytes: usize,
    reused: f64,
    rows: f64,
}

fn learner(model: &Model) -> PolicyLearner {
    let schedule = Schedule { shape: Shape::Constant, lr: 0.0, warmup: 0, total: 1, min_ratio: 0.0, decay_share: 0.0 };
    let optimizer = OptimizerConfig { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip_grad: 0.0 };
    let config = LearnerConfig { epochs: 1, minibatches: 1, micro_tokens: 200, max_new_tokens: 12, max_skips: 1, optimizer, schedule };
    PolicyLearner::new(model, config)
}

fn requests(tokenizer: &Tokenizer) -> Vec<RolloutRequest> {
    let sampling = Arc::new(Sampling { max_new_tokens: 12, temperature: 0.9, min_new_tokens: 2, ..Sampling::default() });
    let texts = ["12 + 3 =", "a", "What is the longest of these prompts?", "the same", "the same", "Name a colour."];
    let one = |(i, text): (u64, &&str)| {
        // Prompts that begin alike share a root.
        let text = format!("Q: {text}");
        let task = Task { id: i.to_string(), text: Some(text), messages: vec![], truth: serde_json::Value::Null, reward: None };
        let prompt: Arc<Prompt> = Arc::new(tokenizer.prompt(Arc::new(task)).unwrap());
        RolloutRequest { prompt, group: 5, sampling: sampling.clone(), seed: Seed(5).fork("prompt", i) }
    };
    (0..).zip(&texts).map(one).collect()
}

/// One flow step at rate 0: what was drawn, and the gradient.
fn step(model: &Model, tokenizer: &Tokenizer, algorithm: &str, memory: Memory, unlimited: usize) -> Outcome {
    let mut recording = match memory {
        Memory::Unlimited => Recording::new(),
        Memory::Share(share) => Recording::with_limit((unlimited as f64 * share) as usize),
        Memory::Off => Recording::off(Tape::new()),
        Memory::Recompute => Recording::off(Tape::inputs_only()),
    };
    let algorithm = build(algorithm, &json!({})).unwrap();
    let mut learner = learner(model);
    // Fewer slots than rows, so that rows enter when others have left.
    let groups = Engine::new().record((model, tokenizer), &requests(tokenizer), 7, 3, &mut recording, &mut |_| true).unwrap();
    let tokens = groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.clone()).collect();
    let verdict = |tokens: &[u32]| Verdict::score_of(f64::from(tokens.iter().sum::<u32>() % 17));
    let score = |g: collimate_types::RolloutGroup| {
        let verdicts = g.rollouts.iter().map(|r| verdict(&r.tokens)).collect();
        ScoredGroup { group: g, verdicts }
    };
    let scored: Vec<ScoredGroup> = groups.into_iter().map(score).collect();
    let batch = credit(algorithm.as_ref(), &mut AlgoState::default(), &scored, Told::default(), 0.9).unwrap();
    let report = learner.step((model, None), algorithm.as_ref(), &batch, (1, 3), &mut recording).unwrap();
    let of = |name: &str| report.metrics.get(name).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    learner.optimizer().write(model, &mut file.as_file()).unwrap();
    let stored = SafetensorsFile::open(file.path()).unwrap();
    let moment = |name: &str| {
        let info = stored.find(name).unwrap();
        let bytes = stored.read_bytes(name).unwrap();
        let values: Vec<f64> = match info.bytes as usize / info.shape.iter().product::<usize>() {
            8 => bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            _ => bytes.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
        };
        (name.to_owned(), Tensor::from_slice(&values))
    };
    let names: Vec<String> = stored.tensors().iter().map(|t| t.name.clone()).filter(|n| n.starts_with("exp_avg.")).collect();
    let moments = names.iter().map(|n| moment(n)).collect();
    Outcome { tokens, moments, bytes: recording.bytes(), reused: of("learner/rows_reused"), rows: of("learner/rows") }
}

fn farthest(a: &Outcome, b: &Outcome) -> f64 {
    assert_eq!(a.moments.len(), b.moments.len());
    let one = |((name, x), (other, y)): (&(String, Tensor), &(String, Tensor))| {
        assert_eq!(name, other);
        f64::try_from((x - y).norm() / y.norm().clamp_min(1e-300)).unwrap()
    };
    a.moments.iter().zip(&b.moments).map(one).fold(0.0, f64::max)
}

fn tiny() -> Source {
    open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/tiny")).unwrap()
}

#[test]
fn reuse_on_off_and_recompute_have_one_gradient_under_any_budget() {
    let (model, tokenizer) = (tiny().load(Kind::Double).unwrap(), byte_tokenizer());
    // reinforce has no ratio, so the sampler's float32 log-probabilities do not enter its gradient; grpo's ratio holds their rounding.
    for (algorithm, tolerance) in [("reinforce", 1e-9), ("grpo", 1e-6)] {
        let whole = step(&model, &tokenizer, algorithm, Memory::Unlimited, 0);
        assert!(whole.moments.iter().any(|(_, m)| f64::try_from(m.norm()).unwrap() > 1e-6));
        assert_eq!(whole.reused, whole.rows, "everything is taken from the sampler");
        for memory in [Memory::Share(1.0), Memory::Share(0.5), Memory::Share(0.25), Memory::Share(0.02), Memory::Off, Memory::Recompute] {
            let other = step(&model, &tokenizer, algorithm, memory, whole.bytes);
            assert_eq!(other.tokens, whole.tokens, "{memory:?}: recording changes no draw");
            let far = farthest(&other, &whole);
            println!("{algorithm} {memory:?}: {far:.1e}, {} of {} rows reused, {} bytes", other.reused, other.rows, other.bytes);
            assert!(far <= tolerance, "{algorithm} {memory:?}: {far:e}");
            match memory {
                Memory::Share(share) => assert!(other.bytes as f64 <= share * whole.bytes as f64, "{memory:?}: {} bytes", other.bytes),
                _ => assert_eq!(other.reused, 0.0),
            }
            if let Memory::Share(0.5) = memory {
                assert!(other.reused > 0.0 && other.reused < other.rows, "half the budget keeps a part: {}", other.reused);
            }
        }
    }
}

#[test]
fn on_the_real_model_reuse_has_the_gradient_of_a_new_forward() {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let Some(cache) = cache.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"))) else { return };
    let path = cache.join("collimate/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        println!("skipped: {} is not there; `cargo xtask setup` fetches it", path.display());
        return;
    }
    let source = open(&path).unwrap();
    let tokenizer = Tokenizer::from_gguf(source.gguf().unwrap()).unwrap();
    let model = source.load(Kind::Float).unwrap();
    let reused = step(&model, &tokenizer, "reinforce", Memory::Unlimited, 0);
    let fresh = step(&model, &tokenizer, "reinforce", Memory::Off, 0);
    assert_eq!(reused.tokens, fresh.tokens);
    let far = farthest(&reused, &fresh);
    println!("real model: {far:.1e}");
    assert!(far <= 5e-4, "{far:e}"); // float32, thirty layers
}
