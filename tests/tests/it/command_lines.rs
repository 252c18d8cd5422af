//! Every other command: what it prints, where, and its exit code.

use serde_json::Value;

use crate::support::{Bench, run};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn help_and_version_are_answers_and_no_arguments_are_a_mistake() {
    let help = run(["--help"]).with_code(0);
    for command in ["plan", "train", "eval", "generate", "bench", "algorithms", "rewards", "formats", "config", "ckpt", "data"] {
        assert!(help.out.lines().any(|l| l.trim_start().starts_with(command)), "{command} is not in\n{}", help.out);
    }
    assert!(run(["--version"]).with_code(0).out.starts_with("collimate "));
    let nothing = run::<&str>([]).with_code(2);
    assert!(nothing.out.is_empty() && nothing.err.contains("Usage"), "{}", nothing.err);
    run(["trian"]).with_code(2).telling(&["train"]);
}

#[test]
fn rosters_are_listed_shown_and_printed_as_json_and_markdown() {
    for (roster, one) in [("algorithms", "grpo"), ("rewards", "numeric"), ("formats", "gsm8k")] {
        let list = run([roster]).with_code(0).out;
        assert!(list.lines().any(|l| l.starts_with(one)), "{list}");
        let cards: Value = serde_json::from_str(&run([roster, "--json"]).with_code(0).out).unwrap();
        let names: Vec<&str> = cards.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), list.lines().count());
        let card = run([roster, one]).with_code(0).out;
        assert!(names.contains(&one) && card.contains(one) && card.lines().count() > 2, "{card}");
        let single: Value = serde_json::from_str(&run([roster, one, "--json"]).with_code(0).out).unwrap();
        assert_eq!((single.as_array().unwrap().len(), &single[0]["name"]), (1, &one.into()));
        let markdown = run([roster, one, "--markdown"]).with_code(0).out;
        assert!(markdown.lines().any(|l| l.starts_with('#') && l.contains(one)), "{markdown}");
        let misspelt = run([roster, "nonsense"]).with_code(2).telling(&["nonsense", one]);
        assert!(misspelt.out.is_empty());
        run([roster, "--json", "--markdown"]).with_code(2);
    }
}

#[test]
fn config_show_is_a_recipe_that_shows_as_itself() {
    let bench = Bench::new();
    let shown = run(words("config show").into_iter().chain(bench.words("run", &["learner.lr=0.5"]))).with_code(0).out;
    assert!(shown.contains("lr = 0.5"), "{shown}");
    let file = bench.write("shown.toml", &shown);
    assert_eq!(run(["config", "show", &file]).with_code(0).out, shown);
    let json = run(words("config show --json").into_iter().chain(bench.words("run", &[]))).with_code(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["run"]["steps"].as_u64(), json["rollout"]["group"].as_u64()), (Some(6), Some(4)));
}

#[test]
fn config_show_tells_where_a_value_comes_from() {
    let bench = Bench::new();
    let shown = run(words("config show --origin").into_iter().chain(bench.words("run", &["learner.lr=0.5"]))).with_code(0).out;
    let line = |key: &str| shown.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
    assert!(line("lr = 0.5").contains("command line"), "{}", line("lr = 0.5"));
    assert!(line("steps = ").contains("recipe.toml"), "{}", line("steps = "));
    assert!(line("weight_decay = ").contains("default"), "{}", line("weight_decay = "));
}

#[test]
fn config_explain_tells_meaning_default_and_value() {
    let bench = Bench::new();
    let said = run(words("config explain learner.lr").into_iter().chain(bench.words("run", &[]))).with_code(0).out;
    assert!(said.contains("learner.lr") && said.contains("learning rate") && said.contains("0.001"), "{said}");
    run(["config", "explain", "learner.lrr"]).with_code(2).telling(&["learner.lr"]);
}

#[test]
fn config_schema_is_a_json_schema_of_every_section() {
    let schema: Value = serde_json::from_str(&run(["config", "schema"]).with_code(0).out).unwrap();
    for section in ["run", "model", "data", "rollout", "sampling", "algorithm", "reward", "learner", "eval", "checkpoint"] {
        assert!(schema["properties"][section].is_object(), "no `{section}` in the schema");
    }
}

