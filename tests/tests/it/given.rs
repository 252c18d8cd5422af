//! Runs that learn from given data: they learn, measure, save, stop and go on as runs that draw answers do.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::support::{Bench, assert_same_state, metrics, run, state};

/// Sums as worked answers, in the published shape of demonstrations.
fn demonstrations(rows: usize) -> String {
    let mut text = String::new();
    for n in 0..rows {
        writeln!(text, "{{\"prompt\": \"{n} + 1 =\", \"completion\": \" {}\"}}", n + 1).unwrap();
    }
    text
}

/// Pairs: the right sum is preferred to a wrong one.
fn pairs(rows: usize) -> String {
    let mut text = String::new();
    for n in 0..rows {
        writeln!(text, "{{\"prompt\": \"{n} + 1 =\", \"chosen\": \" {}\", \"rejected\": \" no idea\"}}", n + 1).unwrap();
    }
    text
}

/// The same as single answers, wanted or not.
fn labelled(rows: usize) -> String {
    let mut text = String::new();
    for n in 0..rows {
        let (answer, label) = if n % 2 == 0 { ((n + 1).to_string(), true) } else { ("no idea".to_owned(), false) };
        writeln!(text, "{{\"prompt\": \"{n} + 1 =\", \"completion\": \" {answer}\", \"label\": {label}}}").unwrap();
    }
    text
}

/// A recipe for an algorithm, six steps on small rows.
fn bench(algorithm: &str, data: &str) -> Bench {
    let bench = Bench::new();
    let path = bench.write("rows.jsonl", data);
    bench.write(
        "recipe.toml",
        format!(
            "[run]\nseed = 1\nsteps = 6\nthreads = 1\n[data]\ntrain = \"{path}\"\nheldout_rows = 4\n[algorithm]\nname = \"{algorithm}\"\n\
             [learner]\nrows = 4\nlr = 1e-3\nmicro_tokens = 64\n[eval]\nevery = 1\n[checkpoint]\nevery = 1\nkeep = 100\n"
        ),
    );
    bench
}

fn of(algorithm: &str) -> Bench {
    match algorithm {
        "sft" => bench(algorithm, &demonstrations(20)),
        "kto" => bench(algorithm, &labelled(20)),
        _ => bench(algorithm, &pairs(20)),
    }
}

/// The values of a metric by line, where it is there.
fn series(bench: &Bench, name: &str, key: &str) -> Vec<f64> {
    metrics(&bench.run_dir(name)).iter().filter_map(|line| line.get(key).and_then(Value::as_f64)).collect()
}

#[test]
fn k_steps_and_a_resume_equal_six_steps_byte_for_byte() {
    for (algorithm, more) in [
        ("sft", &[][..]),
        ("dpo", &[]),
        ("dpo", &["learner.reference_cache=false"]),
        ("bco_pair", &[]),
        ("kto", &[]),
        ("reward_model", &[]),
    ] {
        let bench = of(algorithm);
        bench.trained("whole", more);
        let losses = series(&bench, "whole", "loss");
        assert_eq!(losses.len(), 6, "{algorithm}");
        for k in [1, 4] {
            let (name, steps) = (format!("parts{k}"), format!("run.steps={k}"));
            bench.trained(&name, &[more, &[&steps]].concat());
            let said = bench.trained(&name, &[more, &["--resume", "run.steps=6"]].concat());
            assert!(said.err.contains(&format!("at step {k} ")) && said.err.contains("bitwise: yes"), "{}", said.err);
            assert_eq!(metrics(&bench.run_dir(&name)), metrics(&bench.run_dir("whole")), "{algorithm} {more:?} resumed at {k}");
            assert_same_state(&bench.checkpoint("whole", 6), &bench.checkpoint(&name, 6));
        }
        let states: Vec<_> = (1..=6).map(|step| state(&bench.checkpoint("whole", step))).collect();
        for pair in states.windows(2) {
            assert_ne!(pair[0]["model.safetensors"], pair[1]["model.safetensors"], "{algorithm}: a step changed no weight");
        }
    }
}

#[test]
fn held_out_figures_are_measured_and_move_as_they_should() {
    let more = ["run.steps=40", "eval.every=20", "checkpoint.every=0"];
    let rising = |algorithm: &str, key: &str| {
        let bench = of(algorithm);
        bench.trained("long", &more);
        let values = series(&bench, "long", key);
        assert_eq!(values.len(), 3, "{algorithm}: {key}");
        (values[0], values[2])
    };
    let (before, after) = rising("sft", "eval/perplexity");
    assert!(after < 0.5 * before, "perplexity {before} to {after}");
    let (before, after) = rising("dpo", "eval/rewards/margins");
    assert!(before == 0.0 && after > 0.5, "margin {before} to {after}");
    let (_, after) = rising("reward_model", "eval/rewards/accuracies");
    assert!(after > 0.9, "accuracy {after}");
    let (before, after) = rising("kto", "eval/loss");
    assert!(after < before, "loss {before} to {after}");
}

