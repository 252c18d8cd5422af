//! The generation engine on the tiny model, and the sampler against the learner's forward on the real one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::type_complexity,
    unreachable_pub,
    reason = "helpers of tests fail by panicking and speak by printing"
)]

mod judge;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use collimate_actors::{ActorError, Engine, Progress, mismatch};
use collimate_models::{Model, open};
use collimate_text::{Tokenizer, testing::byte_tokenizer};
use collimate_types::{Finish, Prompt, RolloutGroup, RolloutRequest, Sampling, Seed, Task};
use tch::Kind;

fn tiny(kind: Kind) -> Model {
    open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/tiny")).unwrap().load(kind).unwrap()
}

fn prompt(tokenizer: &Tokenizer, id: &str, text: &str) -> Arc<Prompt> {
    let task = Task { id: id.into(), text: Some(text.into()), messages: vec![], truth: serde_json::Value::Null, reward: None };
    Arc::new(tokenizer.prompt(Arc::new(task)).unwrap())
}

fn requests(tokenizer: &Tokenizer, group: usize, sampling: &Sampling) -> Vec<RolloutRequest> {
    let sampling = Arc::new(sampling.clone());
    let one = |(i, text): (u64, &&str)| RolloutRequest {
        prompt: prompt(tokenizer, &i.to_string(), text),
        group,
        sampling: sampling.clone(),
        seed: Seed(5).fork("prompt", i),
    };
    (0..).zip(&["12 + 3 =", "a", "What is the longest of these prompts?"]).map(one).collect()
}

fn generate(model: &Model, tokenizer: &Tokenizer, requests: &[RolloutRequest], slots: usize) -> Vec<RolloutGroup> {
    Engine::new().generate(model, tokenizer, requests, slots, 7, &mut |_| true).unwrap()
}

fn tokens(groups: &[RolloutGroup]) -> Vec<Vec<u32>> {
    groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.clone()).collect()
}

/// In float64, where the shape of a batch moves no draw across a boundary.
#[test]
fn what_is_drawn_does_not_depend_on_slots_or_on_company() {
    let (model, tokenizer) = (tiny(Kind::Double), byte_tokenizer());
    let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
    let all = requests(&tokenizer, 5, &sampling);
    let wanted = tokens(&generate(&model, &tokenizer, &all, 64));
    assert_eq!(wanted.len(), 15);
    for slots in [1, 3, 7] {
        assert_eq!(tokens(&generate(&model, &tokenizer, &all, slots)), wanted, "{slots} slots");
    }
    let alone = tokens(&generate(&model, &tokenizer, &all[1..2], 2));
    assert_eq!(alone, wanted[5..10]);
    // The engine's kept cache carries nothing over.
    let mut engine = Engine::new();
    for _ in 0..2 {
        assert_eq!(tokens(&engine.generate(&model, &tokenizer, &all, 4, 0, &mut |_| true).unwrap()), wanted);
    }
    assert_eq!(engine.prefilled, 2 * all.iter().map(|r| r.prompt.tokens.len() as u64).sum::<u64>(), "a prompt is computed once");
}

#[test]
fn the_sampler_and_the_packed_forward_agree() {
    let tokenizer = byte_tokenizer();
    for (kind, tolerance) in [(Kind::Float, 1e-4), (Kind::Double, 1e-6)] {
        // The recorded numbers are float32 in both cases: 1e-6 is their rounding.
        let model = tiny(kind);
        for temperature in [1.0, 0.6] {
            let sampling = Sampling { max_new_tokens: 16, temperature, ..Sampling::default() };
            for group in generate(&model, &tokenizer, &requests(&tokenizer, 4, &sampling), 8) {
                let found = mismatch(&model, &group, temperature).unwrap();
                assert!(found.max < tolerance && found.kl.abs() < tolerance && found.tokens > 0, "{kind:?} {found:?}");
                assert!(
                    group.rollouts.iter().all(|r| r.logp.len() == r.tokens.len() && r.logp_behaviour.is_none() && r.versions == (7, 7))
                );
            }
        }
    }
}

