//! Data from the command line to a run: looked at, counted, converted, mixed, filtered, and trained on whatever their container.

use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Bench, run, said, tiny_model};

fn prompts(n: usize) -> String {
    (0..n).map(|i| format!("{}\n", json!({"prompt": format!("{i} + 1 ="), "answer": (i + 1).to_string()}))).collect()
}

/// A bench whose recipe reads prompts.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.edit("format = \"arithmetic\"\nheldout_rows = 8\n", "format = \"auto\"\nheldout_rows = 2\n");
    bench.edit("[data.arithmetic]\noperators = [\"+\"]\nmax = 9\nexamples = 1\n", "");
    bench
}

#[test]
fn bad_rows_are_told_with_their_places_or_set_aside_in_a_file() {
    let bench = bench();
    let file = bench.write("rows.jsonl", prompts(3) + "{\"prompt\": \"x\" \"answer\": 1}\n");
    let report = run(["data", "check", &file]).with_code(2).out;
    assert!(report.contains("rows.jsonl:4:16: not JSON") && report.contains("4 rows: 3 good, 1 wrong"), "{report}");
    let rejects = bench.path("rejects.jsonl");
    run(["data", "check", &file, "--bad-rows=skip", "--rejects", rejects.to_str().unwrap()]).with_code(0);
    let row: Value = serde_json::from_str(&fs::read_to_string(&rejects).unwrap()).unwrap();
    assert_eq!(
        (row["line"].as_u64(), row["column"].as_u64(), row["row"].as_str()),
        (Some(4), Some(16), Some("{\"prompt\": \"x\" \"answer\": 1}"))
    );
    run(["data", "check", &file, "--set", "columns.promt=x"]).with_code(2);
    run(["data", "check", &file, "--set", "shp.min_ratio=2"]).with_code(2).telling(&["min_ratio", "min_score_ratio"]);
    run(["data", "check", &file, "--format", "promts"]).with_code(2).telling(&["did you mean `prompts`?"]);
}

#[test]
fn figures_and_a_look_are_printed_for_people_and_as_json() {
    let bench = bench();
    let pair = |c: &str, r: &str| json!({"chosen": format!("\n\nHuman: Hi\n\nAssistant: {c}"), "rejected": format!("\n\nHuman: Hi\n\nAssistant: {r}")});
    let file = bench.write("pairs.jsonl", format!("{}\n{}\n", pair("Hello there", "No"), pair("Yes", "Go away now")));
    let shown = run(["data", "stats", &file]).with_code(0).out;
    for part in ["2 preference pairs", "length bias", "50.0%", "█"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let model = tiny_model().to_str().unwrap();
    let figures: Value =
        serde_json::from_str(&run(["data", "stats", &file, "--json", "--model", model, "--max-length", "5"]).with_code(0).out).unwrap();
    assert_eq!((figures["unit"].as_str(), figures["truncated"]["rows"].as_u64()), (Some("tokens"), Some(2)));
    assert_eq!(figures["answer"]["max"].as_u64(), Some(11), "one token a byte");
    let look = run(["data", "preview", &file, "-n", "1"]).with_code(0).out;
    assert!(look.contains("[user] Hi") && look.contains("[assistant] Hello there") && !look.contains("Go away"), "{look}");
    let look: Value =
        serde_json::from_str(&run(["data", "preview", &file, "-n", "1", "--json", "--model", model]).with_code(0).out).unwrap();
    assert_eq!(look["format"], "hh-rlhf");
    assert!(look["rendered"].as_str().unwrap().contains("Hi") && look["prompt_tokens"].as_u64().unwrap() > 2);
}

#[test]
fn converted_rows_are_read_as_what_they_were() {
    let bench = bench();
    let file = bench
        .write("gsm.json", json!([{"question": "1+1?", "answer": "two\n#### 2"}, {"question": "2+2?", "answer": "#### 4"}]).to_string());
    let out = bench.path("out.jsonl.zst");
    let out = out.to_str().unwrap();
    run(["data", "convert", &file, out]).with_code(0).telling(&["2 rows written"]);
    let report: Value = serde_json::from_str(&run(["data", "check", out, "--json"]).with_code(0).out).unwrap();
    assert_eq!((report["good"].as_u64(), report["format"].as_str()), (Some(2), Some("prompts")));
    run(["data", "convert", &file, out]).with_code(2).telling(&["is there already"]);
    let bad = bench.write("bad.jsonl", "{\"prompt\": 1}\n");
    let other = bench.path("other.jsonl");
    run(["data", "convert", &bad, other.to_str().unwrap()]).with_code(2).telling(&["bad.jsonl:1:"]);
    assert!(!other.exists(), "what failed leaves no file");
}

#[test]
fn every_container_is_trained_on_without_a_flag() {
    let bench = bench();
    let rows = prompts(12);
    let lines: Vec<Value> = rows.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let csv: String = lines.iter().map(|v| format!("{},{}\n", v["prompt"].as_str().unwrap(), v["answer"].as_str().unwrap())).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(rows.as_bytes()).unwrap();
    let files = [
        bench.write("rows.json", Value::from(lines.clone()).to_string()),
        bench.write("rows.csv", format!("prompt,answer\n{csv}")),
        bench.write("rows.jsonl.gz", gz.finish().unwrap()),
    ];
    let plan = |file: &str| {
        let shown = run(["plan", "--json"].into_iter().map(str::to_owned).chain(bench.words("c", &[&format!("data.train={file}")])))
            .with_code(0)
            .out;
        serde_json::from_str::<Value>(&shown).unwrap()["data"].clone()
    };
    for file in &files {
        let data = plan(file);
        assert_eq!(
            (data["train"].as_u64(), data["heldout"].as_u64(), data["format"].as_str()),
            (Some(10), Some(2), Some("prompts")),
            "{file}"
        );
    }
    bench.trained("c", &[&format!("data.train={}", files[2]), "run.steps=1"]);
}

#[test]
fn a_mixture_is_trained_on_in_its_shares_and_resumed() {
    let bench = bench();
    let (a, b) = (
        bench.write("a.jsonl", prompts(20)),
        bench.write("b.jsonl", prompts(40).lines().skip(20).map(|l| format!("{l}\n")).collect::<String>()),
    );
    let toml = format!("[data]\nblock = 4\n[[data.mixture]]\npath = {a:?}\nweight = 0.75\n[[data.mixture]]\npath = {b:?}\nweight = 0.25\n");
    let mixture = bench.write("mixture.toml", toml);
    let words = |name: &str, more: &[&str]| {
        let mut words = bench.words(name, more);
        words.insert(1, mixture.clone());
        words
    };
    let train = |name: &str, more: &[&str]| run(std::iter::once("train".to_owned()).chain(words(name, more)));
    train("whole", &["run.steps=4", "rollout.prompts=4", "log.rollouts_per_step=100"]).with_code(0);
    for step in 1..=4 {
        let text = fs::read_to_string(bench.path(&format!("runs/whole/rollouts/step_{step}.jsonl"))).unwrap();
        let first = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["prompt"].as_str().unwrap().split(' ').next().unwrap().parse::<u32>().unwrap()
        };
        let mut asked: Vec<u32> = text.lines().map(first).collect();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.iter().filter(|n| **n < 20).count(), 3, "step {step}: {asked:?}");
    }
    train("cut", &["run.steps=2", "rollout.prompts=4"]).with_code(0);
    train("cut", &["run.steps=4", "rollout.prompts=4", "--resume"]).with_code(0);
    let weights = |name: &str| fs::read(bench.checkpoint(name, 4).join("model.safetensors")).unwrap();
    assert!(weights("whole") == weights("cut"), "the resumed run learnt from other rows");
}

