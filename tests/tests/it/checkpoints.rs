//! `collimate ckpt`: list, verify, export; what is exported is the same model.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::resume::whole;
use crate::support::{Bench, run, tiny_model};

/// The tokens of greedy answers to two prompts.
pub(crate) fn greedy_tokens(model: &Path) -> Vec<Value> {
    let args = ["generate", "--json", "--raw", "--threads", "1", "--max-new-tokens", "12", "-p", "3 + 4 =", "-p", "the", "--model"];
    let said = run(args.map(OsStr::new).into_iter().chain([model.as_os_str()])).with_code(0);
    said.json_lines().iter().map(|line| line["tokens"].clone()).collect()
}

fn verify(path: &Path, code: i32) -> String {
    run(["ckpt".as_ref(), "verify".as_ref(), path.as_os_str()]).with_code(code).out
}

#[test]
fn ls_lists_every_checkpoint_with_its_score() {
    let run_dir = whole().run_dir("whole");
    let said = run(["ckpt".as_ref(), "ls".as_ref(), "--json".as_ref(), run_dir.as_os_str()]).with_code(0);
    let lines = said.json_lines();
    let mut steps: Vec<u64> = lines.iter().map(|l| l["step"].as_u64().unwrap()).collect();
    steps.sort_unstable();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    for line in &lines {
        assert!(line["score"].is_number() && line["fault"].is_null() && line["bytes"].as_u64() > Some(1_000_000), "{line}");
    }
    let text = run(["ckpt".as_ref(), "ls".as_ref(), run_dir.as_os_str()]).with_code(0);
    assert_eq!(text.out.lines().count(), 6);
}

#[test]
fn one_flipped_byte_of_a_file_is_found_and_named() {
    let bench = Bench::new();
    bench.trained("run", &["run.steps=1"]);
    let checkpoint = bench.checkpoint("run", 1);
    assert!(verify(&checkpoint, 0).contains("ok"));
    for name in ["model.safetensors", "trainer/rng.bin", "tokenizer.json"] {
        let good = fs::read(checkpoint.join(name)).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(checkpoint.join(name), bad).unwrap();
        let said = verify(&checkpoint, 3);
        assert!(said.contains("BAD") && said.contains(name), "{said}");
        fs::write(checkpoint.join(name), good).unwrap();
    }
    assert!(verify(&bench.run_dir("run"), 0).contains("ok"));
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_on_resume_and_the_end_is_the_same() {
    let bench = Bench::new();
    bench.trained("run", &["run.steps=3"]);
    let file = bench.checkpoint("run", 3).join("model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let said = bench.trained("run", &["--resume", "run.steps=6"]);
    assert!(said.err.contains("a damaged checkpoint is passed over") && said.err.contains("at step 2 "), "{}", said.err);
    crate::resume::assert_as_whole(&bench, "run");
}

#[test]
fn verify_refuses_what_is_neither_a_checkpoint_nor_a_run() {
    run(["ckpt".as_ref(), "verify".as_ref(), tiny_model().as_os_str()]).with_code(3).telling(&["neither a checkpoint nor a run"]);
}

#[test]
fn an_export_generates_the_same_tokens_as_its_source() {
    let bench = Bench::new();
    let (source, dir) = (whole().checkpoint("whole", 6), bench.path("exported"));
    run(["ckpt".as_ref(), "export".as_ref(), source.as_os_str(), dir.as_os_str()]).with_code(0);
    let tokens = greedy_tokens(&source);
    assert_eq!(tokens, greedy_tokens(&dir));
    assert_eq!(tokens, greedy_tokens(&whole().run_dir("whole")), "a run stands for its newest checkpoint");
    assert_ne!(tokens, greedy_tokens(tiny_model()), "six steps changed nothing");
    assert_eq!(fs::read(source.join("model.safetensors")).unwrap(), fs::read(dir.join("model.safetensors")).unwrap());
    let again = run(["ckpt".as_ref(), "export".as_ref(), source.as_os_str(), dir.as_os_str()]).with_code(2);
    again.telling(&["exists already; give a new name"]);
}

#[test]
fn an_export_is_evaluated_as_its_source() {
    let bench = Bench::new();
    let dir = bench.path("exported");
    let source = whole().checkpoint("whole", 6);
    run(["ckpt".as_ref(), "export".as_ref(), source.as_os_str(), dir.as_os_str()]).with_code(0);
    let measured = |model: &Path| {
        let words = bench.words("unused", &["--json", "--rows", "4", "--model", model.to_str().unwrap()]);
        let said = run(["eval".to_owned(), "task".to_owned()].into_iter().chain(words)).with_code(0);
        let line = said.json_lines().remove(0);
        ["accuracy", "interval", "n", "correct", "reward", "tokens", "data"].map(|key| line[key].clone())
    };
    let seen = measured(&source);
    assert_eq!(seen, measured(&dir));
    let logged = crate::support::metrics(&whole().run_dir("whole")).into_iter().rfind(|l| l.get("eval/reward").is_some()).unwrap();
    assert_eq!(seen[4], logged["eval/reward"], "eval task and the run's own evaluation differ");
    let kept: Vec<_> = fs::read_dir(bench.path("runs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(kept, ["evaluations"], "an evaluation writes its result and nothing else");
}

#[test]
fn init_from_starts_a_new_run_at_the_weights_of_another() {
    let bench = Bench::new();
    let from = whole().run_dir("whole");
    bench.trained("next", &["--init-from", from.to_str().unwrap(), "run.steps=1"]);
    let first = |run: &Path| crate::support::metrics(run)[0]["eval/reward"].clone();
    let last = crate::support::metrics(&from).into_iter().rfind(|l| l.get("eval/reward").is_some()).unwrap();
    assert_eq!(first(&bench.run_dir("next")), last["eval/reward"]);
    assert!(!bench.checkpoint("next", 6).exists() && bench.checkpoint("next", 1).exists());
}