#[test]
fn plan_gives_the_arithmetic_of_the_batch_and_writes_nothing() {
    let bench = Bench::new();
    let said = run(words("plan --json").into_iter().chain(bench.words("run", &[]))).with_code(0);
    let plan = said.json_lines().remove(0);
    for key in [
        "run",
        "model",
        "algorithm",
        "rewards",
        "seed",
        "threads",
        "steps",
        "batch",
        "data",
        "memory_mb",
        "memory_total_mb",
        "micro_tokens",
        "slots",
    ] {
        assert!(!plan[key].is_null(), "no `{key}` in {plan}");
    }
    let batch = &plan["batch"];
    assert_eq!([&batch["prompts"], &batch["group"], &batch["sequences"]].map(Value::as_u64), [Some(4), Some(4), Some(16)]);
    assert_eq!((batch["optimizer_steps_per_step"].as_u64(), batch["optimizer_steps"].as_u64()), (Some(2), Some(12)));
    assert_eq!((plan["algorithm"].as_str(), plan["data"]["heldout"].as_u64()), (Some("grpo"), Some(8)));
    let text = run(words("plan").into_iter().chain(bench.words("run", &[]))).with_code(0).out;
    assert!(text.contains("4 prompts x 4 answers = 16 sequences"), "{text}");
    assert!(!bench.path("runs").exists());
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::new();
    let said = bench.trained("run", &["--dry-run"]);
    assert!(said.out.contains("16 sequences"), "{}", said.out);
    assert!(!bench.path("runs").exists());
}

#[test]
fn train_reports_as_json_on_standard_output_and_progress_on_standard_error() {
    let bench = Bench::new();
    let said = bench.trained("run", &["run.steps=2", "log.rollouts_per_step=8", "--json"]);
    let line = said.json_lines().remove(0);
    assert_eq!((line["outcome"].as_str(), line["steps"].as_u64()), (Some("done"), Some(2)));
    assert!(said.err.contains("step 1/2") && said.err.contains("step 2/2"), "{}", said.err);
    let rollouts = std::fs::read_to_string(bench.run_dir("run").join("rollouts/step_1.jsonl")).unwrap();
    for line in rollouts.lines() {
        let sample: Value = serde_json::from_str(line).unwrap();
        assert!(sample["prompt"].is_string() && sample["answer"].is_string() && sample["reward"].is_number(), "{sample}");
    }
    assert_eq!(rollouts.lines().count(), 8);
}

#[test]
fn data_check_passes_good_files_and_locates_every_fault_of_bad_ones() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", "{\"question\": \"How many?\", \"answer\": \"So 3.\\n#### 3\"}\n");
    let said = run(["data", "check", &good]).with_code(0);
    assert!(said.out.contains("gsm8k"), "{}", said.out);
    let bad =
        bench.write("bad.jsonl", "{\"question\": \"How many?\", \"answer\": \"#### 3\"}\n{\"question\": 7, \"answer\": \"#### 3\"}\n{\n");
    let said = run(["data", "check", "--format", "gsm8k", &bad]).with_code(2);
    assert!(said.out.contains("bad.jsonl:2:") && said.out.contains("bad.jsonl:3:"), "{}", said.out);
    let json: Value = serde_json::from_str(&run(["data", "check", "--json", "--format", "gsm8k", &bad]).with_code(2).out).unwrap();
    assert!(json.is_object());
    let said = run(["data", "check", "/nowhere/rows.jsonl"]).with_code(2);
    assert!((said.out + &said.err).contains("/nowhere/rows.jsonl"));
}

#[test]
fn a_refusal_as_json_is_json() {
    let bench = Bench::new();
    let said = run(words("plan --json").into_iter().chain(bench.words("run", &["learner.lrr=1"]))).with_code(2);
    let faults: Value = serde_json::from_str(&said.err).unwrap_or_else(|e| panic!("{e}: {}", said.err));
    assert!(faults.to_string().contains("learner.lrr"), "{faults}");
}

#[test]
fn bench_prints_json() {
    let data = crate::support::checkout().join("tests/tests/data/sums.jsonl");
    let model = crate::support::tiny_model();
    let common = |kind: &str| {
        words(&format!("bench {kind} --threads 1 --json --new-tokens 4 --model {} --data {}", model.display(), data.display()))
    };
    for line in [(common("grpo"), "--prompts 2 --group 2 --steps 1"), (common("rollout"), "--batch 1,2 --prompt 16 --repeats 1")] {
        let said = run(line.0.into_iter().chain(words(line.1))).with_code(0);
        assert!(said.json_lines().iter().all(Value::is_object) && !said.out.is_empty(), "{}", said.out);
    }
}