#[test]
fn every_way_to_end_is_told() {
    let (model, tokenizer) = (tiny(Kind::Double), byte_tokenizer());
    let of = |sampling: Sampling| generate(&model, &tokenizer, &requests(&tokenizer, 8, &sampling), 24);
    let long = of(Sampling { max_new_tokens: 200, ..Sampling::default() });
    let ends: Vec<_> = long.iter().flat_map(|g| &g.rollouts).collect();
    for r in &ends {
        match r.finish {
            Finish::Eos => assert_eq!(r.tokens.iter().position(|t| *t == 2), Some(r.tokens.len() - 1)),
            Finish::Length => assert_eq!(r.tokens.len(), 200),
            ref other => panic!("{other:?}"),
        }
    }
    assert!(ends.iter().any(|r| r.finish == Finish::Eos), "the tiny model ends some of 24 answers in 200 tokens");
    // The context of 256 ends before 300 tokens are drawn.
    let budget = of(Sampling { max_new_tokens: 300, min_new_tokens: 300, ..Sampling::default() });
    assert!(budget.iter().all(|g| g.rollouts.iter().all(|r| r.finish == Finish::Budget && g.prompt.tokens.len() + r.tokens.len() == 256)));
    assert!(budget.iter().flat_map(|g| &g.rollouts).all(|r| !r.tokens.contains(&2) && r.logp_behaviour.is_some()));
}

#[test]
fn a_stop_text_ends_an_answer_and_is_not_part_of_it() {
    let (model, tokenizer) = (tiny(Kind::Double), byte_tokenizer());
    let free = Sampling { max_new_tokens: 60, ..Sampling::default() };
    let whole = generate(&model, &tokenizer, &requests(&tokenizer, 1, &free), 3);
    let (index, text) =
        whole.iter().enumerate().map(|(i, g)| (i, g.rollouts[0].text.clone())).max_by_key(|(_, t)| t.chars().count()).unwrap();
    let chars: Vec<char> = text.chars().collect();
    // Two characters from the middle of what is drawn anyway: they come from two tokens or more.
    let middle = chars.len() / 2;
    let stop: String = chars[middle..middle + 2].iter().collect();
    let stopped = generate(&model, &tokenizer, &requests(&tokenizer, 1, &Sampling { stop: vec![stop.clone()], ..free }), 3);
    let answer = &stopped[index].rollouts[0];
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(Some(answer.text.as_str()), text.split(&stop).next());
    assert!(whole[index].rollouts[0].tokens.starts_with(&answer.tokens));
}

#[test]
fn streamed_text_is_the_answer() {
    let (model, tokenizer) = (tiny(Kind::Double), byte_tokenizer());
    let asked = requests(&tokenizer, 2, &Sampling { max_new_tokens: 40, stop: vec!["zz".into()], ..Sampling::default() });
    let mut streamed = vec![vec![String::new(); 2]; 3];
    let mut observe = |p: Progress<'_>| {
        if let Progress::Text { request, member, text } = p {
            streamed[request][member].push_str(text);
        }
        true
    };
    let groups = Engine::new().generate(&model, &tokenizer, &asked, 4, 0, &mut observe).unwrap();
    for (group, streamed) in groups.iter().zip(&streamed) {
        for (rollout, streamed) in group.rollouts.iter().zip(streamed) {
            assert_eq!(&rollout.text, streamed);
        }
    }
}

#[test]
fn weights_that_are_not_numbers_and_prompts_that_do_not_fit_are_refused() {
    let (model, tokenizer) = (tiny(Kind::Float), byte_tokenizer());
    let asked = requests(&tokenizer, 1, &Sampling::default());
    let long = RolloutRequest { prompt: prompt(&tokenizer, "long", &"x".repeat(300)), ..asked[0].clone() };
    let error = Engine::new().generate(&model, &tokenizer, &[long], 1, 0, &mut |_| true).unwrap_err();
    assert!(matches!(&error, ActorError::PromptTooLong { prompt, tokens: 300, context: 256 } if prompt == "long"), "{error}");
    let error = Engine::new().generate(&model, &tokenizer, &asked, 1, 0, &mut |_| false).unwrap_err();
    assert!(matches!(error, ActorError::Interrupted));
    let _guard = tch::no_grad_guard();
    let _ = model.params()[1].value().detach().fill_(f64::NAN);
    let error = Engine::new().generate(&model, &tokenizer, &asked, 1, 0, &mut |_| true).unwrap_err();
    assert!(matches!(error, ActorError::NotFinite { .. }), "{error}");
}

#[test]
fn on_the_real_model_sampler_and_learner_agree() {
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
    let sampling = Sampling { max_new_tokens: 24, ..Sampling::default() };
    for group in generate(&model, &tokenizer, &requests(&tokenizer, 4, &sampling), 12) {
        let found = mismatch(&model, &group, 1.0).unwrap();
        println!("{found:?}");
        assert!(found.max <= 1e-3 && found.kl.abs() <= 1e-6, "{found:?}");
    }
}
