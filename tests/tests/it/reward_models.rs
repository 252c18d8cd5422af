//! A reward model that a run has made judges the answers of another run, pairs of people, and two models against each other.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::bad_recipes::refused;
use crate::support::{Bench, checkout, metrics, run, tiny_model};

/// A run of `reward_model` on small dialogues; built once.
pub(crate) fn reward_model() -> PathBuf {
    static MADE: OnceLock<Bench> = OnceLock::new();
    let bench = MADE.get_or_init(|| {
        let bench = Bench::shared();
        let data = checkout().join("tests/tests/data/dialogues.jsonl");
        bench.write(
            "recipe.toml",
            format!(
                "[run]\nseed = 1\nsteps = 2\nthreads = 1\n[data]\nformat = \"hh-rlhf\"\ntrain = \"{}\"\nheldout_rows = 0\n[data.hh-rlhf]\nchat = false\n\
                 [algorithm]\nname = \"reward_model\"\n[learner]\nrows = 4\nlr = 1e-3\n",
                data.display()
            ),
        );
        bench.trained("rm", &[]);
        bench
    });
    bench.run_dir("rm")
}

fn word(key: &str) -> String {
    format!("{key}={}", reward_model().display())
}

/// The lines of a run's steps.
fn steps(bench: &Bench, name: &str) -> Vec<Value> {
    metrics(&bench.run_dir(name)).into_iter().filter(|line| line.get("reward").is_some()).collect()
}

#[test]
fn it_is_a_term_of_the_reward_like_any_other() {
    let bench = Bench::new();
    let model = reward_model();
    let text = fs::read_to_string(bench.path("recipe.toml")).unwrap();
    let tables = format!("[[reward]]\nmodel = \"{}\"\nlabel = \"kind\"\nweight = 2.0\n\n[[reward]]\nname = \"length\"", model.display());
    bench.write("recipe.toml", text.replacen("[[reward]]\nname = \"length\"", &tables, 1));
    bench.trained("judged", &["run.steps=2"]);
    for line in steps(&bench, "judged") {
        let mean = |part: &str| line[format!("rewards/{part}/mean")].as_f64().unwrap();
        let total = 2.0 * mean("kind") + mean("length") + 0.5 * mean("numeric");
        assert!((line["reward"].as_f64().unwrap() - total).abs() < 1e-9 && mean("kind") != 0.0, "{line}");
        assert_eq!(line["faults/total"], 0.0);
    }
    // The same scores come again: nothing of a model reward is drawn.
    bench.trained("again", &["run.steps=2"]);
    assert_eq!(metrics(&bench.run_dir("judged")), metrics(&bench.run_dir("again")));
}

#[test]
fn a_run_is_named_on_the_command_line_and_a_model_without_scores_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    bench.trained("named", &[&word("reward"), "run.steps=1"]);
    assert!(steps(&bench, "named")[0].get("rewards/rm/mean").is_some(), "{:?}", steps(&bench, "named"));
    let plain = format!("reward={}", tiny_model().display());
    refused(&bench, &[&plain], 2, &["`score.weight` is missing", "this is no reward model"]);
    let nowhere = format!("reward=[{{model=\"{}\"}}]", bench.path("nowhere").display());
    refused(&bench, &[&nowhere], 2, &["there is no model at", "nowhere"]);
}

#[test]
fn it_scores_pairs_and_judges_two_models() {
    let bench = Bench::new();
    let data = checkout().join("tests/tests/data/dialogues.jsonl");
    let (data, model) = (data.to_str().unwrap(), reward_model());
    let out = bench.path("results");
    let eval = |words: &[&str]| {
        let all = ["eval"].iter().chain(words).copied().chain(["--json", "--out", out.to_str().unwrap()]);
        run(all).with_code(0).json_lines().pop().unwrap()
    };
    let of = |model: &str, more: &[&str]| eval(&[&["preference", "--model", model, "--data", data, "--format", "hh-rlhf"], more].concat());
    let reward = of(model.to_str().unwrap(), &[]);
    assert_eq!(reward["settings"]["scorer"], "reward", "{reward}");
    assert!(reward["accuracy"].is_number() && reward["n"].as_u64() == Some(12), "{reward}");
    let alone = of(model.to_str().unwrap(), &["--micro-tokens", "1"]);
    assert!((reward["margin_mean"].as_f64().unwrap() - alone["margin_mean"].as_f64().unwrap()).abs() < 1e-5);
    assert_eq!(of(tiny_model().to_str().unwrap(), &[])["settings"]["scorer"], "logp");
    let refused = ["eval", "preference", "--model", tiny_model().to_str().unwrap(), "--data", data, "--scorer", "reward"];
    run(refused).with_code(3).telling(&["this is no reward model"]);

    let answers = |name: &str, text: &str| {
        let line = |i: usize| serde_json::json!({"id": i.to_string(), "text": format!("{text}{i}")}).to_string();
        bench.write(name, (1..=4).map(line).collect::<Vec<_>>().join("\n"))
    };
    let prompts = bench.write("prompts.jsonl", (1..=4).map(|i| format!("{{\"prompt\": \"What is {i}?\"}}")).collect::<Vec<_>>().join("\n"));
    let (a, b) = (answers("a.jsonl", "a word "), answers("b.jsonl", "another "));
    let judged = |a: &str, b: &str| {
        let words = ["eval", "winrate", "--a", a, "--b", b, "--data", &prompts, "--reward", model.to_str().unwrap(), "--json"];
        let said = run(words.iter().copied().chain(["--out", out.to_str().unwrap()]));
        said.with_code(0).json_lines().pop().unwrap()
    };
    let (one, other) = (judged(&a, &b), judged(&b, &a));
    let rate = |v: &Value| v["win_rate"].as_f64().unwrap_or_else(|| panic!("{v}"));
    assert!((rate(&one) + rate(&other) - 1.0).abs() < 1e-12, "{one} {other}");
    assert_eq!(rate(&judged(&a, &a)), 0.5);
}
