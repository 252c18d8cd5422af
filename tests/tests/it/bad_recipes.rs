//! Recipes that cannot be run are refused before anything is written, with the place and the mend.

use std::fs;

use crate::support::{Bench, Said, said};

/// Trains a run that must be refused: with this code, these words, and nothing left behind.
#[track_caller]
pub(crate) fn refused(bench: &Bench, more: &[&str], code: i32, parts: &[&str]) -> Said {
    let said = said(&mut bench.train("new", more)).with_code(code).telling(parts);
    assert!(!bench.path("runs").join("new").exists(), "a refused run left its directory");
    assert!(said.out.is_empty(), "a refusal belongs on standard error: {}", said.out);
    said
}

/// The recipe's file and the line of a text in it, as diagnostics write it.
fn place(bench: &Bench, text: &str) -> String {
    let recipe = fs::read_to_string(bench.path("recipe.toml")).unwrap();
    let line = 1 + recipe.lines().position(|l| l.contains(text)).unwrap();
    format!("{}:{line}:", bench.path("recipe.toml").display())
}

#[test]
fn an_unknown_key_is_shown_at_its_place_with_the_nearest_name() {
    let bench = Bench::new();
    bench.edit("lr = 1e-3", "lrr = 1e-3");
    refused(&bench, &[], 2, &["there is no key `", "learner.lrr", "did you mean `", &place(&bench, "lrr")]);
}

#[test]
fn an_unknown_key_of_the_command_line_is_named() {
    refused(&Bench::new(), &["lerner.lr=1"], 2, &["there is no", "lerner", "did you mean", "learner"]);
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_what_is_possible() {
    let bench = Bench::new();
    bench.edit("steps = 6", "steps = \"six\"");
    refused(&bench, &[], 2, &["`run.steps`", "the text \"six\"", "a whole number, 1 or more", &place(&bench, "six")]);
}

#[test]
fn a_value_out_of_range_is_shown_with_the_range() {
    refused(&Bench::new(), &["sampling.top_p=1.5"], 2, &["`sampling.top_p`", "1.5", "more than 0 and at most 1"]);
}

#[test]
fn every_fault_of_a_recipe_is_told_in_one_pass() {
    let bench = Bench::new();
    bench.edit("lr = 1e-3", "lrr = 1e-3");
    bench.edit("steps = 6", "steps = \"six\"");
    refused(&bench, &["sampling.top_p=1.5"], 2, &["learner.lrr", "`run.steps`", "`sampling.top_p`", "3 errors"]);
}

#[test]
fn a_recipe_that_does_not_exist_is_named() {
    let bench = Bench::new();
    fs::remove_file(bench.path("recipe.toml")).unwrap();
    refused(&bench, &[], 2, &[bench.path("recipe.toml").to_str().unwrap(), "No such file"]);
}

#[test]
fn a_recipe_that_is_not_utf8_is_named() {
    let bench = Bench::new();
    bench.write("recipe.toml", b"[run]\nname = \"caf\xe9\"\n");
    refused(&bench, &[], 2, &[bench.path("recipe.toml").to_str().unwrap(), "UTF-8"]);
}

#[test]
fn a_syntax_error_is_shown_at_its_line() {
    let bench = Bench::new();
    bench.edit("steps = 6", "steps 6");
    refused(&bench, &[], 2, &[&place(&bench, "steps 6")]);
}

#[test]
fn a_group_of_one_has_nothing_to_compare() {
    refused(&Bench::new(), &["rollout.group=1"], 2, &["grpo", "compares the answers to one prompt", "rollout.group", "2 "]);
}

#[test]
fn minibatches_that_do_not_divide_the_prompts_are_refused() {
    refused(&Bench::new(), &["learner.minibatches=8"], 2, &["`learner.minibatches`", "8", "4", "rollout.prompts"]);
}

#[test]
fn an_unknown_algorithm_is_refused_with_the_nearest_name() {
    refused(&Bench::new(), &["algorithm.name=gpro"], 2, &["`gpro`", "grpo"]);
}

#[test]
fn an_algorithm_that_learns_from_other_data_is_refused_with_what_it_learns_from() {
    refused(&Bench::new(), &["algorithm.name=dpo"], 2, &["`dpo` learns from pairs of answers", "no reward is asked"]);
    refused(&Bench::new(), &["algorithm.name=sft"], 2, &["`sft` learns from answers to imitate", "no reward is asked"]);
}

#[test]
fn parts_of_an_algorithm_that_make_no_sense_together_are_refused_with_the_reason() {
    refused(&Bench::new(), &["algorithm.kl_target=6"], 2, &["`kl_target`", "kl_in = \"reward\""]);
}

#[test]
fn an_unknown_reward_is_refused_with_the_known_names() {
    let bench = Bench::new();
    bench.edit("name = \"numeric\"", "name = \"numerical\"");
    refused(&bench, &[], 2, &["`numerical`", "numeric"]);
}

#[test]
fn an_unknown_knob_of_a_reward_is_refused_with_its_knobs() {
    let bench = Bench::new();
    bench.edit("scale = 10", "scales = 10");
    refused(&bench, &[], 2, &["`length` has no knob `scales`", "did you mean `scale`?"]);
}

#[test]
fn an_unknown_knob_of_an_algorithm_is_refused_with_the_nearest_name() {
    refused(&Bench::new(), &["algorithm.epsilom=0.2"], 2, &["epsilom", "did you mean"]);
}

#[test]
fn a_used_name_is_refused_and_the_run_stays_as_it_was() {
    let bench = Bench::new();
    bench.trained("used", &["run.steps=1"]);
    let before = fs::read(bench.run_dir("used").join("metrics.jsonl")).unwrap();
    let again = said(&mut bench.train("used", &["run.steps=1"])).with_code(2);
    again.telling(&["the run name `used` is used", "go on with `--resume`, or choose another `run.name`"]);
    assert_eq!(before, fs::read(bench.run_dir("used").join("metrics.jsonl")).unwrap());
}

#[test]
fn a_resume_with_a_changed_learning_rate_is_refused_by_name() {
    let bench = Bench::new();
    bench.trained("run", &["run.steps=1"]);
    let said = said(&mut bench.train("run", &["--resume", "run.steps=2", "learner.lr=1e-4"])).with_code(2);
    said.telling(&["a resumed run cannot change learner.lr", "put it back, or start a new run with `--init-from"]);
    assert!(!bench.checkpoint("run", 2).exists());
}

#[test]
fn a_resume_of_a_run_that_does_not_exist_is_refused() {
    refused(&Bench::new(), &["--resume"], 2, &["there is no run `new` to resume", "start it without `--resume`"]);
}

/// A file system of 8 MB, unmounted at the end.
#[derive(Debug)]
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|o| o.status.success()).then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_disk_too_small_for_one_checkpoint_is_refused_before_the_first_step() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small file system cannot be mounted here (it takes root)");
        return;
    };
    let runs = format!("run.dir={}", disk.0.path().display());
    refused(&Bench::new(), &[&runs], 2, &["bytes are needed", "are free", disk.0.path().to_str().unwrap()]);
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 0, "a refused run left something");
}
