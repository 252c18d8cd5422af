//! PPO as users run it: the critic learns and is saved, a resumed run is the whole run, and a reward rises.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Bench, assert_same_state, metrics};

/// What makes the small recipe a PPO with a KL in the reward whose weight moves.
const PPO: [&str; 8] = [
    "algorithm.name=ppo",
    "algorithm.beta=0.05",
    "algorithm.kl_target=1.0",
    "algorithm.kl_horizon=50.0",
    "critic.lr=3e-3",
    "critic.head=normal",
    "critic.warmup_steps=2",
    "critic.schedule=linear",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PPO.iter().copied().chain(more.iter().copied()).collect()
}

/// The critic's files of a checkpoint.
fn critic(checkpoint: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let read = |name: &'static str| (name, fs::read(checkpoint.join("trainer/critic").join(name)).unwrap());
    ["config.json", "model.safetensors", "optimizer.safetensors"].into_iter().map(read).collect()
}

fn steps(bench: &Bench, name: &str) -> Vec<Value> {
    metrics(&bench.run_dir(name)).into_iter().filter(|line| line.get("reward").is_some()).collect()
}

#[test]
fn a_resumed_ppo_is_the_whole_one_byte_for_byte_critic_and_controller_included() {
    let whole = Bench::new();
    whole.trained("whole", &with(&[]));
    for k in [1, 2, 4] {
        let (bench, cut) = (Bench::new(), format!("run.steps={k}"));
        // The schedule of the rate depends on the length of the run; a signal or a kill leaves it as it is, a shorter run does not.
        bench.trained("parts", &with(&[&cut, "critic.schedule=constant"]));
        let said = bench.trained("parts", &with(&["--resume", "run.steps=6", "critic.schedule=constant"]));
        assert!(said.err.contains("bitwise: yes"), "{}", said.err);
        let other = Bench::new();
        other.trained("other", &with(&["critic.schedule=constant"]));
        assert_same_state(&other.checkpoint("other", 6), &bench.checkpoint("parts", 6));
        assert!(critic(&other.checkpoint("other", 6)) == critic(&bench.checkpoint("parts", 6)), "the critics differ after {k} and 6 steps");
        assert_eq!(metrics(&other.run_dir("other")), metrics(&bench.run_dir("parts")));
    }
    assert!(critic(&whole.checkpoint("whole", 6)) != critic(&whole.checkpoint("whole", 5)), "the critic does not learn");
}

#[test]
fn while_the_critic_warms_up_the_policy_rests() {
    let bench = Bench::new();
    bench.trained("warm", &with(&[]));
    let weights = |step| fs::read(bench.checkpoint("warm", step).join("model.safetensors")).unwrap();
    assert!(weights(1) == weights(2), "the policy moved while the critic warmed up");
    assert!(weights(2) != weights(3) && critic(&bench.checkpoint("warm", 1)) != critic(&bench.checkpoint("warm", 2)));
    for (i, line) in steps(&bench, "warm").iter().enumerate() {
        for key in ["critic/loss", "critic/grad_norm", "critic/value_mean", "critic/return_mean", "critic/explained_variance", "kl/reward"]
        {
            assert!(line[key].as_f64().is_some_and(f64::is_finite), "step {}: {key} is {}", i + 1, line[key]);
        }
        assert_eq!(line.get("loss").is_some(), i >= 2, "step {}", i + 1);
    }
    let betas: Vec<f64> = steps(&bench, "warm").iter().map(|l| l["kl/coefficient"].as_f64().unwrap()).collect();
    assert!(betas[0] == 0.05 && betas.windows(2).any(|b| b[0] != b[1]), "the controller does not move: {betas:?}");
}

#[test]
fn ppo_moves_a_reward() {
    let bench = Bench::new();
    let more = ["run.steps=40", "rollout.prompts=8", "eval.every=0", "checkpoint.every=0", "algorithm.name=ppo", "critic.lr=3e-3"];
    bench.trained("long", &more);
    let rewards: Vec<f64> = steps(&bench, "long").iter().map(|l| l["reward"].as_f64().unwrap()).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&rewards[..5]), mean(&rewards[35..]));
    assert!(last > first + 0.05, "{first} at first, {last} at last: {rewards:?}");
}

#[test]
fn a_critic_that_cannot_read_the_policys_tokens_is_refused() {
    let bench = Bench::new();
    let other = bench.path("other");
    crate::support::tiny_model_in(&other);
    let config = fs::read_to_string(other.join("config.json"))
        .unwrap()
        .replace("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 64");
    fs::write(other.join("config.json"), config).unwrap();
    let init = format!("critic.init={}", other.display());
    crate::bad_recipes::refused(&bench, &with(&[&init]), 2, &["the critic `", "a context of 64", "set critic.init = \"policy\""]);
}

#[test]
fn remax_takes_the_greedy_answers_score_off() {
    let bench = Bench::new();
    bench.trained("remax", &["algorithm.name=remax", "rollout.group=2"]);
    for line in steps(&bench, "remax") {
        assert!(line["greedy/reward"].as_f64().is_some_and(f64::is_finite) && line["loss"].is_number(), "{line}");
    }
}

#[test]
fn a_filter_is_trained_with_where_a_correction_weighs_it() {
    let bench = Bench::new();
    crate::bad_recipes::refused(&bench, &["sampling.top_k=20"], 2, &["a law that a filter has cut", "algorithm.correction"]);
    bench.trained("filtered", &["sampling.top_k=20", "algorithm.correction=tis_token"]);
    for line in steps(&bench, "filtered") {
        // The law of the filter gives every drawn token more than the policy does: weights lie below 1.
        let weight = line["correction/weight_mean"].as_f64().unwrap();
        assert!(weight > 0.0 && weight < 0.999, "{weight}");
    }
}

#[test]
fn the_kl_over_the_vocabulary_starts_at_nothing_and_grows() {
    let bench = Bench::new();
    bench.trained("full", &["algorithm.beta=0.01", "algorithm.kl_estimator=full", "learner.minibatches=1"]);
    let kl: Vec<f64> = steps(&bench, "full").iter().map(|l| l["kl"].as_f64().unwrap()).collect();
    assert!(kl[0].abs() < 1e-6 && kl[1..].iter().all(|k| *k > 1e-6), "{kl:?}");
    let again = Bench::new();
    again.trained("full", &["algorithm.beta=0.01", "algorithm.kl_estimator=full", "learner.minibatches=1", "learner.reuse_rollout=off"]);
    let new: Vec<f64> = steps(&again, "full").iter().map(|l| l["kl"].as_f64().unwrap()).collect();
    assert!((new[1] - kl[1]).abs() < 1e-3 * kl[1], "{} with the sampler's activations, {} without", kl[1], new[1]);
}