#[test]
fn rules_of_a_recipe_leave_rows_out_and_set_bad_ones_aside() {
    let bench = bench();
    let long = json!({"prompt": "a".repeat(300), "answer": "1"});
    let file = bench.write("rows.jsonl", prompts(12) + &format!("{long}\n{{\n"));
    let train = format!("data.train={file}");
    let rules = ["data.max_prompt_tokens=100", "data.bad_rows=skip", "data.max_bad_share=0.1", "data.dedup=exact"];
    let settings: Vec<&str> = std::iter::once(train.as_str()).chain(rules).chain(["run.steps=1"]).collect();
    let plan = run(std::iter::once("plan".to_owned()).chain(bench.words("rules", &settings))).with_code(0).out;
    assert!(plan.contains("1 left out: a prompt of more tokens than data.max_prompt_tokens"), "{plan}");
    bench.trained("rules", &settings);
    let rejects = fs::read_to_string(bench.path("runs/rules/rejects.jsonl")).unwrap();
    assert!(rejects.contains("\"line\":14") && rejects.lines().count() == 1, "{rejects}");
    let refused = said(&mut bench.train("strict", &[&train, "data.bad_rows=skip"])).with_code(2);
    refused.telling(&["1 of 14 rows are bad, more than the share of 0.01 that may be skipped", "rows.jsonl:14:"]);
    said(&mut bench.train("knob", &[&train, "data.dedup=exakt"])).with_code(2).telling(&["did you mean \"exact\"?"]);
    said(&mut bench.train("knob", &[&train, "data.shp.min_score_ratio=0"])).with_code(2).telling(&["data.shp.min_score_ratio"]);
}

#[test]
fn the_doctor_tells_what_there_is_and_every_knob_is_explained() {
    let bench = bench();
    let findings: Value =
        serde_json::from_str(&run(["doctor", "--json", "--dir", bench.path("").to_str().unwrap()]).with_code(0).out).unwrap();
    let of =
        |what: &str| findings.as_array().unwrap().iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("nothing of {what}")).clone();
    for what in ["version", "LibTorch", "threads", "devices", "cpu", "memory", "disk", "open files", "features", "formats"] {
        assert!(!of(what)["found"].as_str().unwrap().is_empty(), "{what}");
    }
    assert!(of("features")["found"].as_str().unwrap().contains("parquet yes"));
    let bad = run(["doctor", "--dir", "/no/such/folder"]).with_code(1).out;
    assert!(bad.contains("BAD  disk"), "{bad}");
    for (key, part) in [
        ("data.shp.min_score_ratio", "factor"),
        ("data.webgpt", "data.webgpt.ties"),
        ("data.mixture", "[[data.mixture]]"),
        ("algorithm.beta", "grpo"),
        ("reward.pattern", "format"),
        ("data.dedup", "near"),
    ] {
        let said = run(["config", "explain", key]).with_code(0).out;
        assert!(said.contains(part), "{key}: {said}");
    }
    run(["config", "explain", "data.shp.min_ratio"]).with_code(2).telling(&["did you mean `data.shp.min_score_ratio`?"]);
}