#[test]
fn every_loss_of_pairs_trains() {
    let bench = of("dpo");
    for name in
        ["dpo", "hinge", "ipo", "robust", "exo", "nca", "bco_pair", "sppo", "apo_zero", "apo_down", "dpo_norm", "orpo", "cpo", "simpo"]
    {
        let algorithm = format!("algorithm.name={name}");
        bench.trained(name, &[&algorithm, "run.steps=2", "eval.every=0", "checkpoint.every=0"]);
        assert_eq!(series(&bench, name, "rewards/margins").len(), 2, "{name}");
    }
}

#[test]
fn the_cache_gives_the_numbers_of_a_reference_that_is_asked_at_every_step_and_is_used_again() {
    let bench = of("dpo");
    let cached = bench.trained("cached", &[]);
    bench.trained("asked", &["learner.reference_cache=false"]);
    assert!(cached.err.contains("log-probabilities of 20 rows, once"), "{}", cached.err);
    for (a, b) in series(&bench, "cached", "loss").iter().zip(series(&bench, "asked", "loss")) {
        assert!((a - b).abs() < 1e-5 * b.abs(), "{a} cached, {b} asked"); // float32 passes packed otherwise
    }
    let file = bench.run_dir("cached").join("reference.cache");
    let before = fs::read(&file).unwrap();
    let again = bench.trained("cached", &["--resume", "run.steps=8"]);
    assert!(!again.err.contains("log-probabilities"), "{}", again.err);
    assert_eq!(fs::read(&file).unwrap(), before);
    // A damaged file is computed again, to the same bytes, by the weights that the run began with.
    fs::write(&file, &before[..before.len() / 2]).unwrap();
    let mended = bench.trained("cached", &["--resume", "run.steps=9"]);
    assert!(mended.err.contains("once"), "{}", mended.err);
    let of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (of(&before), of(&fs::read(&file).unwrap()));
    assert!(new[1..new.len() - 1].iter().all(|line| old.contains(line)), "the same numbers for the same rows");
}

#[test]
fn file_order_is_kept_without_shuffling_and_the_loss_is_written_unrounded() {
    let bench = of("sft");
    bench.trained("plain", &["data.shuffle=false", "data.heldout_rows=0", "eval.every=0", "learner.lr=0"]);
    let losses = series(&bench, "plain", "loss");
    // 20 rows, 4 a step: the sixth step is the first again, at rate 0.
    assert_eq!(losses[0], losses[5]);
    assert!(losses.windows(2).all(|w| w[0] != w[1]), "{losses:?}");
}

#[test]
fn a_chain_starts_from_the_weights_of_a_run() {
    let bench = of("sft");
    bench.trained("first", &[]);
    let pairs = bench.write("pairs.jsonl", pairs(20));
    let (data, first) = (format!("data.train={pairs}"), bench.run_dir("first").display().to_string());
    bench.trained("second", &["algorithm.name=dpo", &data, "--init-from", &first, "learner.lr=0", "run.steps=1"]);
    bench.trained("third", &["algorithm.name=reward_model", &data, "--init-from", &first, "learner.lr=0", "run.steps=1"]);
    let weights = |name: &str, step| state(&bench.checkpoint(name, step))["model.safetensors"].clone();
    assert_eq!(weights("second", 1), weights("first", 6));
    let config: Value = serde_json::from_slice(&fs::read(bench.checkpoint("third", 1).join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"], serde_json::json!(["LlamaForSequenceClassification"]));
    let (from, to) = (bench.checkpoint("third", 1), bench.path("exported"));
    run(["ckpt".as_ref(), "export".as_ref(), from.as_os_str(), to.as_os_str()]).with_code(0);
    assert_eq!(fs::read(to.join("model.safetensors")).unwrap(), fs::read(from.join("model.safetensors")).unwrap());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_mend() {
    let bench = of("dpo");
    let refused = |more: &[&str]| crate::support::said(&mut bench.train("bad", more)).with_code(2);
    refused(&["reward=length"]).telling(&["no reward is asked", "take the `[[reward]]` tables out"]);
    refused(&["learner.minibatches=9"]).telling(&["9 parts of 4 groups", "learner.rows"]);
    refused(&["algorithm.name=sft"]).telling(&["preference pairs", "demonstrations"]);
    refused(&["data.heldout_rows=0"]).telling(&["no held-out row"]);
    assert!(!bench.run_dir("bad").exists());
    let plan = run(std::iter::once("plan".to_owned()).chain(bench.words("x", &[]))).with_code(0).out;
    assert!(plan.contains("learns from pairs of answers") && plan.contains("4 rows; about"), "{plan}");
}

#[test]
fn long_rows_are_cut_at_their_end_and_prompts_that_fill_a_row_are_left_out() {
    let long = format!("{{\"prompt\": \"{}\", \"completion\": \" 1\"}}\n", "x".repeat(60));
    let bench = bench("sft", &(demonstrations(20) + &long));
    let said = bench.trained("cut", &["learner.max_length=9", "eval.every=0"]);
    assert!(!said.err.contains("panicked"));
    let plan = run(std::iter::once("plan".to_owned()).chain(bench.words("x", &["learner.max_length=9"]))).with_code(0).out;
    assert!(plan.contains("1 left out") && plan.contains("9 at most"), "{plan}");
    assert!(series(&bench, "cut", "rows/at_max_length").iter().sum::<f64>() > 0.0);
}
